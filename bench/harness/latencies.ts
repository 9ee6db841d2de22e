/** Durations of one window. Grows by doubling, and holds four bytes each. */
export class Latencies {
  #values: Float32Array
  #count = 0

  /** `expected`: how many there will be, where that is known. */
  constructor(expected = 1_024) {
    this.#values = new Float32Array(expected)
  }

  add(ms: number): void {
    if (this.#count === this.#values.length) {
      const grown = new Float32Array(this.#count * 2)
      grown.set(this.#values)
      this.#values = grown
    }
    this.#values[this.#count] = ms
    this.#count += 1
  }

  taken(): Float32Array {
    return this.#values.slice(0, this.#count)
  }
}
