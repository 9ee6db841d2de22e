import { Ring } from '../memory/ring.js'

/**
 * Who waits for room, in order. Who gives up counts no more at once; its place in the ring is cleared when more gave up
 * than still wait, so that giving up costs the same however many wait.
 */
export class RoomWaiters {
  readonly #ring = new Ring<() => void>()
  /** Those in the ring who gave up; made when somebody does. */
  #given: Set<() => void> | null = null

  /** How many wait. */
  get length(): number {
    return this.#ring.length - (this.#given === null ? 0 : this.#given.size)
  }

  /** How many are remembered: those who gave up and were not cleared away yet included. */
  get kept(): number {
    return this.#ring.length
  }

  add(callback: () => void): void {
    this.#ring.push(callback)
  }

  /** One that was added, and not taken out since, is not called any more. */
  giveUp(callback: () => void): void {
    this.#given ??= new Set()
    this.#given.add(callback)
    this.#clear(this.#given)
  }

  /** Takes out who has waited longest. */
  next(): (() => void) | undefined {
    for (let first = this.#ring.shift(); first !== undefined; first = this.#ring.shift()) {
      if (this.#given?.delete(first) === true) continue
      if (this.#given !== null) this.#clear(this.#given)
      return first
    }
    return undefined
  }

  #clear(given: Set<() => void>): void {
    if (given.size * 2 <= this.#ring.length) return
    for (let left = this.#ring.length; left > 0; left -= 1) {
      const callback = this.#ring.shift()
      if (callback !== undefined && !given.has(callback)) this.#ring.push(callback)
    }
    given.clear()
  }
}
