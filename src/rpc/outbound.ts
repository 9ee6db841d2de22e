// Hot path: `call` and `ready` run for every call and message of a client.
// Long: whatever a message may wait for on its way out meets here; each of those things is elsewhere.
import { failure, type TransportError } from '../base/errors.js'
import type { ConnectionState } from '../connection/connection-state.js'
import type { Environment } from '../connection/environment.js'
import type { ServiceFingerprint } from '../connection/hello.js'
import { LANE } from '../mailbox/lane.js'
import { Directory } from '../pool/directory.js'
import { type Lease, Pool } from '../pool/pool.js'
import { watchCall } from './abort.js'
import { ambientCall } from './ambient-call.js'
import { CallRepeater } from './call-repeater.js'
import { type Caller, expired } from './caller.js'
import { asError } from './codec-error.js'
import type { ClientFacts } from './facts.js'
import { HedgedCall } from './hedge.js'
import { encodeMetadata, type Metadata } from './metadata.js'
import {
  type CallOptions,
  checkOptions,
  checkSignal,
  checkTimeout,
  laneOf,
  type ParsedClientOptions,
  timeoutWithin,
} from './options.js'
import { type CallPlace, PendingCall } from './pending-call.js'
import { placeOf } from './place.js'
import { Registry } from './registry.js'
import type { AnyMethod, Repeats } from './service.js'
import type { Session, SessionOwner } from './session.js'
import { SessionMaker } from './session-maker.js'
import { Throttle } from './throttle.js'
import { type WaitingCall, WaitingCalls } from './waiting-calls.js'

/** The functions of the promise being made. An executor of the module's own saves a closure per call. */
let resolveNext: (value: unknown) => void
let rejectNext: (error: unknown) => void
const capture = (resolve: (value: unknown) => void, reject: (error: unknown) => void): void => {
  resolveNext = resolve
  rejectNext = reject
}

/** Takes messages to whichever connection of a pool is best, and holds them while there is none. */
export class Outbound implements SessionOwner {
  readonly #environment: Environment
  readonly #timeoutMs: number
  readonly #pool: Pool<Session>
  readonly #directory: Directory
  readonly #sessions: SessionMaker
  readonly #waiting: WaitingCalls
  readonly #dials = new Set<Promise<unknown>>()
  /** Those that want a connection for bulk. */
  readonly #waitingBulk: WaitingCalls
  readonly #throttle: Throttle
  readonly #repeater: CallRepeater
  #closing: Promise<void> | null = null
  /** Closing is over. */
  #closed = false

