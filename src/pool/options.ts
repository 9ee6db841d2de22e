import { group, integer, type OutputOf } from '../base/options.js'

export const poolRules = group({
  /** Connections kept ready from the start. */
  min: integer(1, 0, 1_024),
  /** Never more than this. A peer accepts 4 by default. */
  max: integer(4, 1, 1_024),
  /** A connection above `min` without a call for this long is closed. */
  idleTimeoutMs: integer(60_000, 10, 86_400_000),
  /** Another connection is dialled when the least busy one has this many calls open. */
  growAtInFlight: integer(512, 1, 1_048_576),
  /** The pause after a failed dial: doubling from the first to the second, with jitter. */
  minBackoffMs: integer(100, 1, 60_000),
  maxBackoffMs: integer(800, 1, 3_600_000),
})

export type PoolOptions = OutputOf<typeof poolRules>
