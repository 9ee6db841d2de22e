// Long: it wires what a connection carries, and knows when all of that is done.
import { failure, type StatusCode, type TransportError } from '../base/errors.js'
import { WheelTimer } from '../base/timer-wheel.js'
import type { Connection } from '../connection/connection.js'
import type { Environment } from '../connection/environment.js'
import type { Agreement } from '../connection/hello.js'
import type { InboundMessage, Receiver } from '../connection/inbound.js'
import { remoteError } from '../connection/remote-error.js'
import { Unacked } from '../connection/unacked.js'
import type { Backlog } from './backlog.js'
import { Caller } from './caller.js'
import { Dispatcher } from './dispatcher.js'
import type { SessionFacts } from './facts.js'
import { MethodNumbers } from './method-numbers.js'
import { OneWayDispatcher } from './one-way-dispatcher.js'
import { MAX_TIMEOUT_MS } from './options.js'
import { Reception } from './reception.js'
import type { Registry } from './registry.js'
import { StreamDispatcher } from './stream-dispatcher.js'

export interface SessionOwner {
  /** The peer takes no new calls on this connection. */
  onLeaving(session: Session): void
  /** Messages of a turn were handled, or the socket has room: what waited may go on. */
  onRoom(): void
  /** A call or stream failed in a way that may be the fault of the peer. */
  onFault(session: Session): void
}

/** A ready connection with the calls of both directions on it. Wires them, and knows when all of them are done. */
export class Session implements Receiver {
  readonly connection: Connection
  readonly agreement: Agreement
  readonly numbers: MethodNumbers
  readonly caller: Caller
  readonly #reception: Reception
  readonly #dispatcher: Dispatcher
  readonly #oneWays: OneWayDispatcher
  /** Made with the first message that is to be acknowledged. */
  #unacked: Unacked | null = null
  /** Made with the first stream. */
  #streams: StreamDispatcher | null = null
  #refusesStreams = false
  readonly #backlog: Backlog
  readonly #environment: Environment
  readonly #owner: SessionOwner
  /** For who waits until it is gone; made when somebody does. */
  #gone: Promise<void> | null = null
  #setGone: () => void = () => {}
  /** These three are made when they are armed. */
  #grace: WheelTimer | null = null
  #age: WheelTimer | null = null
  #crossing: WheelTimer | null = null
  readonly #registry: Registry
  #isGone = false
  /** When it is gone, and its handlers are done. */
  #onServed: () => void = () => {}
  #leaving = false
  #closing = false
  /** At the end of this turn it is looked whether all is done. */
  #endsSoon = false
  /** The peer may have begun something before it read that we leave. */
  #mayCross = false
  /** Something came since that was last looked at. */
  #heard = false
  #graceEndsAt = Number.POSITIVE_INFINITY

