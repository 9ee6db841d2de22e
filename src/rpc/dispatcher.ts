// Hot path: `onCall` and `onOneWay` run for every message.
// Long: the two ways in, calls and one-way messages, share admission, decoding and accounting.
import { failure, type StatusCode, TransportError } from '../base/errors.js'
import { STATUS } from '../base/status.js'
import { TokenBucket } from '../base/token-bucket.js'
import { CODEC_NUMBER } from '../codec/codec.js'
import type { Connection } from '../connection/connection.js'
import { sendError } from '../connection/control-frames.js'
import type { Environment } from '../connection/environment.js'
import { ExchangeTable } from '../connection/exchange.js'
import type { Agreement } from '../connection/hello.js'
import type { InboundMessage } from '../connection/inbound.js'
import { flagsOf } from '../connection/message-flags.js'
import { PAUSE } from '../connection/read-loop.js'
import { DeadlineWatch } from './deadline.js'
import { IntroducedMethods } from './introduced-methods.js'
import { decodeMetadata, type Metadata } from './metadata.js'
import type { Registration, Registry } from './registry.js'
import { type PeerFacts, ServerCall } from './server-call.js'
import type { AnyMethod, MethodKind } from './service.js'

/** A call whose handler has not settled. It holds its slot until then, whatever the caller does meanwhile. */
interface RunningCall {
  readonly id: number
  readonly lane: number
  readonly method: AnyMethod
  readonly call: ServerCall
}

const NO_METADATA: Metadata = Object.freeze({})
const UNKNOWN_TIME = -1

/** The calls that the peer makes on one connection. */
export class Dispatcher {
  readonly #connection: Connection
  readonly #environment: Environment
  readonly #methods: IntroducedMethods
  readonly #peer: PeerFacts
  readonly #onSettled: () => void
  readonly #running: ExchangeTable<RunningCall>
  readonly #deadlines: DeadlineWatch
  readonly #cancels: TokenBucket
  #runningOneWay = 0
  #leaving = false
  /** The time, read once a turn: a turn is at most `limits.maxTurnMs` long. */
  #turnNow = UNKNOWN_TIME

  /** `onSettled` is told each time that a handler which took its time has settled. */
  constructor(
    connection: Connection,
    agreement: Agreement,
    environment: Environment,
    registry: Registry,
    onSettled: () => void,
  ) {
    const { clock, limits } = environment
    this.#connection = connection
    this.#environment = environment
    this.#methods = new IntroducedMethods(registry, agreement, limits.maxMethods)
    this.#peer = { id: agreement.peerId, address: connection.info().remote }
    this.#onSettled = onSettled
    this.#running = new ExchangeTable(limits.maxOpenCalls)
    this.#deadlines = new DeadlineWatch(environment, (now) => this.#expire(now))
    this.#cancels = new TokenBucket(limits.cancelBurst, limits.cancelsPerSecond, clock.now())
  }

  /** Handlers that have not settled. */
  get open(): number {
    return this.#running.size + this.#runningOneWay
  }

  /** Takes no more calls. Returns the last id that was accepted. */
  leave(): number {
    this.#leaving = true
    return this.#running.lastId
  }

