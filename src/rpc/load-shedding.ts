import { group, integer, type OutputOf } from '../base/options.js'
import { LANE, LANE_COUNT } from '../mailbox/lane.js'

export const overloadRules = group({
  /** The most that a call waits for its handler where calls keep waiting. Less where its caller has less time. 0: for ever. */
  maxWaitMs: integer(5_000, 0, 86_400_000),
  /** Calls may wait longer than that in a queue that was empty within this time: it is a burst, and will pass. */
  intervalMs: integer(100, 1, 60_000),
  /** Part of the calls is refused while the event loop comes round later than this. 0: none is. */
  maxLoopDelayMs: integer(200, 0, 60_000),
})

export type OverloadOptions = OutputOf<typeof overloadRules>

/**
 * The share of its time that a call of each lane may wait, in percent. An answer that comes at the last moment comes too
 * late, so none waits for all of it; the higher lanes go on longest.
 */
const WAIT_PERCENT = [80, 50, 30, 20] as const

/** How long a call may wait where calls keep waiting. `timeoutMs` is what its caller had left when it came. */
export function maxWaitOf(lane: number, timeoutMs: number, { maxWaitMs }: OverloadOptions): number {
  if (maxWaitMs === 0) return Number.POSITIVE_INFINITY
  return Math.min(maxWaitMs, (timeoutMs * (WAIT_PERCENT[lane] ?? 0)) / 100)
}

/** One late round is a collection of garbage, or somebody's large file. */
const LATE_ROUNDS = 2
const CUT = 0.8
const RISE = 0.05
const LEAST_SHARE = 0.05

/**
 * Which share of the calls is taken while the event loop is late: less by a fifth with each late round, more by a
 * twentieth with each that is not, which two hosts that share a wire have done since 1988. High calls are always taken,
 * and low and bulk ones are the first to be refused. Arithmetic only.
 */
export class LoopPressure {
  readonly #maxDelayMs: number
  readonly #credit = new Float64Array(LANE_COUNT)
  #late = 0
  #share = 1

  constructor(maxDelayMs: number) {
    this.#maxDelayMs = maxDelayMs
  }

  /** Of all calls, from 0.05 to 1. */
  get share(): number {
    return this.#share
  }

  /** The event loop came round so much later than it was to. */
  note(delayMs: number): void {
    if (this.#maxDelayMs === 0) return
    if (delayMs <= this.#maxDelayMs) {
      this.#late = 0
      this.#share = Math.min(1, this.#share + RISE)
    } else {
      this.#late += 1
      if (this.#late >= LATE_ROUNDS) this.#share = Math.max(LEAST_SHARE, this.#share * CUT)
    }
  }

  /** Whether the next call of this lane is taken: as many of each lane as its share says, evenly. */
  admits(lane: number): boolean {
    if (this.#share === 1 || lane === LANE.high) return true
    const share = lane === LANE.normal ? this.#share : this.#share ** 2
    const credit = (this.#credit[lane] as number) + share
    this.#credit[lane] = credit >= 1 ? credit - 1 : credit
    return credit >= 1
  }
}
