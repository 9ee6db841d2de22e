/** Ids that are further apart say nothing of which came first. */
const HALF_CIRCLE = 2 ** 31

/** The ids of the streams that one side opens: all odd or all even, rising on a circle of 2^32 without 0. */
export class StreamIds {
  #last: number
  /** How far they have come since the beginning, up to half the circle: what lies behind that was never opened. */
  #come = 0

  /** `last` is the id before the first. */
  constructor(last: number) {
    this.#last = last
  }

  /** Whether a stream may be opened under this id now. */
  mayFollow(id: number): boolean {
    return id !== 0 && ((id - this.#last) | 0) > 0
  }

  /** Whether a stream had this id, or it was left out. */
  isPast(id: number): boolean {
    return id !== 0 && (this.#last - id) >>> 0 < this.#come
  }

  take(id: number): void {
    this.#come = Math.min(HALF_CIRCLE, this.#come + ((id - this.#last) >>> 0))
    this.#last = id
  }

  /** Takes the next id. `open`: those that a stream has had since the last time around are left out. */
  next(open: { has(id: number): boolean }): number {
    do {
      const next = (this.#last + 2) >>> 0
      this.take(next === 0 ? 2 : next)
    } while (open.has(this.#last))
    return this.#last
  }
}
