// Hot path: runs for every message sent.
import { FLAG } from '../wire/frame.js'

/** The flags of a frame from what the floor above knows: codec number, lane, and whether metadata stands in front. */
export function flagsOf(codec: number, lane: number, metadata: boolean): number {
  return codec | (lane << FLAG.LANE_SHIFT) | (metadata ? FLAG.METADATA : 0)
}

/** The lane that the flags of a frame name. */
export function laneOfFlags(flags: number): number {
  return (flags & FLAG.LANE_MASK) >> FLAG.LANE_SHIFT
}
