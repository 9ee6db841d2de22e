import { flag, group, inOrder, integer, type OutputOf } from '../base/options.js'

/** When an endpoint that answers, but badly, gets no calls for a while. */
const ejectionRules = inOrder(
  group({
    /** So many failures more than answers, since there were as many of both, put it out. 0: none ever is. */
    failures: integer(5, 0, 1_000_000),
    /** For how long: doubling each time from the first to the second, with jitter. */
    minMs: integer(2_000, 10, 3_600_000),
    maxMs: integer(60_000, 10, 86_400_000),
    /** It comes back after so many calls, one after the other, that were answered. */
    probes: integer(3, 1, 1_000),
  }),
  'minMs',
  'maxMs',
)

export const poolRules = inOrder(
  inOrder(
    group({
      /** Connections to each endpoint, kept ready from the start; one for bulk comes on top. */
      min: integer(1, 0, 1_024),
      /** Never more than this to one endpoint. A peer accepts 4 by default. */
      max: integer(4, 1, 1_024),
      /** So many endpoints of one priority are used, by chance and weight; others while none of those can be reached. */
      maxEndpoints: integer(16, 1, 1_024),
      /** A connection above `min` without a call for this long is closed. */
      idleTimeoutMs: integer(60_000, 10, 86_400_000),
      /** Another connection is dialled when the least busy one has this many calls open. */
      growAtInFlight: integer(512, 1, 1_048_576),
      /** What has the priority `bulk` gets connections of its own, where `max` leaves room for one. */
      separateBulk: flag(true),
      /** The pause after a failed dial: doubling from the first to the second, with jitter. */
      minBackoffMs: integer(100, 1, 60_000),
      maxBackoffMs: integer(800, 1, 3_600_000),
      /** How old the answer of a name server gets before it is asked again, with jitter; sooner where it says so. */
      resolveMs: integer(30_000, 10, 86_400_000),
      /** Not sooner than this after the last time, also when connections are lost. */
      resolveGapMs: integer(1_000, 1, 3_600_000),
      ejection: ejectionRules,
    }),
    'minBackoffMs',
    'maxBackoffMs',
  ),
  'min',
  'max',
)

export type PoolOptions = OutputOf<typeof poolRules>
export type EjectionOptions = OutputOf<typeof ejectionRules>
