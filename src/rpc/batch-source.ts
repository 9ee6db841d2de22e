// Hot path: `next` runs for every message of a batch.
import { processed, TransportError } from '../base/errors.js'

/** The messages that a batch is made of, and how far it has come. */
export class BatchSource {
  readonly #iterator: Iterator<unknown>
  /** The last that was taken. */
  value: unknown = undefined
  /** How many need not be sent again: they were accepted or, where the mailbox is to do so, dropped. */
  accepted = 0
  /** It has failed by itself, or is about to. */
  #broken = false
  #over = false
  #kept = false

  constructor(messages: Iterable<unknown>) {
    this.#iterator = messages[Symbol.iterator]()
  }

  /** Takes the next message. Returns false where there is none. Throws what the source throws. */
  next(): boolean {
    if (this.#kept) {
      this.#kept = false
      return true
    }
    this.#broken = true
    const step = this.#iterator.next()
    this.#over = step.done === true
    if (!this.#over) this.value = step.value
    this.#broken = false
    return !this.#over
  }

  /** The last that was taken is the next again. */
  keep(): void {
    this.#kept = true
  }

  /** Nobody wants more of it. As in a `for` loop, one that has ended or failed is not told. */
  leave(): void {
    if (this.#over || this.#broken) return
    this.#over = true
    try {
      this.#iterator.return?.()
    } catch {
      // Why it is left is what its owner is told.
    }
  }

  /** The error that ended the batch, as its owner is told of it: his own as it is, ours with how far the batch came. */
  fail(error: unknown): unknown {
    this.leave()
    if (this.#broken || !(error instanceof TransportError)) return error
    return processed(error, error.processed, { ...error.details, accepted: this.accepted })
  }
}
