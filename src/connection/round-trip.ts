/** Not more often than this: the peer may take pings faster than one a second for a flood. */
const LEAST_INTERVAL_MS = 2_000
/** The first few may follow one another, within the burst that every peer allows: one of them finds nobody busy. */
const FIRST = 5
const FIRST_INTERVAL_MS = 50
/**
 * What an end of ours may send at once: the first few, and one that is urgent because the connection is drained. No peer
 * may be set to take less, or it would cut us for what we always do.
 */
export const PINGS_AT_ONCE = FIRST + 1

/**
 * How long a frame takes to the peer and its answer back, by PINGs of our own. The least of what was measured counts:
 * everything above it is somebody being busy. Arithmetic only.
 */
export class RoundTrip {
  #ms = 0
  #lastId = 0
  #sentAt = Number.NEGATIVE_INFINITY
  #open = false

  /** 0 while it is not known. */
  get ms(): number {
    return this.#ms
  }

  /** The id of a PING to send now, or 0 when one is open, or it is too early for another that is not urgent. */
  begin(now: number, urgent = false): number {
    const interval = this.#lastId < FIRST ? FIRST_INTERVAL_MS : LEAST_INTERVAL_MS
    if (this.#open || (!urgent && now - this.#sentAt < interval)) return 0
    this.#open = true
    this.#sentAt = now
    this.#lastId = (this.#lastId + 1) >>> 0 || 1
    return this.#lastId
  }

  /** A PONG came. Returns false when no PING of that id is open. */
  end(id: number, now: number): boolean {
    if (!this.#open || id !== this.#lastId) return false
    this.#open = false
    const ms = now - this.#sentAt
    this.#ms = this.#ms === 0 ? ms : Math.min(this.#ms, ms)
    return true
  }
}
