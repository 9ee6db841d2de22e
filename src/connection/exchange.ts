// Hot path: `open`, `get` and `close` run for every call.
/** The smallest table; an idle connection has none at all. */
const FIRST_CAPACITY = 16

/** Shared by all tables without an entry. */
const NO_IDS = new Uint32Array(0)

/** What is known of an id that is offered by the peer. */
export type IdVerdict = 'admitted' | 'not-rising' | 'collision'

/**
 * The open exchanges of one direction of a connection, by id. Ids rise by one and skip those whose place is taken, so
 * that a place is found by the low bits of the id alone: no hash, no free list. The same table serves who opens (and
 * chooses ids) and who answers (and checks them): open ids differ modulo `maxCapacity`, which both sides know from
 * HELLO, and an id never comes twice because it must be higher than the last.
 */
export class ExchangeTable<T> {
  readonly #maxCapacity: number
  #ids: Uint32Array = NO_IDS
  #entries: (T | undefined)[] = []
  #open = 0
  #lastId = 0

  /** `limit` is how many may be open; the capacity is the power of two that leaves half of the places free. */
  constructor(limit: number) {
    this.#maxCapacity = idModulus(limit)
  }

  get size(): number {
    return this.#open
  }

  /** The highest id opened or admitted, 0 before the first. */
  get lastId(): number {
    return this.#lastId
  }

  /** Opens under the next id whose place is free. The caller has checked `size` against the limit. */
  open(entry: T): number {
    if (this.#open * 2 >= this.#ids.length && this.#ids.length < this.#maxCapacity) this.#grow()
    const mask = this.#ids.length - 1
    let id = nextId(this.#lastId)
    while (this.#entries[id & mask] !== undefined) id = nextId(id)
    this.#put(id, entry)
    return id
  }

  /** Judges an id that the peer chose, and takes note of it. */
  admit(id: number): IdVerdict {
    // Ids are compared on a circle of 2^32, as TCP does with sequence numbers.
    if (id === 0 || ((id - this.#lastId) | 0) <= 0) return 'not-rising'
    while (this.#ids.length > 0 && this.#entries[id & (this.#ids.length - 1)] !== undefined) {
      if (this.#ids.length === this.#maxCapacity) return 'collision'
      this.#grow()
    }
    this.#lastId = id
    return 'admitted'
  }

  /** Keeps the entry of an admitted id. Exchanges that end at once never come here. */
  keep(id: number, entry: T): void {
    if (this.#open * 2 >= this.#ids.length && this.#ids.length < this.#maxCapacity) this.#grow()
    while (this.#entries[id & (this.#ids.length - 1)] !== undefined) this.#grow()
    const lastId = this.#lastId
    this.#put(id, entry)
    this.#lastId = lastId
  }

  get(id: number): T | undefined {
    const place = id & (this.#ids.length - 1)
    return this.#ids[place] === id ? this.#entries[place] : undefined
  }

  /** Takes the entry out. Its place can be used by another id at once. */
  close(id: number): T | undefined {
    const place = id & (this.#ids.length - 1)
    if (this.#ids[place] !== id) return undefined
    const entry = this.#entries[place]
    if (entry === undefined) return undefined
    this.#entries[place] = undefined
    this.#open -= 1
    return entry
  }

  /** Visits every open entry. Entries may be closed meanwhile, none opened. */
  forEach(visit: (entry: T, id: number) => void): void {
    for (let place = 0; place < this.#entries.length; place += 1) {
      const entry = this.#entries[place]
      if (entry !== undefined) visit(entry, this.#ids[place] as number)
    }
  }

  #put(id: number, entry: T): void {
    const place = id & (this.#ids.length - 1)
    this.#ids[place] = id
    this.#entries[place] = entry
    this.#open += 1
    this.#lastId = id
  }

  /** Ids that differ modulo n differ modulo 2n, so growing never makes two entries meet. */
  #grow(): void {
    const capacity = Math.min(this.#maxCapacity, Math.max(FIRST_CAPACITY, this.#ids.length * 2))
    const ids = new Uint32Array(capacity)
    const entries = new Array<T | undefined>(capacity).fill(undefined)
    for (let place = 0; place < this.#entries.length; place += 1) {
      const entry = this.#entries[place]
      if (entry === undefined) continue
      const id = this.#ids[place] as number
      ids[id & (capacity - 1)] = id
      entries[id & (capacity - 1)] = entry
    }
    this.#ids = ids
    this.#entries = entries
  }
}

/** Open ids differ modulo this: the power of two from twice the limit on. */
export function idModulus(limit: number): number {
  return Math.max(FIRST_CAPACITY, 2 ** Math.ceil(Math.log2(limit * 2)))
}

/** The id after this one; 0 means "no id" and is left out. */
export function nextId(id: number): number {
  const next = (id + 1) >>> 0
  return next === 0 ? 1 : next
}
