import { failure, type Processed, processed, type TransportError } from '../base/errors.js'
import { forsake } from '../base/source.js'
import type { Connection } from '../connection/connection.js'
import type { Environment } from '../connection/environment.js'
import type { InboundMessage } from '../connection/inbound.js'
import { flagsOf } from '../connection/message-flags.js'
import { reentrant } from '../connection/reentrant.js'
import type { Stream, StreamSink } from '../connection/stream.js'
import type { Abortable } from './abort.js'
import { asError, opaque } from './codec-error.js'
import { type EarlyPlace, EarlyWrites } from './early-writes.js'
import { InboundMessages, type InboundOwner } from './inbound-messages.js'
import { type MessageSource, MessageWriter } from './message-writer.js'
import { decodeMetadata, type Metadata, NO_METADATA } from './metadata.js'
import type { MethodNumbers } from './method-numbers.js'
import type { AnyMethod } from './service.js'

/** Messages from a server, in order. Leaving the loop over them cancels the stream. */
export interface ServerStream<Response> extends AsyncIterableIterator<Response, undefined> {
  /** What the server said at the end, once it has. */
  readonly trailers: Metadata
  /** Waits for nothing more. A loop over the stream ends with `CANCELLED`. The server is told why. */
  cancel(why?: string): void
}

/** A conversation: messages both ways, each side at its own pace. */
export interface DuplexStream<Request, Response> extends ServerStream<Response> {
  /**
   * Sends a message. Resolves when there is room for another: who awaits it goes at the pace of the server. Who does not
   * gets `queue-full` when as much waits as `mailbox` has room for, be that for the server or for a connection to it.
   */
  write(message: Request): Promise<void>
  /** Nothing more comes from us; the server may go on. */
  end(): void
}

/** How a stream of ours is opened, wherever that will be. */
export interface StreamPlan {
  readonly method: AnyMethod
  readonly lane: number
  readonly metadata: Uint8Array | null
  /** Of the whole stream; Infinity for ever. */
  readonly expiresAt: number
  /** Of a server stream. */
  readonly request: { readonly value: unknown } | null
}

/** One stream that we opened, from before it has a connection until its server has settled. */
export class ClientStream implements DuplexStream<unknown, unknown>, StreamSink, InboundOwner, Abortable {
  readonly plan: StreamPlan
  /** A server takes the time it needs. */
  readonly hungry = false
  unwatch: (() => void) | null = null
  trailers: Metadata = NO_METADATA
  readonly #environment: Environment
  readonly #onOver: (stream: ClientStream, error: unknown) => void
  readonly #place: EarlyPlace
  readonly #responses: InboundMessages<unknown>
  /** What was written before there was a connection. */
  #early: EarlyWrites | null = null
  readonly #opened: Promise<void>
  #setOpened: () => void = () => {}
  #stream: Stream | null = null
  #writer: MessageWriter<unknown> | null = null
  #ended = false
  #error: unknown = null
  #over = false

