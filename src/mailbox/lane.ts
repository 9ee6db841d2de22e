/** Votes go before blocks, blocks before calls, calls before bulk. The numbers travel in the flags of a frame. */
export const LANE = { high: 0, normal: 1, low: 2, bulk: 3 } as const

export type Priority = keyof typeof LANE

export const LANE_COUNT = 4

/** All lanes, as the bits that `LaneTurns` works with. */
export const ALL_LANES = (1 << LANE_COUNT) - 1
