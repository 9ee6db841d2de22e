// Hot path: `write` runs for every message of a stream.
import { failure } from '../base/errors.js'
import { abandon, forsake, iteratorOf, leave } from '../base/source.js'
import { CODEC_NUMBER, type Codec } from '../codec/codec.js'
import type { Encoder } from '../connection/encoder.js'
import { flagsOf } from '../connection/message-flags.js'
import type { Pace } from '../connection/pace.js'
import type { Stream } from '../connection/stream.js'
import { asError } from './codec-error.js'

/** What a stream is made of: an array, a generator, another stream. */
export type MessageSource<T> = Iterable<T> | AsyncIterable<T>

/** A source that is being sent, and who waits for the end of that. */
interface Pumped<T> {
  readonly source: MessageSource<T>
  readonly iterator: Iterator<T> | AsyncIterator<T>
  leave(sent: false): void
}

/** The messages that go out on a stream, at the speed at which the peer reads them. */
export class MessageWriter<T> {
  readonly #stream: Stream
  readonly #codec: Codec<T>
  readonly #flags: number
  /** Resolves when there is room; one promise for all who wait. */
  #room: Promise<void> | null = null
  #setRoom: () => void = () => {}
  #refuse: (refusal: Error) => void = () => {}
  #over: Error | null = null
  /** Why the last message that could not be sent could not. */
  #refusal: Error | null = null
  readonly #pace: Pace
  /** Its next message is awaited. */
  #owing: Pumped<T> | null = null

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
    return this.#write(this.#codec, value)
  }

  /** The same for one that was encoded before the stream was opened. */
  writeEncoded(message: Encoder): Promise<void> | null {
    return this.#write(message, undefined)
  }

  #write(encoder: Encoder, value: unknown): Promise<void> | null {
    if (this.#over !== null) throw this.#over
    try {
      if (this.#stream.write(this.#flags, encoder, value)) return this.#pace.sent() ? this.#pace.rest() : null
    } catch (error) {
      this.#refusal = asError(error)
      throw this.#refusal
    }
    this.#room ??= new Promise((resolve, reject) => {
      this.#setRoom = resolve
      this.#refuse = reject
    })
    return this.#room
  }

  /** Whether it is what became of a message that cannot be sent, and no failure of whoever wrote it. */
  refused(error: unknown): boolean {
    return this.#refusal !== null && error === this.#refusal
  }

  /**
   * `refusal`: why what was written last is not sent after all. Who waits is who wrote it; and who wrote before without
   * waiting, and is not told apart.
   */
  onRoom(refusal: Error | null): void {
    const waited = this.#room !== null
    this.#room = null
    // Whoever waited has let others have their turn.
    this.#pace.restart()
    if (refusal === null) this.#setRoom()
    else if (waited) {
      this.#refusal = asError(refusal)
      this.#refuse(this.#refusal)
    }
  }

  /** Nothing more is sent. Who waits for room goes on, and is told with the next message. */
  close(error: Error | null): void {
    this.#over ??= error ?? failure('misuse', 'the stream has ended: nothing more can be sent on it')
    this.onRoom(null)
    this.#leaveOwing()
  }

  /**
   * Sends all that a source has, as fast as there is room. Resolves with false when the stream was over before the source
   * was, and it has answered to being told; a message that it owes is not awaited. Rejects with what the source throws.
   */
  pump(source: MessageSource<T>): Promise<boolean> {
    if (this.#over !== null) {
      forsake(source)
      return Promise.resolve(false)
    }
    // A promise beside that of the loop, which waits as long as a message is owed; one for all messages.
    return new Promise((resolve, reject) => {
      this.#sendAll({ source, iterator: iteratorOf(source), leave: resolve }).then(resolve, reject)
    })
  }

  async #sendAll(pumped: Pumped<T>): Promise<boolean> {
    const { iterator } = pumped
    for (;;) {
      let step = iterator.next()
      if (isPromise(step)) {
        this.#owing = pumped
        // When it was asked, it may have ended the stream itself.
        if (this.#over !== null) this.#leaveOwing()
        try {
          step = await step
        } catch (error) {
          if (!this.#owes()) return false
          throw error
        }
        if (!this.#owes()) return false
      }
      const { done, value } = step
      if (done === true) return true
      if (this.#over === null) {
        try {
          const room = this.write(value)
          if (room !== null) await room
        } catch (error) {
          leave(iterator)
          throw error
        }
      }
      if (this.#over !== null) {
        await iterator.return?.()
        return false
      }
    }
  }

  /** Its next message has come. Returns false where that is for nobody any more. */
  #owes(): boolean {
    const owes = this.#owing !== null
    this.#owing = null
    return owes
  }

  /**
   * What it owes may never come. But a generator answers only when its own code is done: as long as that runs, so does
   * the handler whose source it is, and keeps its place.
   */
  #leaveOwing(): void {
    const owing = this.#owing
    if (owing === null) return
    this.#owing = null
    void abandon(owing.source, owing.iterator).then(() => owing.leave(false))
  }
}

/** Something that can be sent message by message. A string is a value. */
export function isSource(value: unknown): value is MessageSource<unknown> {
  return typeof value === 'object' && value !== null && (Symbol.asyncIterator in value || Symbol.iterator in value)
}

function isPromise<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof (value as { then?: unknown }).then === 'function'
}
