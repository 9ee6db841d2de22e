// Hot path: `onCall` runs for every call received.
// Long: a call is taken, held, run, answered and refused in one place, which is where its slot is kept.
import type { Clock } from '../base/clock.js'
import { failure, type StatusCode, TransportError } from '../base/errors.js'
import type { Connection } from '../connection/connection.js'
import { refusalOf, sendError, sendRefusal } from '../connection/control-frames.js'
import type { Environment } from '../connection/environment.js'
import { ExchangeTable } from '../connection/exchange.js'
import type { InboundMessage } from '../connection/inbound.js'
import { flagsOf } from '../connection/message-flags.js'
import { AgedLanes } from './aged-lanes.js'
import type { Backlog } from './backlog.js'
import { opaque } from './codec-error.js'
import { DeadlineWatch } from './deadline.js'
import type { HandlerQueue } from './handler-queue.js'
import { HeldCall, type HeldCallOwner, type HeldRefusal } from './held-call.js'
import { maxWaitOf } from './load-shedding.js'
import { handlerError, promiseOf, type Reception } from './reception.js'
import type { Registration } from './registry.js'
import { ServerCall } from './server-call.js'
import type { AnyMethod } from './service.js'

const EXPIRED = refusalOf(failure('deadline', 'the deadline of the caller had passed'))

/** A call whose handler has not settled. It holds its slot until then, whatever the caller does meanwhile. */
type RunningCall = Pick<HeldCall, 'id' | 'lane' | 'registration' | 'call'>

/** The calls that the peer makes on one connection. */
export class Dispatcher implements HeldCallOwner {
  readonly #connection: Connection
  readonly #environment: Environment
  readonly #reception: Reception
  readonly #onSettled: () => void
  readonly #waits: () => boolean
  readonly #running: ExchangeTable<RunningCall>
  readonly #deadlines: DeadlineWatch
  readonly #backlog: Backlog
  /** What waits for the processor; made when something does. */
  #queue: AgedLanes | null = null
  #leaving = false

  /**
   * `onSettled` is told each time that a handler which took its time has settled. `waits`: we wait for something of the
   * peer on this connection ourselves.
   */
  constructor(
    connection: Connection,
    environment: Environment,
    reception: Reception,
    backlog: Backlog,
    onSettled: () => void,
    waits: () => boolean,
  ) {
    const { limits } = environment
    this.#connection = connection
    this.#environment = environment
    this.#reception = reception
    this.#backlog = backlog
    this.#onSettled = onSettled
    this.#waits = waits
    this.#running = new ExchangeTable(limits.maxOpenCalls)
    this.#deadlines = new DeadlineWatch(environment, (now) => this.#expire(now))
  }

  get clock(): Clock {
    return this.#environment.clock
  }

  /** Handlers that have not settled. */
  get open(): number {
    return this.#running.size
  }

  /** Takes no more calls. Returns the last id that was accepted. */
  leave(): number {
    this.#leaving = true
    return this.#running.lastId
  }

  onCall(message: InboundMessage): void {
    const { id, lane } = message
    const admission = this.#running.admit(id)
    if (admission !== 'admitted') {
      this.#connection.fail(failure('call-id-invalid', `call id ${id}: ${admission}`))
      return
    }
    // It crossed our GO_AWAY, by which the peer knows that it is not run.
    if (this.#leaving) {
      this.#environment.counters.failed('going-away')
      return
    }
    let value: unknown
    let call: ServerCall
    let registration: Registration
    try {
      registration = this.#reception.findOf(message, 'unary')
      this.#checkPlace()
      if (message.waitedMs > 0 && message.timeoutMs > 0 && message.waitedMs >= message.timeoutMs) {
        this.#refuseExpired(id)
        return
      }
      if (!this.#admits(message)) {
        this.#refuseOverloaded(id)
        return
      }
      call = this.#serverCall(message)
      if (this.#backlog.active || registration.queue?.busy === true) {
        this.#hold(message, registration, call)
        return
      }
      value = this.#reception.decode(registration, message)
    } catch (error) {
      this.#refuse(id, opaque(error))
      return
    }
    registration.queue?.tryStart()
    this.#run(registration, id, lane, value, call)
  }

