import { failure, type TransportError } from '../base/errors.js'
import type { Codec } from '../codec/codec.js'
import type { Encoder } from '../connection/encoder.js'
import type { Environment } from '../connection/environment.js'
import { ByteWriter } from '../memory/byte-writer.js'
import { Ring } from '../memory/ring.js'
import { asError } from './codec-error.js'
import type { MessageWriter } from './message-writer.js'

/** What all streams of a client share that have no connection yet. */
export interface EarlyPlace {
  /** What was written to them. */
  earlyBytes: number
}

/** A message as its codec has made it: what that wrote, and what it left where it is. */
class EarlyMessage implements Encoder {
  readonly #head: Buffer
  readonly #reference: Uint8Array | null
  readonly bytes: number

  constructor(value: unknown, codec: Codec<unknown>, { chunks }: Environment) {
    const out = new ByteWriter(chunks)
    try {
      out.open(1)
      codec.encode(value, out)
      this.#head = Buffer.from(out.bytes.subarray(out.recordStart, out.position))
      this.#reference = out.reference
    } catch (error) {
      throw asError(error)
    } finally {
      out.clear()
    }
    this.bytes = this.#head.length + (this.#reference?.length ?? 0)
  }

  encode(_value: unknown, out: ByteWriter): void {
    out.copy(this.#head, 0, this.#head.length)
    if (this.#reference !== null) out.put(this.#reference)
  }
}

interface EarlyWrite {
  readonly message: EarlyMessage
  resolve(room: Promise<void> | null): void
  reject(error: unknown): void
}

/**
 * What is written to a stream before it has a connection. It is encoded when it is written, kept in order, and bounded as
 * what waits on a connection is, so that whoever writes need not know whether there is one.
 */
export class EarlyWrites {
  readonly #codec: Codec<unknown>
  readonly #environment: Environment
  readonly #place: EarlyPlace
  readonly #waiting = new Ring<EarlyWrite>()
  #bytes = 0
  /** Of the stream, once it is open. */
  #writer: MessageWriter<unknown> | null = null
  /** It will never be. */
  #failed: { readonly error: unknown } | null = null

  constructor(codec: Codec<unknown>, environment: Environment, place: EarlyPlace) {
    this.#codec = codec
    this.#environment = environment
    this.#place = place
  }

  /** Takes a message in. Resolves when there is room for another. Throws what is wrong with it, or that there are too many. */
  add(value: unknown): Promise<void> | null {
    if (this.#full) throw this.#queueFull()
    const message = new EarlyMessage(value, this.#codec, this.#environment)
    // A getter of the value may have had the stream opened, or given it up.
    if (this.#failed !== null) throw this.#failed.error
    if (this.#writer !== null) return this.#writer.writeEncoded(message)
    this.#bytes += message.bytes
    this.#place.earlyBytes += message.bytes
    return new Promise((resolve, reject) => {
      this.#waiting.push({ message, resolve: (room) => resolve(room ?? undefined), reject })
    })
  }

  /** The stream is open. All of it goes before anything that is written from now on. */
  send(writer: MessageWriter<unknown>): void {
    this.#writer = writer
    for (let next = this.#take(); next !== undefined; next = this.#take()) {
      try {
        next.resolve(writer.writeEncoded(next.message))
      } catch (error) {
        next.reject(error)
      }
    }
  }

  /** The stream will not be opened. */
  fail(error: unknown): void {
    this.#failed = { error }
    for (let next = this.#take(); next !== undefined; next = this.#take()) next.reject(error)
  }

  #take(): EarlyWrite | undefined {
    const next = this.#waiting.shift()
    if (next === undefined) return undefined
    this.#bytes -= next.message.bytes
    this.#place.earlyBytes -= next.message.bytes
    return next
  }

  /** The first always has a place: whoever wrote it was never told to wait. */
  get #full(): boolean {
    if (this.#waiting.length === 0) return false
    const { mailbox, limits } = this.#environment
    if (this.#place.earlyBytes >= limits.maxQueuedBytes) return true
    return this.#waiting.length >= mailbox.maxMessages || this.#bytes >= mailbox.maxBytes
  }

  /** Counted. */
  #queueFull(): TransportError {
    this.#environment.counters.failed('queue-full')
    return failure('queue-full', `${this.#waiting.length} messages of this stream wait for a connection`)
  }
}