  onMethod(number: number, name: string): void {
    const error = this.#methods.add(number, name)
    if (error !== null) this.#connection.fail(error)
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
      registration = this.#accept(message, 'unary')
      call = this.#serverCall(message)
      value = this.#decode(registration, message)
    } catch (error) {
      this.#refuse(id, opaque(error))
      return
    }
    this.#environment.counters.handlersStarted += 1
    let result: unknown
    let promise: Promise<unknown> | null
    try {
      result = registration.handler(value, call)
      promise = promiseOf(result)
    } catch (error) {
      this.#finishWithError(id, handlerError(error))
      return
    }
    if (promise === null) this.#finish(id, lane, registration.method, result)
    else this.#await({ id, lane, method: registration.method, call }, promise)
  }

  onOneWay(message: InboundMessage): void {
    const { counters } = this.#environment
    // Read before the handler runs: the message is filled anew for the next.
    const { lane, cost } = message
    counters.oneWayReceived += 1
    let promise: Promise<unknown> | null
    try {
      const registration = this.#accept(message, 'oneWay')
      const value = this.#decode(registration, message)
      const call = this.#serverCall(message)
      counters.handlersStarted += 1
      promise = this.#runOneWay(registration, value, call)
    } catch (error) {
      counters.oneWayDropped += 1
      this.#connection.flow?.consume(lane, cost)
      this.#account(opaque(error))
      return
    }
    if (promise !== null) {
      this.#awaitOneWay(promise, lane, cost)
      return
    }
    counters.handlersFinished += 1
    this.#connection.flow?.consume(lane, cost)
  }

  onCancel(id: number, code: StatusCode): void {
    if (!this.#cancels.take(1, this.#environment.clock.now())) {
      this.#connection.fail(
        failure('too-many-cancels', `cancels faster than ${this.#environment.limits.cancelsPerSecond} a second`),
      )
      return
    }
    // A cancel that crosses the answer on its way finds nothing, which is fine.
    const running = this.#running.get(id)
    running?.call.abort(
      failure(code === 'DEADLINE_EXCEEDED' ? 'deadline' : 'cancelled', 'the caller waits no more', {
        processed: 'maybe',
      }),
    )
  }

  onTurnEnd(): void {
    this.#turnNow = UNKNOWN_TIME
  }

  /** Nobody waits for any answer. The handlers are told; what they return is dropped. */
  onClosed(error: TransportError): void {
    this.#deadlines.stop()
    this.#running.forEach((running) => running.call.abort(error))
  }

  /** Who serves the message. Throws why it is not served. */
  #accept(message: InboundMessage, kind: MethodKind): Registration {
    const found = this.#methods.find(message.method)
    if (found === null) throw failure('frame-malformed', `method number ${message.method} was never introduced`)
    if (found instanceof TransportError) throw found
    const { method } = found
    if (method.kind !== kind) throw failure('method-unknown', `${method.name} is ${method.kind}, not ${kind}`)
    if (message.codec !== CODEC_NUMBER[method.request.name]) {
      throw failure(
        'codec-not-agreed',
        `${method.name} takes ${method.request.name}, got codec number ${message.codec}`,
      )
    }
    if (kind === 'oneWay') return found
    const { maxOpenCalls } = this.#environment.limits
    if (this.#running.size >= maxOpenCalls)
      throw failure('too-many-open-calls', `${maxOpenCalls} calls are open already`)
    return found
  }

  #decode({ method }: Registration, message: InboundMessage): unknown {
    return method.request.decode(message.bytes, message.start, message.end, message.owned, this.#environment.limits)
  }

  #serverCall(message: InboundMessage): ServerCall {
    const { metadataStart, metadataEnd, timeoutMs } = message
    const metadata =
      metadataEnd === 0
        ? NO_METADATA
        : decodeMetadata(message.metadataBytes, metadataStart, metadataEnd, this.#environment.limits)
    const deadline = timeoutMs === 0 ? Number.POSITIVE_INFINITY : this.#now() + timeoutMs
    return new ServerCall(this.#peer, metadata, deadline, this.#environment.clock)
  }

  #now(): number {
    if (this.#turnNow === UNKNOWN_TIME) this.#turnNow = this.#environment.clock.now()
    return this.#turnNow
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
        else this.#finish(running.id, running.lane, running.method, value)
        this.#onSettled()
      },
      (error: unknown) => {
        this.#running.close(running.id)
        // Whoever still listens is told that it was the deadline, not what the handler made of its signal.
        this.#finishWithError(running.id, running.call.abandoned ?? handlerError(error))
        this.#onSettled()
      },
    )
  }

  /** Writes the answer. */
  #finish(id: number, lane: number, { response }: AnyMethod, value: unknown): void {
    this.#environment.counters.handlersFinished += 1
    if (this.#connection.state === 'closed') return
    const { writes } = this.#connection
    try {
      writes.beginAnswer(flagsOf(CODEC_NUMBER[response.name], lane, false), id)
      response.encode(value, writes.out)
      writes.endMessage()
    } catch (error) {
      writes.abandon()
      const failed = opaque(error)
      if (failed.reason === 'encode-failed') this.#environment.counters.failed('encode-failed')
      this.#answerError(id, failed, 'yes')
    }
    if (writes.blocked) this.#connection.onUnreadAnswer()
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
    this.#account(error)
  }

  #answerError(id: number, { code, origin, reason, message, details }: TransportError, processed: 'yes' | 'no'): void {
    const error = new TransportError(message, {
      code,
      origin,
      details,
      processed,
      ...(reason === undefined ? {} : { reason }),
    })
    sendError(this.#connection.writes, id, error)
    if (this.#connection.writes.blocked) this.#connection.onUnreadAnswer()
  }

  /** Counts an error that the peer caused. */
  #account(error: TransportError): void {
    if (error.reason !== undefined) this.#environment.counters.failed(error.reason)
    this.#connection.strike()
  }

  #runOneWay(registration: Registration, value: unknown, call: ServerCall): Promise<unknown> | null {
    try {
      return promiseOf(registration.handler(value, call))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #awaitOneWay(result: Promise<unknown>, lane: number, cost: number): void {
    const { counters, limits } = this.#environment
    this.#runningOneWay += 1
    if (this.#runningOneWay >= limits.maxOpenCalls) this.#connection.pauseReading(PAUSE.HANDLERS)
    const settled = (): void => {
      counters.handlersFinished += 1
      this.#runningOneWay -= 1
      this.#connection.flow?.consume(lane, cost)
      if (this.#runningOneWay < limits.maxOpenCalls) this.#connection.resumeReading(PAUSE.HANDLERS)
      this.#onSettled()
    }
    result.then(settled, () => {
      counters.failed('handler-failed')
      settled()
    })
  }

  #expire(now: number): number {
    let next = Number.POSITIVE_INFINITY
    this.#running.forEach(({ call }) => {
      if (call.expiresAt > now) next = Math.min(next, call.expiresAt)
      else call.abort(failure('deadline', 'the deadline of the caller has passed', { processed: 'maybe' }))
    })
    return next
  }
}

/** Users choose code and message by throwing a `TransportError` of origin `user`; anything else stays here. */
function handlerError(error: unknown): TransportError {
  if (error instanceof TransportError && error.origin === 'user' && Object.hasOwn(STATUS, error.code)) return error
  return failure('handler-failed', 'the handler failed')
}

/** What a peer may know of a codec that failed: not the text of the user's own getters and types. */
function opaque(error: unknown): TransportError {
  if (error instanceof TransportError && error.reason !== 'encode-failed') return error
  return failure('encode-failed', 'the codec failed')
}

/** A promise of the value, or null for a value that is there. A thenable is adopted, so that it settles once. */
function promiseOf(value: unknown): Promise<unknown> | null {
  if (typeof value !== 'object' || value === null) return null
  return typeof (value as { then?: unknown }).then === 'function' ? Promise.resolve(value) : null
}
