// Hot path where lanes wait: `next` runs once for each thing taken.
import { LANE_COUNT } from './lane.js'

/**
 * A lane that was passed over in this many turns but one goes next, however busy the lanes above it are. Several may
 * come to that in the same turn, and then go one after another; so a lane that waits goes at least once in
 * `PATIENCE + LANE_COUNT - 2` turns, and once in `PATIENCE` where no other lane has been passed over as often.
 */
export const PATIENCE = 16

/** Of each lane in one number of 32: enough for `PATIENCE`. */
const BITS = 32 / LANE_COUNT
const MASK = (1 << BITS) - 1

/**
 * Which lane goes next: the highest that waits, unless a lower one was passed over too often; of several such the
 * higher goes first. A lane below is so never starved, and the lanes above lose one turn in sixteen to each lane below
 * them. Arithmetic only.
 */
export class LaneTurns {
  /** How often each lane was passed over, a byte each: an array would be most of what an idle connection keeps here. */
  #passedOver = 0

  /** The lane whose turn it is among those whose bits are set in `waiting`, or -1. */
  next(waiting: number): number {
    let chosen = -1
    let starved = false
    for (let lane = 0; lane < LANE_COUNT; lane += 1) {
      if ((waiting & (1 << lane)) === 0) {
        this.#set(lane, 0)
        continue
      }
      const late = this.#times(lane) >= PATIENCE - 1
      if (chosen < 0 || (late && !starved)) chosen = lane
      starved ||= late
    }
    if (chosen < 0) return chosen
    for (let lane = 0; lane < LANE_COUNT; lane += 1) if (lane !== chosen) this.#passOver(lane, waiting)
    this.#set(chosen, 0)
    return chosen
  }

  #passOver(lane: number, waiting: number): void {
    const times = this.#times(lane)
    if ((waiting & (1 << lane)) !== 0 && times < PATIENCE) this.#set(lane, times + 1)
  }

  #times(lane: number): number {
    return (this.#passedOver >>> (lane * BITS)) & MASK
  }

  #set(lane: number, times: number): void {
    this.#passedOver = (this.#passedOver & ~(MASK << (lane * BITS))) | (times << (lane * BITS))
  }
}
