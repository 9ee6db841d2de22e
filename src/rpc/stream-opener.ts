import { failure, TransportError } from '../base/errors.js'
import type { Environment } from '../connection/environment.js'
import { watchCall } from './abort.js'
import { ambientCall } from './ambient-call.js'
import { expired } from './caller.js'
import { ClientStream, type DuplexStream } from './client-stream.js'
import { DeadlineWatch } from './deadline.js'
import type { EarlyPlace } from './early-writes.js'
import type { MessageSource } from './message-writer.js'
import { type CallOptions, checkOptions, checkSignal, checkTimeout, laneOf, timeoutWithin } from './options.js'
import type { Outbound } from './outbound.js'
import type { AnyMethod } from './service.js'
import type { Session } from './session.js'

/** Where streams find a connection. */
export type StreamRoute = Pick<Outbound, 'metadata' | 'keptBack' | 'readyForStream' | 'whenReady' | 'onStreamFailed'>

/** Opens streams on whichever connection of a pool is best, and holds their deadlines. */
export class StreamOpener implements EarlyPlace {
  earlyBytes = 0
  readonly #environment: Environment
  readonly #outbound: StreamRoute
  readonly #open = new Map<ClientStream, number>()
  readonly #deadlines: DeadlineWatch

  constructor(environment: Environment, outbound: StreamRoute) {
    this.#environment = environment
    this.#outbound = outbound
    this.#deadlines = new DeadlineWatch(environment, (now) => this.#expire(now))
  }

  /** One request, many answers. */
  serverStream(method: AnyMethod, request: unknown, options: CallOptions): DuplexStream<unknown, unknown> {
    return this.#start(method, { value: request }, options)
  }

  /** Many requests, one answer. */
  clientStream(method: AnyMethod, source: MessageSource<unknown>, options: CallOptions): Promise<unknown> {
    checkSource(method, source)
    const stream = this.#start(method, null, options)
    void stream.pump(source)
    return answerOf(stream, method)
  }

  /** Many both ways. Without a source its messages are written one by one. */
  duplex(
    method: AnyMethod,
    source: MessageSource<unknown> | undefined,
    options: CallOptions,
  ): DuplexStream<unknown, unknown> {
    if (source !== undefined) checkSource(method, source)
    const stream = this.#start(method, null, options)
    if (source !== undefined) void stream.pump(source)
    return stream
  }

  #start(method: AnyMethod, request: { readonly value: unknown } | null, options: CallOptions): ClientStream {
    checkOptions(options)
    const { clock, counters } = this.#environment
    // A stream may last: it has a deadline only where one is asked for.
    const ownMs = options.timeoutMs === undefined ? Number.POSITIVE_INFINITY : checkTimeout(options.timeoutMs)
    const outer = options.parent === undefined ? ambientCall() : options.parent
    const timeoutMs = timeoutWithin(ownMs, outer)
    const expiresAt = clock.now() + timeoutMs
    const lane = laneOf(options.priority)
    const metadata = this.#outbound.metadata(options.metadata)
    if (options.signal !== undefined) checkSignal(options.signal)
    let carrier: Session | null = null
    const stream = new ClientStream(
      { method, lane, metadata, expiresAt, request },
      this.#environment,
      (over, error) => {
        this.#open.delete(over)
        if (this.#open.size === 0) this.#deadlines.stop()
        carrier?.caller.onStreamOver(error)
        if (error instanceof TransportError) this.#outbound.onStreamFailed(error)
      },
      this,
    )
    const open = (session: Session): void => {
      carrier = session
      stream.open(session.connection, session.numbers)
    }
    counters.callsStarted += 1
    this.#open.set(stream, timeoutMs)
    if (expiresAt < Number.POSITIVE_INFINITY) this.#deadlines.note(expiresAt)
    if (!watchCall(stream, options.signal, outer)) return stream
    if (timeoutMs < 1) {
      stream.fail(expired(ownMs, 'no'))
      return stream
    }
    const keptBack = this.#outbound.keptBack()
    if (keptBack !== null) {
      stream.fail(keptBack)
      return stream
    }
    const session = this.#outbound.readyForStream(lane)
    if (session !== null) open(session)
    else {
      // Without a deadline of its own it waits for a connection as long as calls do.
      const waitMs = timeoutMs === Number.POSITIVE_INFINITY ? undefined : timeoutMs
      const opened = this.#outbound.whenReady(open, lane, () => stream.over, waitMs)
      opened.catch((error: unknown) => stream.fail(error))
    }
    return stream
  }

  /** Gives up what is due; returns the earliest deadline left. */
  #expire(now: number): number {
    let next = Number.POSITIVE_INFINITY
    for (const [stream, timeoutMs] of [...this.#open]) {
      const { expiresAt } = stream.plan
      if (expiresAt > now) next = Math.min(next, expiresAt)
      else stream.giveUp((processed) => expired(timeoutMs, processed))
    }
    return next
  }
}

/** The one answer of a client stream. */
async function answerOf(stream: ClientStream, { name }: AnyMethod): Promise<unknown> {
  const first = await stream.next()
  if (first.done === true) throw failure('answer-unknown', `${name} ended without an answer`, { processed: 'yes' })
  const second = await stream.next()
  if (second.done === true) return first.value
  stream.cancel()
  throw failure('answer-unknown', `${name} has more than one answer`, { processed: 'yes' })
}

function checkSource(method: AnyMethod, source: unknown): void {
  const iterable = typeof source === 'object' && source !== null
  if (iterable && (Symbol.asyncIterator in source || Symbol.iterator in source)) return
  throw failure('option-type', `${method.name} takes an iterable or an async iterable of messages`)
}
