/** A number of bytes that many share: taken as long as there are enough, and given back. */
export class ByteBudget {
  #left: number

  constructor(bytes: number) {
    this.#left = bytes
  }

  get left(): number {
    return this.#left
  }

  /** Takes up to `bytes`. Returns how many it got. */
  take(bytes: number): number {
    const got = Math.min(bytes, this.#left)
    this.#left -= got
    return got
  }

  /** Takes all of `bytes` or nothing. */
  takeWhole(bytes: number): boolean {
    if (bytes > this.#left) return false
    this.#left -= bytes
    return true
  }

  giveBack(bytes: number): void {
    this.#left += bytes
  }
}
