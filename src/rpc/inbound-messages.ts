// Hot path: `push` and `next` run for every message of a stream.
import type { Clock } from '../base/clock.js'
import type { TransportError } from '../base/errors.js'
import { failure } from '../base/errors.js'
import { CODEC_NUMBER, type Codec } from '../codec/codec.js'
import { copyOf } from '../codec/copy.js'
import type { InboundMessage } from '../connection/inbound.js'
import type { Limits } from '../connection/limits.js'
import { Pace } from '../connection/pace.js'
import type { ByteBudget } from '../memory/byte-budget.js'
import { Ring } from '../memory/ring.js'
import { asError } from './codec-error.js'

/** A message that nobody has taken yet: its value, or its bytes, which are ours. */
interface Waiting<T> {
  readonly value: T | undefined
  /** Null where the value is there. */
  readonly bytes: Buffer | null
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
  /** A message that does not decode. Returns what its reader is told. */
  onUnreadable(error: TransportError): TransportError
  /** The reader wants no more. */
  onLeft(): void
}

interface Parts {
  readonly limits: Limits
  readonly clock: Clock
}

const DONE: IteratorResult<never, undefined> = Object.freeze({ done: true, value: undefined })

/**
 * The messages that come in on a stream, as an async iterator. Some of what waits is decoded when it comes, which saves a
 * copy where the reader keeps up; the rest when it is taken, so that what waits for slow readers is what credit has
 * counted, and not what values come to in memory.
 */
export class InboundMessages<T> implements AsyncIterableIterator<T, undefined> {
  readonly #codec: Codec<T>
  readonly #limits: Limits
  readonly #clock: Clock
  /** Of the connection, once there is one. */
  ahead: ByteBudget | null = null
  readonly #owner: InboundOwner
  readonly #waiting = new Ring<Waiting<T>>()
  /** For a reader that finds its next message there each time, and would never let others have a turn. */
  #pace: Pace | null = null
  readonly #takers = new Ring<Taker<T>>()
  #ended = false
  /** Users may throw anything, null included. */
  #failed: { readonly error: unknown } | null = null

  constructor(codec: Codec<T>, { limits, clock }: Parts, owner: InboundOwner) {
    this.#codec = codec
    this.#limits = limits
    this.#clock = clock
    this.#owner = owner
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** Somebody waits for the next message. */
  get awaited(): boolean {
    return this.#takers.length > 0
  }

  /** A message came, borrowed. */
  push(message: InboundMessage): void {
    if (this.#ended) return
    const { bytes, start, end, codec, cost, owned } = message
    const taker = this.#takers.shift()
    if (taker === undefined) {
      this.#waiting.push(this.#keep(message))
      return
    }
    // Its reader had nothing to do: others have had their turn.
    if (this.#pace !== null) this.#pace.restart()
    // Also what cannot be read has been taken.
    this.#owner.onTaken(cost)
    let value: T
    try {
      value = this.#decode(bytes, start, end, codec, owned)
    } catch (error) {
      taker.reject(error)
      return
    }
    taker.resolve({ done: false, value })
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
    if (taker === undefined) this.#failed = { error }
    else taker.reject(error)
    for (let rest = this.#takers.shift(); rest !== undefined; rest = this.#takers.shift()) rest.resolve(DONE)
  }

  /** The same, and what waits is dropped. Where it was all there, whoever reads hears that some of it is missing. */
  abort(error: unknown): void {
    const cut = this.#waiting.length > 0
    this.#drop()
    if (this.#ended && cut) this.#failed ??= { error }
    else this.fail(error)
  }

  /** The handler has settled. Where something waits, whoever reads on hears that it is missing. */
  settle(): void {
    if (this.#waiting.length === 0) this.end()
    else this.abort(failure('cancelled', 'the handler has settled: what had not been read is gone'))
  }

  /** No more come, nothing that waits is for anybody, and nobody is to hear why. */
  stop(): void {
    this.#drop()
    this.#failed = null
    this.end()
  }

  next(): Promise<IteratorResult<T, undefined>> {
    const next = this.#waiting.shift()
    if (next !== undefined) return this.#take(next)
    if (!this.#ended) return new Promise((resolve, reject) => this.#takers.push({ resolve, reject }))
    if (this.#failed === null) return Promise.resolve(DONE)
    const { error } = this.#failed
    this.#failed = null
    return Promise.reject(error)
  }

  /** Of a loop that was left. */
  return(): Promise<IteratorResult<T, undefined>> {
    this.stop()
    this.#owner.onLeft()
    return Promise.resolve(DONE)
  }

  #keep({ bytes, start, end, codec, cost, owned }: InboundMessage): Waiting<T> {
    if (codec === CODEC_NUMBER[this.#codec.name] && this.ahead?.takeWhole(cost) === true) {
      try {
        return { value: this.#codec.decode(bytes, start, end, owned, this.#limits), bytes: null, codec, cost }
      } catch {
        // Whoever takes it hears of it.
        this.ahead.giveBack(cost)
      }
    }
    const kept = owned ? bytes.subarray(start, end) : copyOf(bytes, start, end)
    return { value: undefined, bytes: kept, codec, cost }
  }

  #take({ value, bytes, codec, cost }: Waiting<T>): Promise<IteratorResult<T, undefined>> {
    this.#owner.onTaken(cost)
    let taken = value as T
    if (bytes === null) this.ahead?.giveBack(cost)
    else {
      try {
        taken = this.#decode(bytes, 0, bytes.length, codec, true)
      } catch (error) {
        return Promise.reject(error)
      }
    }
    const result = { done: false, value: taken } as const
    this.#pace ??= new Pace(null, this.#clock)
    return this.#pace.sent() ? this.#pace.rest().then(() => result) : Promise.resolve(result)
  }

  /** Throws what the owner makes of bytes that cannot be read. */
  #decode(bytes: Buffer, start: number, end: number, codec: number, owned: boolean): T {
    try {
      if (codec !== CODEC_NUMBER[this.#codec.name]) {
        throw failure('codec-not-agreed', `a message in codec number ${codec}, the method uses ${this.#codec.name}`)
      }
      return this.#codec.decode(bytes, start, end, owned, this.#limits)
    } catch (thrown) {
      throw this.#owner.onUnreadable(asError(thrown))
    }
  }

  #drop(): void {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      if (next.bytes === null) this.ahead?.giveBack(next.cost)
    }
  }
}
