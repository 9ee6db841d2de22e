import { failure } from '../base/errors.js'
import { abandon, isAsync, iteratorOf } from '../base/source.js'

export type Work<T, R> = (item: T, index: number, signal: AbortSignal) => R | Promise<R>

/** What became of the item at one place. */
export type Outcome<R> = { readonly ok: true; readonly value: R } | { readonly ok: false; readonly error: unknown }

type Bounds = { readonly concurrency: number; readonly maxBuffered: number }

/**
 * The items between a source and its one reader: those under way, and the results that wait for their turn.
 *
 * Every promise made here is handled in the turn it is made: whatever fails becomes an outcome.
 */
export class OrderWindow<T, R> {
  readonly #source: Iterable<T> | AsyncIterable<T>
  readonly #iterator: Iterator<T> | AsyncIterator<T>
  readonly #asynchronous: boolean
  readonly #work: Work<T, R>
  readonly #bounds: Bounds
  readonly #abort = new AbortController()
  /** Finished, by their place. Never more than `maxBuffered` when something begins. */
  readonly #outcomes = new Map<number, Outcome<R>>()
  /** The place of the next item of the source, and of the next result of the reader. */
  #pulled = 0
  #turn = 0
  #underWay = 0
  /** The source was asked for an item and has not answered. */
  #pulling = false
  /** Something may still begin. */
  #open = true
  /** The source said that it ended, or failed: there is nothing to return. */
  #sourceEnded = false
  /** What the reader gets at once, whatever waits. */
  #cancelled: Error | null = null
  /** The reader wants nothing more, not even what it has asked for. */
  #left = false
  #wake: (() => void) | null = null

  constructor(source: Iterable<T> | AsyncIterable<T>, work: Work<T, R>, bounds: Bounds) {
    this.#asynchronous = isAsync(source)
    this.#source = source
    this.#iterator = iteratorOf(source)
    this.#work = work
    this.#bounds = bounds
  }

  /** The next outcome in order; null at the end. One call at a time. */
  async next(): Promise<Outcome<R> | null> {
    for (;;) {
      this.#pull()
      if (this.#cancelled !== null) return { ok: false, error: this.#cancelled }
      if (this.#left) return null
      const outcome = this.#outcomes.get(this.#turn)
      if (outcome !== undefined) {
        this.#outcomes.delete(this.#turn)
        this.#turn += 1
        // The place that is free now is filled while the reader has the result, not when it comes back.
        this.#pull()
        return outcome
      }
      if (this.#sourceEnded && this.#turn === this.#pulled) return null
      await this.#change()
    }
  }

  cancel(error: Error): void {
    this.#cancelled = error
    this.#open = false
    this.#abort.abort(error)
    this.#wake?.()
  }

  /** For a reader that does not wait for the result that it has asked for. */
  leave(): void {
    this.#left = true
    this.#abandon()
    this.#wake?.()
  }

  /**
   * Resolves when no work goes on any more and the source was told. One that owes no item is awaited, and an error of
   * its `return` is thrown unless the reader gets another one already.
   */
  async end(failed: boolean): Promise<void> {
    this.#abandon()
    while (this.#underWay > 0) await this.#change()
    this.#outcomes.clear()
    if (this.#sourceEnded) return
    if (this.#pulling) {
      // A source that waits for an item may be woken by nothing else. The item may never come, and the `return` of a
      // generator waits for it as well. Nobody is there either who could be told what becomes of them.
      void abandon(this.#source, this.#iterator)
      return
    }
    try {
      await this.#iterator.return?.()
    } catch (error) {
      if (!failed) throw error
    }
  }

  #abandon(): void {
    this.#open = false
    if (this.#underWay > 0) this.#abort.abort(failure('cancelled', 'nobody waits for this result any more'))
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  #pull(): void {
    const { concurrency, maxBuffered } = this.#bounds
    while (this.#open && !this.#pulling && this.#underWay < concurrency && this.#outcomes.size < maxBuffered) {
      if (this.#asynchronous) {
        this.#pulling = true
        void this.#pullLater()
      } else {
        try {
          this.#take((this.#iterator as Iterator<T>).next())
        } catch (error) {
          this.#sourceFailed(error)
        }
      }
    }
  }

  async #pullLater(): Promise<void> {
    try {
      this.#take(await this.#iterator.next())
    } catch (error) {
      this.#sourceFailed(error)
    }
    this.#pulling = false
    this.#pull()
    this.#wake?.()
  }

  #take(step: IteratorResult<T>): void {
    if (step.done === true) {
      this.#open = false
      this.#sourceEnded = true
      return
    }
    // Asked for before the end, come after it: nobody wants it.
    if (!this.#open) return
    this.#underWay += 1
    void this.#perform(step.value, this.#pulled++)
  }

  /** Takes a place in the order as a failed item does. */
  #sourceFailed(error: unknown): void {
    this.#open = false
    this.#sourceEnded = true
    this.#outcomes.set(this.#pulled++, { ok: false, error })
  }

  async #perform(item: T, place: number): Promise<void> {
    let outcome: Outcome<R>
    try {
      outcome = { ok: true, value: (await this.#work(item, place, this.#abort.signal)) as R }
    } catch (error) {
      outcome = { ok: false, error }
      // Whatever comes behind it would be thrown away.
      this.#open = false
    }
    this.#underWay -= 1
    this.#outcomes.set(place, outcome)
    this.#pull()
    this.#wake?.()
  }
}
