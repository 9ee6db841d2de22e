// Hot path: `spend`, `receive` and `consume` run for every message under flow control. Arithmetic only.

/** No window is larger, so that sums of credit never leave 31 bits. */
export const MAX_CREDIT = 2 ** 31 - 1

/** In the cost of every message beside its payload: what its frame costs at least, so that empty ones are not free. */
export const COST_BYTES = 12

/** What the peer lets us send. A message may be sent while credit is above zero, and may take it below. */
export class SendCredit {
  #available: number

  constructor(initial: number) {
    this.#available = initial
  }

  get available(): number {
    return this.#available
  }

  get open(): boolean {
    return this.#available > 0
  }

  spend(cost: number): void {
    this.#available -= cost
  }

  /** Takes what the peer grants. Returns false for a grant that no peer may make: none, or one that passes the bound. */
  add(bytes: number): boolean {
    if (bytes === 0 || this.#available + bytes > MAX_CREDIT) return false
    this.#available += bytes
    return true
  }
}

/** Bytes by which the windows of one connection may grow beyond where they began, all of them together. */
export class WindowBudget {
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

  giveBack(bytes: number): void {
    this.#left += bytes
  }
}

/** A reader is fast when it consumes half of its window within this many round trips; then the window limits it. */
const FAST_ROUND_TRIPS = 2

/**
 * What we let the peer send: a window of bytes that are granted, held by the reader, or consumed and not yet granted
 * again; the three always add up to the window. The window begins small and doubles while the reader keeps up and the
 * round trip is what limits it, so that a long link is not throttled and a slow reader holds little.
 */
export class ReceiveCredit {
  readonly #initial: number
  readonly #most: number
  readonly #budget: WindowBudget
  #window: number
  #granted: number
  #consumed = 0
  #lastGrantAt = Number.NEGATIVE_INFINITY

  constructor(initial: number, most: number, budget: WindowBudget) {
    this.#initial = initial
    this.#most = most
    this.#budget = budget
    this.#window = initial
    this.#granted = initial
  }

  get window(): number {
    return this.#window
  }

  /** What the peer may still send, by our account; below zero when its last message was larger than that. */
  get granted(): number {
    return this.#granted
  }

  /** Received and not consumed. */
  get held(): number {
    return this.#window - this.#granted - this.#consumed
  }

  /** A message came. Returns false when the peer had no credit to send it. */
  receive(cost: number): boolean {
    if (this.#granted <= 0) return false
    this.#granted -= cost
    return true
  }

  /** The reader is done with as many bytes. Returns true when a grant is worth a frame. */
  consume(cost: number): boolean {
    this.#consumed += cost
    return this.#consumed * 2 >= this.#window
  }

  /** What to grant now. `roundTripMs` of 0 is an unknown one: the window stays. */
  grant(now: number, roundTripMs: number): number {
    let bytes = this.#consumed
    this.#consumed = 0
    if (now - this.#lastGrantAt < roundTripMs * FAST_ROUND_TRIPS) {
      const growth = this.#budget.take(Math.min(this.#window, this.#most - this.#window))
      this.#window += growth
      bytes += growth
    }
    this.#lastGrantAt = now
    this.#granted += bytes
    return bytes
  }

  /** Nobody reads any more: what the window had grown by is for others. */
  close(): void {
    this.#budget.giveBack(this.#window - this.#initial)
    this.#window = this.#initial
  }
}