  /** `onOver` hears of the error with which it ended; null where all went well. */
  constructor(
    plan: StreamPlan,
    environment: Environment,
    onOver: (stream: ClientStream, error: unknown) => void,
    place: EarlyPlace,
  ) {
    this.plan = plan
    this.#environment = environment
    this.#onOver = onOver
    this.#place = place
    this.#responses = new InboundMessages(plan.method.response, environment, this)
    this.#opened = new Promise((resolve) => {
      this.#setOpened = resolve
    })
  }

  /** Its server has settled, or nobody waits for that any more. */
  get over(): boolean {
    return this.#over
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** Opens it on a connection. */
  open(connection: Connection, numbers: MethodNumbers): void {
    if (this.#over) return
    const { streams, writes } = connection
    connection.readOn()
    const { method, lane, metadata, expiresAt, request } = this.plan
    try {
      // Before the method is introduced: that would go behind the value, and not before the next open.
      if (writes.encoding) throw reentrant()
      if (streams === null) throw failure('too-many-streams', 'the peer takes no streams')
      const codec = method.request
      const number = numbers.get(method) || numbers.introduce(method)
      const flags = flagsOf(method.requestCodec, lane, metadata !== null)
      const timeoutMs = expiresAt - this.#environment.clock.now()
      const opening = request === null ? null : { encoder: codec, value: request.value }
      this.#stream = streams.open({ method: number, flags, lane, metadata, timeoutMs, request: opening }, this)
    } catch (error) {
      this.fail(asError(error))
      return
    }
    this.#responses.ahead = this.#stream.decodedAhead
    const writer = new MessageWriter(this.#stream, method.request)
    this.#writer = writer
    // In this turn: whoever writes from now on comes behind.
    this.#early?.send(writer)
    this.#early = null
    if (this.#ended) this.#endOurs()
    this.#setOpened()
  }

  next(): Promise<IteratorResult<unknown, undefined>> {
    return this.#responses.next()
  }

  return(): Promise<IteratorResult<unknown, undefined>> {
    return this.#responses.return()
  }

  cancel(why = 'the stream was cancelled'): void {
    this.giveUp((ran) => failure('cancelled', why, { processed: ran }))
  }

  async write(message: unknown): Promise<void> {
    if (this.plan.request !== null) throw failure('misuse', `${this.plan.method.name} takes one request, and had it`)
    if (this.#ended) throw failure('misuse', 'nothing can be sent after the end')
    await (this.#writer === null ? this.#writeEarly(message) : this.#writer.write(message))
  }

  end(): void {
    if (this.#ended) return
    this.#ended = true
    // Without a connection it waits behind what was written before.
    if (this.#writer !== null) this.#endOurs()
  }

  /** Sends all that a source has, then ends our half. What the source throws gives the stream up. */
  async pump(source: MessageSource<unknown>): Promise<void> {
    try {
      await this.#opened
      // Never opened: whoever reads hears why.
      if (this.#writer === null || this.#ended) forsake(source)
      else if (await this.#writer.pump(source)) this.end()
    } catch (error) {
      // What went before it may be done with.
      const why = this.#writer?.refused(error) === true ? processed(asError(error), 'maybe') : error
      this.#abandon(failure('cancelled', 'the source of the stream failed', { cause: error }), why)
    }
  }

  /** Gives it up before its server has settled. */
  giveUp(error: (ran: Processed) => TransportError): void {
    if (this.#over) return
    const why = error(this.#stream === null || this.#stream.unsent ? 'no' : 'maybe')
    this.#abandon(why, why)
  }

  /** It will not be opened, or ends here. */
  fail(error: unknown): void {
    if (this.#settle({ error })) this.#responses.fail(error)
  }

  onData(message: InboundMessage): void {
    this.#responses.push(message)
  }

  /** Only servers hear of this: what comes from us ends with `end`. */
  onEnd(): void {}

  onOver(error: TransportError | null, metadata: Buffer): void {
    if (error !== null) {
      this.fail(error)
      return
    }
    try {
      if (metadata.length > 0) this.trailers = decodeMetadata(metadata, 2, metadata.length, this.#environment.limits)
    } catch (unreadable) {
      const why = processed(unreadable as TransportError, 'yes')
      if (why.reason !== undefined) this.#environment.counters.failed(why.reason)
      this.fail(why)
      return
    }
    if (this.#settle(null)) this.#responses.end()
  }

  onRoom(refusal: Error | null): void {
    this.#writer?.onRoom(refusal)
  }

  onTaken(cost: number): void {
    this.#stream?.consume(cost)
  }

  onUnreadable(error: TransportError): TransportError {
    const why = processed(error, 'yes')
    if (why.reason !== undefined) this.#environment.counters.failed(why.reason)
    this.#stream?.reset(opaque(why))
    this.#settle({ error: why })
    // Whoever took the message gets the error. What is behind it would look as if nothing were missing.
    this.#responses.stop()
    return why
  }

  onLeft(): void {
    this.cancel()
  }

  #writeEarly(message: unknown): Promise<void> | null {
    if (this.#over) throw this.#error
    this.#early ??= new EarlyWrites(this.plan.method.request, this.#environment, this.#place)
    return this.#early.add(message)
  }

  /** A source that is being sent is told that nobody wants more of it. */
  #endOurs(): void {
    this.#writer?.close(failure('misuse', 'nothing can be sent after the end'))
    this.#stream?.end()
  }

  /** The peer hears `told`; whoever reads from the stream, `error`. */
  #abandon(told: TransportError, error: unknown): void {
    if (this.#over) return
    this.#stream?.reset(told)
    if (this.#settle({ error })) this.#responses.abort(error)
  }

  /** `failed`: null where all went well. Users may throw anything, null included. */
  #settle(failed: { readonly error: unknown } | null): boolean {
    if (this.#over) return false
    this.#over = true
    const error = failed?.error
    this.#error = error
    this.unwatch?.()
    this.#writer?.close(error instanceof Error ? error : null)
    this.#early?.fail(error)
    this.#early = null
    this.#setOpened()
    if (failed === null) this.#environment.counters.callsSucceeded += 1
    else this.#environment.counters.callsFailed += 1
    this.#onOver(this, failed === null ? null : failed.error)
    return true
  }
}