  constructor(
    connection: Connection,
    agreement: Agreement,
    environment: Environment,
    registry: Registry,
    owner: SessionOwner,
    backlog: Backlog,
  ) {
    this.connection = connection
    this.agreement = agreement
    this.#environment = environment
    this.#owner = owner
    this.#registry = registry
    this.numbers = new MethodNumbers(connection, agreement, environment)
    this.caller = new Caller(connection, agreement, environment, this.numbers, () => {
      owner.onFault(this)
      // A deadline that passes is one, and the peer need not be told of it.
      this.#endSoon()
    })
    this.#backlog = backlog
    const onSettled = (): void => this.#endWhenDone()
    this.#reception = new Reception(connection, agreement, environment, registry, backlog)
    this.#dispatcher = new Dispatcher(connection, environment, this.#reception, backlog, onSettled, () => {
      return this.inFlight > 0
    })
    this.#oneWays = new OneWayDispatcher(connection, environment, this.#reception, onSettled)
    this.#armAge()
  }

  /** Our messages that the peer has not acknowledged. */
  get unacked(): Unacked {
    this.#unacked ??= new Unacked(this.#environment.limits.maxUnackedMessages, () => this.#endSoon())
    return this.#unacked
  }

  /** What its peer sent and no handler is done with. */
  get serving(): number {
    return this.#dispatcher.open + this.#oneWays.open + this.#servedStreams()
  }

  get inFlight(): number {
    return this.caller.open + this.#unackedOpen() + this.connection.openStreams
  }

  get activity(): number {
    // Whatever begins is a frame, or part of one: calls, messages, streams and what is written to them.
    const { writes } = this.connection
    return writes.frames - writes.controls
  }

  get answered(): number {
    return this.caller.answered
  }

  get faults(): number {
    return this.caller.faults
  }

  get broken(): boolean {
    return this.connection.state === 'closed' && !this.#closing && this.inFlight > 0
  }

  get usable(): boolean {
    return !this.#leaving && !this.#closing && this.connection.state === 'ready'
  }

  /** One more may be made. */
  get takesCalls(): boolean {
    return this.usable && !this.caller.full
  }

  info(): SessionFacts {
    return {
      ...this.connection.info(),
      openCalls: this.caller.open,
      openStreams: this.connection.openStreams,
      runningHandlers: this.#dispatcher.open + this.#oneWays.running + this.#servedStreams(),
    }
  }

  /** Of the pool: nobody needs it any more. Open calls go on: the peer ends them in its own grace, or their deadline. */
  retire(): void {
    void this.close(MAX_TIMEOUT_MS)
  }

  /**
   * Begins nothing new, lets what is open end within `graceMs`, then closes. Resolves when it is gone. `why` is what
   * watchers are told.
   */
  close(graceMs: number, why = closedError()): Promise<void> {
    if (this.connection.state === 'closed') return this.#whenGone()
    const { clock, wheel } = this.#environment
    // It may be closing already, and in less of a hurry.
    const endsAt = clock.now() + graceMs
    if (endsAt < this.#graceEndsAt) {
      this.#graceEndsAt = endsAt
      this.#grace ??= new WheelTimer(() => this.#onGraceOver())
      wheel.arm(this.#grace, graceMs)
    }
    if (!this.#closing) {
      this.#closing = true
      this.connection.leave(this.#dispatcher.leave(), why)
      this.#awaitCrossing()
    }
    // Not at once: whoever asks may be a handler, whose call is open when it has returned.
    this.#endSoon()
    return this.#whenGone()
  }

  /** The channel is gone. `onServed` is called once no handler works for it any more. */
  onGone(onServed: () => void): void {
    this.#onServed = onServed
    this.#disarm(this.#grace)
    this.#disarm(this.#age)
    this.#disarm(this.#crossing)
    this.#isGone = true
    this.#setGone()
    this.#endWhenDone()
  }

  onMethod(number: number, name: string): void {
    this.#reception.onMethod(number, name)
  }

  onCall(message: InboundMessage): void {
    this.#dispatcher.onCall(message)
  }

  onAnswer(message: InboundMessage): void {
    this.caller.onAnswer(message)
  }

  onError(id: number, code: StatusCode, fault: Parameters<Receiver['onError']>[2]): void {
    this.caller.onError(id, remoteError(code, fault))
  }

  onOneWay(message: InboundMessage): void {
    this.#oneWays.onOneWay(message)
  }

  onAck(stage: number, first: number, last: number): boolean {
    return this.unacked.onAck(stage, first, last)
  }

  onNack(id: number, error: TransportError): boolean {
    return this.unacked.onNack(id, error)
  }

  onStreamOpen(message: InboundMessage): void {
    this.#streamDispatcher().onStreamOpen(message)
  }

  onCancel(id: number, code: StatusCode): void {
    this.#dispatcher.onCancel(id, code)
  }

  onGoAway(lastAcceptedId: number, error: TransportError): void {
    this.#leaving = true
    this.#owner.onLeaving(this)
    this.caller.onGoAway(lastAcceptedId, error)
    this.#endWhenDone()
  }

  onTurnEnd(): void {
    this.#heard = true
    this.#reception.onTurnEnd()
    this.#oneWays.onTurnEnd()
    this.#owner.onRoom()
    this.#endWhenDone()
  }

  onDrained(): void {
    this.#oneWays.acknowledge()
    this.#owner.onRoom()
    this.#endWhenDone()
  }

  onClosed(error: TransportError, handedBytes: number): void {
    this.#leaving = true
    this.#owner.onLeaving(this)
    this.caller.onClosed(error, handedBytes)
    this.#unacked?.onClosed(error, handedBytes)
    this.#dispatcher.onClosed(error)
    this.#oneWays.onClosed(error)
    this.#streams?.onClosed()
  }

  #whenGone(): Promise<void> {
    if (this.#isGone) return Promise.resolve()
    this.#gone ??= new Promise((resolve) => {
      this.#setGone = resolve
    })
    return this.#gone
  }

  /** Somebody waits for what we began: who gave up does not, and the peer hears of our end as well as of that. */
  get #awaited(): boolean {
    const { caller, connection } = this
    if (caller.waiting > 0 || this.#unacked?.awaited === true) return true
    return connection.openStreams > 0 && connection.streams?.awaited === true
  }

  #unackedOpen(): number {
    return this.#unacked === null ? 0 : this.#unacked.open
  }

  /** Streams that the peer opened and whose handler has not settled. */
  #servedStreams(): number {
    return this.#streams === null ? 0 : this.#streams.open
  }

  #streamDispatcher(): StreamDispatcher {
    if (this.#streams !== null) return this.#streams
    const onSettled = (): void => this.#endWhenDone()
    const made = new StreamDispatcher(this.connection, this.#environment, this.#reception, this.#backlog, onSettled)
    if (this.#refusesStreams) made.leave()
    this.#streams = made
    return made
  }

  #refuseStreams(): void {
    this.#refusesStreams = true
    this.#streams?.leave()
  }

  #disarm(timer: WheelTimer | null): void {
    if (timer !== null) this.#environment.wheel.disarm(timer)
  }

  #armAge(): void {
    const { wheel, random, connection } = this.#environment
    const { maxAgeMs } = connection
    // Connections that began together, after a restart, must not end together.
    if (maxAgeMs === 0) return
    this.#age = new WheelTimer(() => this.#onAged())
    wheel.arm(this.#age, maxAgeMs * (1 - AGE_JITTER + 2 * AGE_JITTER * random.next()))
  }

  #onAged(): void {
    if (!this.usable) return
    const { maxAgeMs, ageGraceMs } = this.#environment.connection
    void this.close(ageGraceMs, failure('closed', `the connection is older than ${maxAgeMs} ms`))
    this.#owner.onLeaving(this)
  }

  /**
   * A call that crosses our GO_AWAY is refused by it, and its caller knows that it may be made elsewhere. Of a stream
   * that crosses it some of the source may be spent, and of a one-way message nobody would hear: they are served. The
   * peer answers our PING once it has sent all those messages that it had accepted. While something comes it is waited for.
   */
  #awaitCrossing(): void {
    if (!this.#registry.beyondCalls) {
      this.#refuseStreams()
      return
    }
    this.#mayCross = true
    this.#heard = false
    this.#crossing ??= new WheelTimer(() => this.#onCrossingLate())
    this.#environment.wheel.arm(this.#crossing, CROSSING_MS)
    this.connection.whenEchoed(() => this.#onCrossed())
  }

  #onCrossingLate(): void {
    if (!this.#heard || this.#crossing === null) {
      this.#onCrossed()
      return
    }
    this.#heard = false
    this.#environment.wheel.arm(this.#crossing, CROSSING_MS)
  }

  #onCrossed(): void {
    this.#disarm(this.#crossing)
    this.#mayCross = false
    this.#refuseStreams()
    this.#endWhenDone()
  }

  #onGraceOver(): void {
    if (this.#mayCross) this.#onCrossed()
    // Where nothing was open that was the end.
    if (this.connection.state !== 'closed') this.connection.destroy(closedError())
  }

  /** Once a turn, however many were given up in it. */
  #endSoon(): void {
    if (!this.#closing || this.#isGone || this.#endsSoon) return
    this.#endsSoon = true
    this.#environment.turns.whenEnds(() => {
      this.#endsSoon = false
      this.#endWhenDone()
    })
  }

  #endWhenDone(): void {
    const { serving } = this
    if (this.#isGone && serving === 0) this.#onServed()
    if (!this.#closing || this.#mayCross || this.#isGone) return
    if (serving > 0 || this.#awaited) return
    this.#oneWays.acknowledge()
    // What the socket has not taken `end` waits for; what the peer has given no credit for waits here.
    const { writes } = this.connection
    if (writes.blocked || writes.idle) this.connection.end(closedError())
  }
}

const AGE_JITTER = 0.1

/** Of a round trip. A peer that says nothing for longer, when it is told that we leave, does not keep us. */
const CROSSING_MS = 1_000

function closedError(): TransportError {
  return failure('closed', 'the connection was closed')
}
