import type { Clock } from '../base/clock.js'

/** Not more often than this: the peer may take pings faster than one a second for a flood. */
const LEAST_INTERVAL_MS = 2_000

/**
 * How long a frame takes to the peer and its answer back, by PINGs of our own. The least of what was measured counts:
 * everything above it is somebody being busy.
 */
export class RoundTrip {
  readonly #clock: Clock
  #ms = 0
  #lastId = 0
  #sentAt = Number.NEGATIVE_INFINITY
  #open = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** 0 while it is not known. */
  get ms(): number {
    return this.#ms
  }

  /** The id of a PING to send now, or 0 when it is too early for one. */
  begin(): number {
    const now = this.#clock.now()
    if (this.#open || now - this.#sentAt < LEAST_INTERVAL_MS) return 0
    this.#open = true
    this.#sentAt = now
    this.#lastId = (this.#lastId + 1) >>> 0 || 1
    return this.#lastId
  }

  /** A PONG came. Returns false when no PING of that id is open. */
  end(id: number): boolean {
    if (!this.#open || id !== this.#lastId) return false
    this.#open = false
    const ms = this.#clock.now() - this.#sentAt
    this.#ms = this.#ms === 0 ? ms : Math.min(this.#ms, ms)
    return true
  }
}
