/**
 * Exact accounts of the transport's own buffers: what was taken, what was given back, what is out now, and the most
 * that ever was. The JavaScript heap cannot be hooked; this counts only bytes that went through a `BufferPool`.
 */
export class Ledger {
  #allocated = 0
  #deallocated = 0
  #peak = 0

  take(bytes: number): void {
    this.#allocated += bytes
    this.#peak = Math.max(this.#peak, this.current)
  }

  giveBack(bytes: number): void {
    this.#deallocated += bytes
  }

  /** Bytes ever taken. */
  get allocated(): number {
    return this.#allocated
  }

  /** Bytes ever given back. */
  get deallocated(): number {
    return this.#deallocated
  }

  /** Bytes out now. Zero after close. */
  get current(): number {
    return this.#allocated - this.#deallocated
  }

  /** The most bytes that were out at once. */
  get peak(): number {
    return this.#peak
  }

  facts(): LedgerFacts {
    const { allocated, deallocated, current, peak } = this
    return { allocated, deallocated, current, peak }
  }
}

/** The accounts at one moment, in bytes. */
export interface LedgerFacts {
  readonly allocated: number
  readonly deallocated: number
  readonly current: number
  readonly peak: number
}
