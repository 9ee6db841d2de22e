// Hot path where lanes wait: `next` runs once for each thing taken.
import { LANE_COUNT } from './lane.js'

/** A lane that waits goes at least once in this many turns, however busy the lanes above it are. */
export const PATIENCE = 16

/**
 * Which lane goes next: the highest that waits, unless a lower one was passed over too often. A lane below is so never
 * starved, and a lane above is delayed by at most one thing in sixteen. Arithmetic only.
 */
export class LaneTurns {
  readonly #passedOver = new Uint8Array(LANE_COUNT)

  /** The lane whose turn it is among those whose bits are set in `waiting`, or -1. */
  next(waiting: number): number {
    let chosen = -1
    for (let lane = 0; lane < LANE_COUNT; lane += 1) {
      if ((waiting & (1 << lane)) === 0) this.#passedOver[lane] = 0
      else if (chosen < 0 || (this.#passedOver[lane] as number) >= PATIENCE - 1) chosen = lane
    }
    if (chosen < 0) return chosen
    for (let lane = chosen + 1; lane < LANE_COUNT; lane += 1) this.#passOver(lane, waiting)
    for (let lane = 0; lane < chosen; lane += 1) this.#passOver(lane, waiting)
    this.#passedOver[chosen] = 0
    return chosen
  }

  #passOver(lane: number, waiting: number): void {
    const times = this.#passedOver[lane] as number
    if ((waiting & (1 << lane)) !== 0 && times < PATIENCE) this.#passedOver[lane] = times + 1
  }
}
