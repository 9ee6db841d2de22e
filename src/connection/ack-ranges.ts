import { nextId } from './exchange.js'

/** Two `u32`. */
export const RANGE_BYTES = 8

/** Ids in the order in which they are added, as ranges: those that follow one another cost nothing. */
export class AckRanges {
  /** First and last of each range, one behind the other. */
  #ends: number[] = []

  get count(): number {
    return this.#ends.length / 2
  }

  add(id: number): void {
    const last = this.#ends.length - 1
    if (last > 0 && nextId(this.#ends[last] as number) === id) this.#ends[last] = id
    else this.#ends.push(id, id)
  }

  /** The body of an ACK with at most so many ranges, which are gone then. */
  take(most: number): Buffer {
    const taken = this.#ends.splice(0, most * 2)
    const body = Buffer.alloc(taken.length * 4)
    taken.forEach((id, index) => {
      body.writeUInt32LE(id, index * 4)
    })
    return body
  }
}

/** How many ids there are from `first` to `last`, both included, on the circle of 2^32 without 0. */
export function idsBetween(first: number, last: number): number {
  const wraps = last < first ? 1 : 0
  return ((last - first) >>> 0) + 1 - wraps
}
