const FIRST_CAPACITY = 8

/** What rings that never held anything share. */
const NOTHING: never[] = []

/**
 * A first-in first-out queue in a circular array: adding and taking cost the same however long it is, which
 * `Array.shift` does not promise. The owner bounds it; it grows by doubling and forgets what was taken.
 */
export class Ring<T> {
  #items: (T | undefined)[] = NOTHING
  #head = 0
  #length = 0

  get length(): number {
    return this.#length
  }

  push(item: T): void {
    if (this.#length === this.#items.length) this.#grow()
    this.#items[(this.#head + this.#length) & (this.#items.length - 1)] = item
    this.#length += 1
  }

  /** The oldest item, left where it is. */
  peek(): T | undefined {
    return this.#length === 0 ? undefined : this.#items[this.#head]
  }

  /** The item that many behind the oldest. */
  at(index: number): T | undefined {
    return index < this.#length ? this.#items[(this.#head + index) & (this.#items.length - 1)] : undefined
  }

  shift(): T | undefined {
    if (this.#length === 0) return undefined
    const item = this.#items[this.#head]
    this.#items[this.#head] = undefined
    this.#head = (this.#head + 1) & (this.#items.length - 1)
    this.#length -= 1
    return item
  }

  /** Visits from the oldest to the newest. Nothing may be added or taken meanwhile. */
  forEach(visit: (item: T) => void): void {
    for (let index = 0; index < this.#length; index += 1) {
      visit(this.#items[(this.#head + index) & (this.#items.length - 1)] as T)
    }
  }

  #grow(): void {
    const grown = new Array<T | undefined>(Math.max(FIRST_CAPACITY, this.#items.length * 2))
    for (let index = 0; index < this.#length; index += 1) {
      grown[index] = this.#items[(this.#head + index) & (this.#items.length - 1)]
    }
    this.#items = grown
    this.#head = 0
  }
}
