// Hot path: `spend`, `receive` and `consume` run for every message under flow control. Arithmetic only.
import type { ByteBudget } from '../memory/byte-budget.js'

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

/**
 * A window of twice what the link has on its way keeps it full: one half travels while the other is granted again. Less
 * than that grows, and four times as much shrinks, so that the two do not take turns.
 */
const ENOUGH_LINKS = 2
const TOO_MANY_LINKS = 8
/** A reader that was behind at so many grants, two windows long, gets a smaller one. */
const BEHIND_GRANTS = 4

/**
 * What we let the peer send: a window of bytes that are granted, held by the reader, or consumed and not yet granted
 * again; the three always add up to the window. The window begins small, and follows what the reader takes in a round
 * trip: so a long link is filled, and a short one does not have more on its way than it needs. It shrinks when the
 * reader falls behind, so that a slow one holds little. Only while others are in a hurry is it smaller than at first.
 */
export class ReceiveCredit {
  readonly #initial: number
  #most: number
  readonly #budget: ByteBudget
  #window: number
  #granted: number
  #consumed = 0
  #caughtUp = false
  #behind = 0
  /** Since when, and how much, was consumed. */
  #markAt = 0
  #sinceMark = 0

  constructor(initial: number, most: number, budget: ByteBudget) {
    this.#initial = initial
    this.#most = Math.max(initial, most)
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
    if (this.held === 0) this.#caughtUp = true
    return this.#consumed * 2 >= this.#window
  }

  /**
   * What to grant now; may be nothing. `roundTripMs` is 0 while nobody has measured it. The window grows to `most` at
   * most.
   */
  grant(now: number, roundTripMs: number, most = MAX_CREDIT): number {
    return this.#grant(now, roundTripMs, most, this.#initial)
  }

  /**
   * The same while others are in a hurry: the window has no more than `most`, also where it began with more. What is
   * over is not granted again until the next `grant`.
   */
  yieldTo(now: number, roundTripMs: number, most: number): number {
    if (this.#window <= most) return this.#grant(now, roundTripMs, most, Math.min(this.#initial, most))
    const consumed = this.#consumed
    this.#consumed = 0
    this.#sinceMark += consumed
    const bytes = consumed - this.#keepBack(consumed, most)
    this.#granted += bytes
    return bytes
  }

  /** A window that has yielded begins again with `least`. */
  #grant(now: number, roundTripMs: number, most: number, least: number): number {
    const consumed = this.#consumed
    this.#consumed = 0
    this.#sinceMark += consumed
    const elapsedMs = now - this.#markAt
    const restored = Math.max(0, least - this.#window)
    this.#window += restored
    let bytes = consumed + restored
    // What comes in one turn comes at once: less than a round trip says nothing of the speed.
    if (elapsedMs > 0 && elapsedMs >= roundTripMs) {
      bytes += this.#adapt(consumed, (this.#sinceMark * roundTripMs) / elapsedMs, most)
      this.#markAt = now
      this.#sinceMark = 0
    }
    this.#granted += bytes
    return bytes
  }

  /** Nobody reads any more: what the window had grown by is for others. */
  close(): void {
    this.#budget.giveBack(Math.max(0, this.#window - this.#initial))
    this.#window = this.#initial
    // What comes late must not take from the budget again: nobody would give it back.
    this.#most = this.#initial
  }

  /** Changes the window, and returns by how much. `linkBytes`: what was consumed in a round trip. */
  #adapt(consumed: number, linkBytes: number, most: number): number {
    const caughtUp = this.#caughtUp
    this.#caughtUp = false
    if (!caughtUp) {
      this.#behind += 1
      return this.#behind < BEHIND_GRANTS ? 0 : -this.#shrink(consumed)
    }
    this.#behind = 0
    if (linkBytes * ENOUGH_LINKS >= this.#window) return this.#grow(most)
    return linkBytes * TOO_MANY_LINKS >= this.#window ? 0 : -this.#shrink(consumed)
  }

  #grow(most: number): number {
    const room = Math.max(0, Math.min(most, this.#most) - this.#window)
    const growth = this.#budget.take(Math.min(this.#window, room))
    this.#window += growth
    return growth
  }

  #shrink(consumed: number): number {
    this.#behind = 0
    return this.#keepBack(consumed, Math.max(this.#initial, this.#window >>> 1))
  }

  /** Makes the window smaller, and returns by how much. Only what was consumed can be kept back: what was granted stays so. */
  #keepBack(consumed: number, most: number): number {
    const before = this.#window
    this.#window -= Math.min(consumed, Math.max(0, before - most))
    this.#budget.giveBack(Math.max(before, this.#initial) - Math.max(this.#window, this.#initial))
    return before - this.#window
  }
}