  /** Throws what is wrong with the addresses. */
  constructor(
    environment: Environment,
    addresses: readonly string[],
    options: Pick<ParsedClientOptions, 'pool' | 'socket' | 'timeoutMs' | 'retry' | 'throttle'>,
    services: readonly ServiceFingerprint[],
  ) {
    const { pool, socket, timeoutMs, retry, throttle } = options
    this.#environment = environment
    this.#timeoutMs = timeoutMs
    this.#waiting = new WaitingCalls(environment)
    this.#throttle = new Throttle(throttle)
    this.#repeater = new CallRepeater(environment, retry, this.#throttle, (attempt) => this.#callAgain(attempt))
    this.#waitingBulk = new WaitingCalls(environment)
    const sessions = new SessionMaker(environment, new Registry(), this)
    this.#sessions = sessions
    const { connectTimeoutMs } = socket
    this.#directory = new Directory(
      addresses,
      environment,
      { ...pool, connectTimeoutMs },
      {
        onFound: (found) =>
          this.#pool.update(
            found.map((one) => placeOf(one, sessions, { environment, socket, services, dials: this.#dials })),
          ),
        onFailed: (error) => this.#pool.onUnresolved(error),
        used: () => pool.min > 0 || this.#pool.facts().size > 0 || this.#held() > 0,
      },
    )
    this.#pool = new Pool<Session>(environment, pool, {
      onReady: () => this.#goOn(),
      onDialFailed: (error, hopeless) => {
        if (!hopeless) return
        this.#waiting.failAll(error)
        this.#waitingBulk.failAll(error)
      },
      onTrouble: () => this.#directory.wake(),
    })
    this.#directory.start()
    if (pool.min > 0) this.#directory.wake()
  }

  /**
   * Makes a call on the best connection, or queues it until there is one. `leased`: on that one, or on none; it is not
   * made again.
   */
  call(method: AnyMethod, request: unknown, options: CallOptions, leased: Session | null = null): Promise<unknown> {
    checkOptions(options)
    const { counters, turns } = this.#environment
    const outer = options.parent === undefined ? ambientCall() : options.parent
    const ownMs = options.timeoutMs === undefined ? this.#timeoutMs : checkTimeout(options.timeoutMs)
    const timeoutMs = timeoutWithin(ownMs, outer)
    const lane = laneOf(options.priority)
    const metadata = this.metadata(options.metadata)
    if (options.signal !== undefined) checkSignal(options.signal)
    const promise = new Promise<unknown>(capture)
    const pending = new PendingCall(method, turns.current(), timeoutMs, counters, resolveNext, rejectNext)
    pending.request = request
    pending.options = options
    pending.outer = outer
    if (leased === null) pending.keeper = this.#repeater
    counters.callsStarted += 1
    const { hedge } = method.repeats
    const alone = hedge === null || options.idempotent === false || leased !== null
    const watched = alone ? pending : this.#hedge(pending, hedge)
    if (outer !== null || options.signal !== undefined) {
      if (!watchCall(watched, options.signal, outer)) return promise
      if (timeoutMs < 1) {
        pending.fail(expired(ownMs, 'no'))
        return promise
      }
    }
    const keptBack = this.keptBack()
    if (keptBack !== null) {
      pending.fail(keptBack)
      return promise
    }
    const session = leased ?? this.ready(lane)
    if (leased !== null && !leased.takesCalls) pending.fail(this.#unusable(leased))
    else if (session === null) {
      this.wait({ waiter: pending, start: ({ caller }) => this.#callLate(caller, pending, lane, metadata) }, lane)
    } else if (this.overfull(session))
      pending.fail(this.queueFull(`more than ${this.#environment.limits.maxQueuedBytes} bytes`))
    else session.caller.call(pending, request, lane, metadata, timeoutMs)
    return promise
  }

  #hedge(first: PendingCall, hedge: NonNullable<Repeats['hedge']>): HedgedCall {
    const start = (attempt: PendingCall): void => this.#callAgain(attempt)
    return new HedgedCall(first, hedge, { environment: this.#environment, repeater: this.#repeater, start })
  }

  /** Why a call or a stream is not sent: its server would refuse it, as far as can be told. Or null. Counted. */
  keptBack(): TransportError | null {
    const { clock, random, counters } = this.#environment
    if (!this.#throttle.active || this.#throttle.admit(clock.now(), random.next())) return null
    counters.failed('throttled')
    return failure('throttled', 'the server has refused most calls lately: this one was not sent')
  }

  /** A stream failed. Calls are heard of by who repeats them. */
  onStreamFailed(error: TransportError): void {
    this.#repeater.noteOverload(error)
  }

  /** Makes a call that failed, on another connection where there is one. */
  #callAgain(attempt: PendingCall): void {
    const keptBack = this.keptBack()
    if (keptBack !== null) {
      attempt.fail(keptBack)
      return
    }
    let metadata: Uint8Array | null
    let lane: number
    try {
      lane = laneOf(attempt.options.priority)
      metadata = this.metadata(attempt.options.metadata)
    } catch (error) {
      attempt.fail(asError(error))
      return
    }
    const session = this.#elsewhere(attempt.before?.place ?? null, lane)
    if (session === null) {
      this.wait({ waiter: attempt, start: ({ caller }) => this.#callLate(caller, attempt, lane, metadata) }, lane)
    } else if (this.overfull(session)) attempt.fail(this.queueFull('too many bytes'))
    else this.#callLate(session.caller, attempt, lane, metadata)
  }

  #elsewhere(place: CallPlace | null, lane: number): Session | null {
    const session = this.ready(lane)
    // What has a connection of its own stays there.
    if (session === null || session.caller !== place || lane === LANE.bulk) return session
    return this.#pool.find(({ caller }) => caller !== place && !caller.full) ?? session
  }

  /** Resolves when there is a connection; rejects when dialling fails, or a contract does not fit the peer's. */
  async connect(services: readonly ServiceFingerprint[]): Promise<void> {
    if (this.ready() === null) await this.whenReady(() => {})
    for (const session of this.#sessions.all()) {
      for (const service of services) session.numbers.checkContract(service)
    }
  }

  /** A connection that was chosen once may still be used. */
  offers(session: Session): boolean {
    return this.#pool.offers(session)
  }

  async lease(): Promise<Lease<Session>> {
    this.#checkOpen()
    return this.#pool.lease()
  }

  info(): Omit<ClientFacts, 'buffers'> {
    return {
      pool: this.#pool.facts(),
      endpoints: this.#pool.endpoints(),
      waitingCalls: this.#held() + this.#repeater.pausing,
      connections: this.#sessions.all().map((session) => session.info()),
    }
  }

  get state(): ConnectionState {
    if (this.#closing !== null) return this.#closed ? 'closed' : 'draining'
    return this.#pool.facts().ready > 0 ? 'ready' : 'connecting'
  }

  get closed(): boolean {
    return this.#closing !== null
  }

  /** Begins nothing new; open calls may go on for `graceMs`. */
  close(graceMs: number): Promise<void> {
    // A second call may be in more of a hurry.
    if (this.#closing !== null) for (const session of this.#sessions.all()) void session.close(graceMs)
    this.#closing ??= this.#close(graceMs)
    return this.#closing
  }

  onLeaving(session: Session): void {
    this.#pool.leave(session)
    // They waited for a place on that one, and a pool that keeps no connection ready dials for who asks.
    this.onRoom()
  }

  onRoom(): void {
    if (this.#held() > 0) this.#goOn()
  }

  onFault(session: Session): void {
    this.#pool.onFault(session)
  }

  async #close(graceMs: number): Promise<void> {
    this.#pool.close()
    this.#directory.close()
    const closed = failure('closed', 'the client was closed')
    this.#repeater.close(closed)
    this.#waiting.failAll(closed)
    this.#waitingBulk.failAll(closed)
    const sessions = this.#sessions.all().map((session) => session.close(graceMs))
    // The attempts to connect were given up with their pool: their sockets are gone when they fail.
    await Promise.all([...sessions, Promise.allSettled(this.#dials)])
    this.#closed = true
  }

  /** The session for the next message of a lane, or null when it has to wait. */
  ready(lane: number = LANE.normal): Session | null {
    if (this.#closing !== null) return null
    if (lane === LANE.bulk) return this.#waitingBulk.length > 0 ? null : this.#withRoomForBulk()
    return this.#waiting.length > 0 ? null : this.#withRoom()
  }

  /** The session for the next stream, or null when it has to wait. Where none has room it is one that will say so. */
  readyForStream(lane: number): Session | null {
    const session = this.ready(lane)
    const streams = session?.connection.streams
    if (streams?.crowded === true) this.#pool.grow()
    if (session === null || streams?.full !== true) return session
    return this.#pool.find(({ connection }) => connection.streams?.full === false) ?? session
  }

  /** A connection that takes one more call. */
  #withRoom(): Session | null {
    const session = this.#pool.pick()
    if (session === null || !session.caller.full) return session
    this.#pool.grow()
    return this.#pool.find(({ caller }) => !caller.full)
  }

  /** The same for bulk. Where it has some of its own it has no claim on those of the others, also where its own are full. */
  #withRoomForBulk(): Session | null {
    const session = this.#pool.pickBulk()
    if (session === null || !session.caller.full) return session
    return this.#pool.findBulk(({ caller }) => !caller.full)
  }

  /** Messages that wait for a connection. */
  #held(): number {
    return this.#waiting.length + this.#waitingBulk.length
  }

  /** Makes a call that had to wait, with what is left of its time. */
  #callLate(caller: Caller, pending: PendingCall, lane: number, metadata: Uint8Array | null): void {
    const { timeoutMs, request } = pending
    const leftMs = Math.min(timeoutMs, Math.ceil(pending.expiresAt - this.#environment.clock.now()))
    if (leftMs > 0) caller.call(pending, request, lane, metadata, leftMs)
    else pending.fail(expired(timeoutMs, 'no'))
  }

  /** Has it wait for a connection that takes the lane. */
  wait(waiting: WaitingCall, lane: number): void {
    if (this.#closing !== null) waiting.waiter.fail(failure('closed', 'the client is closed'))
    else (lane === LANE.bulk ? this.#waitingBulk : this.#waiting).add(waiting)
  }

  /**
   * Runs `start` on a connection for the lane as soon as there is one, within the default deadline. Its place is free for
   * another once `over` says that nobody needs it any more.
   */
  whenReady<T>(
    start: (session: Session) => T | PromiseLike<T>,
    lane: number = LANE.normal,
    over: () => boolean = () => false,
    timeoutMs = this.#timeoutMs,
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      let failed = false
      const waiter = {
        get settled() {
          return failed || over()
        },
        expiresAt: this.#environment.clock.now() + timeoutMs,
        timeoutMs,
        fail: (error: TransportError) => {
          failed = true
          reject(error)
        },
      }
      const startNow = (session: Session): void => {
        try {
          resolve(start(session))
        } catch (error) {
          reject(error)
        }
      }
      this.wait({ waiter, start: startNow }, lane)
    })
  }

  /** Puts what waits on connections, as far as they have room. */
  #goOn(): void {
    while (this.#waiting.length > 0) {
      const session = this.#withRoom()
      if (session === null || this.overfull(session)) break
      this.#waiting.next()?.start(session)
    }
    while (this.#waitingBulk.length > 0) {
      const session = this.#withRoomForBulk()
      if (session === null || this.overfull(session)) return
      this.#waitingBulk.next()?.start(session)
    }
  }

  /** More waits for sockets than `limits.maxQueuedBytes`. */
  overfull({ connection: { writes } }: Session): boolean {
    if (!writes.blocked) return false
    const queued = this.#sessions.all().reduce((sum, { connection }) => sum + connection.writes.queuedBytes, 0)
    return queued > this.#environment.limits.maxQueuedBytes
  }

  /** Counted. */
  queueFull(what: string): TransportError {
    this.#environment.counters.failed('queue-full')
    return failure('queue-full', `${what} wait for the peer to read`)
  }

  /** As it travels. Throws what is wrong with it. */
  metadata(metadata: Metadata | undefined): Uint8Array | null {
    return metadata === undefined ? null : encodeMetadata(metadata, this.#environment.limits)
  }

  /** Why a leased connection takes no call now. Counted where it is our limit to it. */
  #unusable({ usable }: Session): TransportError {
    const processed = 'no'
    if (!usable) return failure('connection-lost', 'the leased connection is gone, or its peer leaves', { processed })
    this.#environment.counters.failed('queue-full')
    return failure('queue-full', 'as many calls are open on the leased connection as its peer takes', { processed })
  }

  #checkOpen(): void {
    if (this.#closing !== null) throw failure('closed', 'the client is closed')
  }
}
