// Hot path: `write` runs for every message of a stream.
import { failure } from '../base/errors.js'
import { CODEC_NUMBER, type Codec } from '../codec/codec.js'
import { flagsOf } from '../connection/message-flags.js'
import type { Pace } from '../connection/pace.js'
import type { Stream } from '../connection/stream.js'
import { asError } from './codec-error.js'

/** What a stream is made of: an array, a generator, another stream. */
export type MessageSource<T> = Iterable<T> | AsyncIterable<T>

/** The messages that go out on a stream, at the speed at which the peer reads them. */
export class MessageWriter<T> {
  readonly #stream: Stream
  readonly #codec: Codec<T>
  readonly #flags: number
  /** Resolves when there is room; one promise for all who wait. */
  #room: Promise<void> | null = null
  #setRoom: () => void = () => {}
  #over: Error | null = null
  /** Why the last message that could not be sent could not. */
  #refusal: Error | null = null
  readonly #pace: Pace
  /** Whose next message is awaited. */
  #awaited: Iterator<T> | AsyncIterator<T> | null = null

  constructor(stream: Stream, codec: Codec<T>) {
    this.#stream = stream
    this.#codec = codec
    this.#flags = flagsOf(CODEC_NUMBER[codec.name], stream.lane, false)
    this.#pace = stream.pace()
  }

  /**
   * Sends a message. Returns null where there is room for another, else a promise of that: when the peer has read, or when
   * others have had their turn. Throws what is wrong with the value, or why nothing more can be sent.
   */
  write(value: T): Promise<void> | null {
    if (this.#over !== null) throw this.#over
    try {
      if (this.#stream.write(this.#flags, this.#codec, value)) return this.#pace.sent() ? this.#pace.rest() : null
    } catch (error) {
      this.#refusal = asError(error)
      throw this.#refusal
    }
    this.#room ??= new Promise((resolve) => {
      this.#setRoom = resolve
    })
    return this.#room
  }

  /** Whether it is what became of a message that cannot be sent, and no failure of whoever wrote it. */
  refused(error: unknown): boolean {
    return this.#refusal !== null && error === this.#refusal
  }

  onRoom(): void {
    this.#room = null
    // Whoever waited has let others have their turn.
    this.#pace.restart()
    this.#setRoom()
  }

  /** Nothing more is sent. Who waits for room goes on, and is told with the next message. */
  close(error: Error | null): void {
    this.#over ??= error ?? failure('misuse', 'the stream has ended: nothing more can be sent on it')
    this.onRoom()
    const source = this.#awaited
    this.#awaited = null
    if (source !== null) leave(source)
  }

  /**
   * Sends all that a source has, as fast as there is room. Returns false when the stream was over before the source was;
   * the source is told. Rejects with what the source throws.
   */
  async pump(source: MessageSource<T>): Promise<boolean> {
    if (this.#over !== null) {
      forsake(source)
      return false
    }
    const iterator = iteratorOf(source)
    for (;;) {
      let step = iterator.next()
      let told = false
      if (isPromise(step)) {
        // It may never come: who closes the stream meanwhile tells the source.
        this.#awaited = iterator
        step = await step
        told = this.#awaited === null
        this.#awaited = null
      }
      const { done, value } = step
      if (done === true) return true
      if (this.#over === null) {
        let room: Promise<void> | null
        try {
          room = this.write(value)
        } catch (error) {
          leave(iterator)
          throw error
        }
        if (room !== null) await room
      }
      if (this.#over !== null) {
        if (!told) await iterator.return?.()
        return false
      }
    }
  }
}

/**
 * Tells a source that nobody will ask it for anything. The iterator of a stream of Node's is a generator, which closes
 * nothing before it has begun: the stream itself is told.
 */
export function forsake(source: MessageSource<unknown>): void {
  try {
    if ('destroy' in source && typeof source.destroy === 'function') source.destroy()
    else leave(iteratorOf(source))
  } catch {
    // Nobody is there who could be told.
  }
}

/** Tells a source that nobody wants more of it. Nobody is there either who could be told what it says to that. */
function leave<T>(source: Iterator<T> | AsyncIterator<T>): void {
  try {
    Promise.resolve(source.return?.()).catch(() => {})
  } catch {
    // The same, at once.
  }
}

/** Something that can be sent message by message. A string is a value. */
export function isSource(value: unknown): value is MessageSource<unknown> {
  return typeof value === 'object' && value !== null && (Symbol.asyncIterator in value || Symbol.iterator in value)
}

function iteratorOf<T>(source: MessageSource<T>): Iterator<T> | AsyncIterator<T> {
  return Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
}

function isPromise<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof (value as { then?: unknown }).then === 'function'
}
