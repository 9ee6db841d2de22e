// Hot path: `push` and `next` run for every message of a stream.
import type { TransportError } from '../base/errors.js'
import { failure } from '../base/errors.js'
import { CODEC_NUMBER, type Codec } from '../codec/codec.js'
import type { InboundMessage } from '../connection/inbound.js'
import type { Limits } from '../connection/limits.js'
import { Ring } from '../memory/ring.js'

/** A message that nobody has taken yet: its bytes, which are ours. */
interface Waiting {
  readonly bytes: Buffer
  readonly start: number
  readonly end: number
  readonly codec: number
  readonly cost: number
}

interface Taker<T> {
  resolve(result: IteratorResult<T, undefined>): void
  reject(error: unknown): void
}

/** What the reader of a stream tells whoever holds it. */
export interface InboundOwner {
  /** Messages of this cost were read. */
  onTaken(cost: number): void
  /** A message that does not decode. */
  onUnreadable(error: TransportError): void
  /** The reader wants no more. */
  onLeft(): void
}

const DONE: IteratorResult<never, undefined> = Object.freeze({ done: true, value: undefined })

/**
 * The messages that come in on a stream, as an async iterator. They are decoded when they are taken, so that what waits
 * is what credit has counted, and nothing more.
 */
export class InboundMessages<T> implements AsyncIterableIterator<T, undefined> {
  readonly #codec: Codec<T>
  readonly #limits: Limits
  readonly #owner: InboundOwner
  readonly #waiting = new Ring<Waiting>()
  readonly #takers = new Ring<Taker<T>>()
  #ended = false
  #error: unknown = null

  constructor(codec: Codec<T>, limits: Limits, owner: InboundOwner) {
    this.#codec = codec
    this.#limits = limits
    this.#owner = owner
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** A message came, borrowed. */
  push(message: InboundMessage): void {
    if (this.#ended) return
    const { bytes, start, end, codec, cost, owned } = message
    const taker = this.#takers.shift()
    if (taker !== undefined) {
      this.#give(taker, bytes, start, end, codec, owned, cost)
      return
    }
    if (owned) this.#waiting.push({ bytes, start, end, codec, cost })
    else this.#waiting.push({ bytes: Buffer.from(bytes.subarray(start, end)), start: 0, end: end - start, codec, cost })
  }

  /** No more come. Those that wait can still be taken. */
  end(): void {
    if (this.#ended) return
    this.#ended = true
    for (let taker = this.#takers.shift(); taker !== undefined; taker = this.#takers.shift()) taker.resolve(DONE)
  }

  /** No more come, because something failed. Those that wait can still be taken; then comes the error, once. */
  fail(error: unknown): void {
    if (this.#ended) return
    this.#ended = true
    const taker = this.#takers.shift()
    if (taker === undefined) this.#error = error
    else taker.reject(error)
    for (let rest = this.#takers.shift(); rest !== undefined; rest = this.#takers.shift()) rest.resolve(DONE)
  }

  /** The same, and what waits is dropped. */
  abort(error: unknown): void {
    this.#drop()
    this.fail(error)
  }

  next(): Promise<IteratorResult<T, undefined>> {
    return new Promise((resolve, reject) => {
      const next = this.#waiting.shift()
      const taker = { resolve, reject }
      if (next !== undefined) this.#give(taker, next.bytes, next.start, next.end, next.codec, true, next.cost)
      else if (!this.#ended) this.#takers.push(taker)
      else if (this.#error === null) resolve(DONE)
      else {
        const error = this.#error
        this.#error = null
        reject(error)
      }
    })
  }

  /** Of a loop that was left. */
  return(): Promise<IteratorResult<T, undefined>> {
    this.#drop()
    this.#error = null
    this.end()
    this.#owner.onLeft()
    return Promise.resolve(DONE)
  }

  #give(taker: Taker<T>, bytes: Buffer, start: number, end: number, codec: number, owned: boolean, cost: number): void {
    let value: T
    try {
      if (codec !== CODEC_NUMBER[this.#codec.name]) {
        throw failure('codec-not-agreed', `a message in codec number ${codec}, the method uses ${this.#codec.name}`)
      }
      value = this.#codec.decode(bytes, start, end, owned, this.#limits)
    } catch (error) {
      this.#owner.onUnreadable(error as TransportError)
      taker.reject(error)
      return
    }
    this.#owner.onTaken(cost)
    taker.resolve({ done: false, value })
  }

  #drop(): void {
    while (this.#waiting.shift() !== undefined);
  }
}