  onCancel(id: number, code: StatusCode): void {
    // A cancel that crosses the answer on its way finds nothing, which is fine.
    const running = this.#running.get(id)
    const reason = code === 'DEADLINE_EXCEEDED' ? 'deadline' : 'cancelled'
    if (running !== undefined)
      this.#abandon(running, failure(reason, 'the caller waits no more', { processed: 'maybe' }))
  }

  /** Nobody waits for any answer. The handlers are told; what they return is dropped. */
  onClosed(error: TransportError): void {
    this.#deadlines.stop()
    this.#running.forEach((running) => this.#abandon(running, error))
  }

  /** A handler that runs is told. A call that waits for one gives its place back: what it waits behind may never settle. */
  #abandon(running: RunningCall, why: TransportError): void {
    running.call.abort(why)
    if (!(running instanceof HeldCall)) return
    const queue = running.placed ? running.registration.queue : this.#queue
    queue?.withdraw(running)
    running.giveUp()
  }

  #checkPlace(): void {
    const { maxOpenCalls } = this.#environment.limits
    if (this.#running.size >= maxOpenCalls)
      throw failure('too-many-open-calls', `${maxOpenCalls} calls are open already`)
    // It is read on although it reads nothing, because we wait for answers of its own.
    if (this.#connection.writes.blocked && this.#connection.unreadAnswers)
      throw failure('answers-unread', 'the peer asks for more while it leaves too much unread')
  }

  #serverCall(message: InboundMessage): ServerCall {
    const reception = this.#reception
    return new ServerCall(
      reception.peer,
      reception.metadata(message),
      reception.deadline(message),
      this.#environment.clock,
    )
  }

  #run(registration: Registration, id: number, lane: number, value: unknown, call: ServerCall): void {
    this.#environment.counters.handlersStarted += 1
    let result: unknown
    let promise: Promise<unknown> | null
    try {
      result = registration.handler(value, call)
      promise = promiseOf(result)
    } catch (error) {
      this.#finishWithError(id, handlerError(error))
      registration.queue?.settled()
      return
    }
    if (promise !== null) this.#await({ id, lane, registration, call }, promise)
    else {
      this.#finish(id, lane, registration.method, result)
      registration.queue?.settled()
    }
  }

  /** Has the call wait, for the processor or for a place of its handler. It holds its slot meanwhile. */
  #hold(message: InboundMessage, registration: Registration, call: ServerCall): void {
    const maxWaitMs = maxWaitOf(message.lane, call.remainingMs, this.#backlog.options)
    const held = new HeldCall(message, registration, call, maxWaitMs, this)
    this.#running.keep(held.id, held)
    this.#deadlines.note(call.expiresAt)
    if (this.#backlog.active) {
      const { maxOpenCalls, maxQueuedBytes } = this.#environment.limits
      this.#queue ??= new AgedLanes(
        { maxMessages: maxOpenCalls, maxBytes: maxQueuedBytes, overflow: 'reject' },
        this.#backlog.options.intervalMs,
      )
      if (this.#backlog.offer(this.#queue, held) !== 'accepted') this.refuse(held, 'full')
    } else this.#place(held, registration.queue)
  }

  /** Has a call wait for a place of its handler. */
  #place(held: HeldCall, queue: HandlerQueue | null): void {
    held.placed = true
    if (queue?.offer(held, this.#environment) !== 'accepted') this.refuse(held, 'full')
  }

  /** The turn of a call that waited has come. */
  start(held: HeldCall): void {
    const { id, lane, registration, call, payload } = held
    const { queue } = registration
    if (!held.placed && queue !== null && !queue.tryStart()) {
      this.#place(held, queue)
      return
    }
    this.#running.close(id)
    let value: unknown
    try {
      value = this.#reception.decode(registration, payload)
    } catch (error) {
      queue?.settled()
      this.#refuse(id, opaque(error))
      this.#onSettled()
      return
    }
    this.#run(registration, id, lane, value, call)
    this.#onSettled()
  }

  /** A call that waited is not run. */
  refuse({ id, registration, call: { abandoned } }: HeldCall, why: HeldRefusal): void {
    this.#running.close(id)
    if (why === 'too-old') this.#refuseOverloaded(id)
    else if (why === 'full') {
      this.#environment.counters.failed('queue-full')
      const error = failure('queue-full', `too many calls wait for ${registration.method.name}`)
      this.#answerError(id, error, 'no')
    } else if (abandoned === null || abandoned.reason === 'deadline') this.#refuseExpired(id)
    else this.#answerError(id, abandoned, 'no')
    this.#onSettled()
  }

  /** Whether a call is taken, by what is known before it is looked at. */
  #admits({ lane, timeoutMs, waitedMs }: InboundMessage): boolean {
    const backlog = this.#backlog
    if (!backlog.admits(lane)) return false
    if (!backlog.active || this.#queue === null) return true
    return !backlog.hopeless(this.#queue, lane, timeoutMs === 0 ? Number.POSITIVE_INFINITY : timeoutMs - waitedMs)
  }

  #refuseExpired(id: number): void {
    this.#environment.counters.callsExpired += 1
    sendRefusal(this.#connection.writes, id, EXPIRED)
    this.#onAnswer()
  }

  #refuseOverloaded(id: number): void {
    this.#environment.counters.failed('overloaded')
    sendRefusal(this.#connection.writes, id, this.#backlog.refusal)
    this.#onAnswer()
  }

  /** Something was written for the peer to read. */
  #onAnswer(): void {
    if (this.#connection.writes.blocked) this.#connection.onUnreadAnswer(this.#waits())
  }

  #await(running: RunningCall, result: Promise<unknown>): void {
    this.#running.keep(running.id, running)
    this.#deadlines.note(running.call.expiresAt)
    result.then(
      (value) => {
        this.#running.close(running.id)
        const { abandoned } = running.call
        // Only the place is given back: the value would travel for nothing.
        if (abandoned !== null) this.#finishWithError(running.id, abandoned)
        else this.#finish(running.id, running.lane, running.registration.method, value)
        running.registration.queue?.settled()
        this.#onSettled()
      },
      (error: unknown) => {
        this.#running.close(running.id)
        // Whoever still listens is told that it was the deadline, not what the handler made of its signal.
        this.#finishWithError(running.id, running.call.abandoned ?? handlerError(error))
        running.registration.queue?.settled()
        this.#onSettled()
      },
    )
  }

  /** Writes the answer. */
  #finish(id: number, lane: number, { response, responseCodec }: AnyMethod, value: unknown): void {
    this.#environment.counters.handlersFinished += 1
    if (this.#connection.state === 'closed') return
    const { writes } = this.#connection
    try {
      writes.beginAnswer(flagsOf(responseCodec, lane, false), id)
      response.encode(value, writes.out)
      writes.endMessage()
    } catch (error) {
      writes.abandon()
      const failed = opaque(error)
      if (failed.reason === 'encode-failed') this.#environment.counters.failed('encode-failed')
      this.#answerError(id, failed, 'yes')
    }
    this.#onAnswer()
  }

  #finishWithError(id: number, error: TransportError): void {
    const { counters } = this.#environment
    counters.handlersFinished += 1
    if (error.reason === 'handler-failed') counters.failed('handler-failed')
    this.#answerError(id, error, 'yes')
  }

  /** The handler never ran. */
  #refuse(id: number, error: TransportError): void {
    this.#answerError(id, error, 'no')
    this.#reception.account(error)
  }

  #answerError(id: number, { code, origin, reason, message, details }: TransportError, processed: 'yes' | 'no'): void {
    if (this.#connection.state === 'closed') return
    const error = new TransportError(message, {
      code,
      origin,
      details,
      processed,
      ...(reason === undefined ? {} : { reason }),
    })
    sendError(this.#connection.writes, id, error)
    this.#onAnswer()
  }

  #expire(now: number): number {
    let next = Number.POSITIVE_INFINITY
    this.#running.forEach((running) => {
      const { expiresAt } = running.call
      if (expiresAt > now) next = Math.min(next, expiresAt)
      else this.#abandon(running, failure('deadline', 'the deadline of the caller has passed', { processed: 'maybe' }))
    })
    return next
  }
}
