import type { Processed, Reason, TransportError } from '../base/errors.js'

/** What may be done about a call that failed. */
export type Remedy =
  /** Its peer says that it leaves and has not run it: if so it goes elsewhere, as if it had never been sent. */
  | 'move'
  /** It is made again after a pause, within the budget. */
  | 'retry'
  /** Whoever made it is told. */
  | 'none'

/** What a peer says of a call that it has no room for now. Its other refusals would come again. */
const NO_ROOM: ReadonlySet<Reason> = new Set<Reason>([
  'overloaded',
  'queue-full',
  'too-many-open-calls',
  'answers-unread',
])

/** Of these the server has too much to do, whatever connection they come by. */
const OVERLOAD: ReadonlySet<Reason> = new Set<Reason>(['overloaded', 'queue-full'])

/** Where nobody could be reached the pool goes on dialling, with pauses of its own; who called is told at once. */
const NOT_REACHED: ReadonlySet<Reason> = new Set<Reason>([
  'connect-refused',
  'connect-failed',
  'connect-timeout',
  'resolve-failed',
  'handshake-timeout',
])

/** What may be done about this failure. Whether attempts, time and budget are left is for others to say. */
export function remedyFor(error: TransportError, idempotent: boolean): Remedy {
  const { origin, code, reason, processed } = error
  // What is wrong here, with us or with the call, another attempt would not mend.
  if (origin === 'local' || origin === 'user') return 'none'
  const refused = processed === 'no'
  if (refused && origin === 'peer' && (reason === 'closed' || reason === 'going-away')) return 'move'
  if (!refused && !idempotent) return 'none'
  if (reason !== undefined && NOT_REACHED.has(reason)) return 'none'
  if (code === 'UNAVAILABLE') return 'retry'
  // A handler that ran chose the code itself, and no reason of ours.
  if (code === 'RESOURCE_EXHAUSTED' && (reason === undefined || NO_ROOM.has(reason))) return 'retry'
  return 'none'
}

/**
 * Found out on our side of a connection that was lost: no byte of the call was handed over. No server has had anything
 * to do with it, and so to make it again is no load that was not offered.
 */
export function neverLeft({ origin, processed }: TransportError): boolean {
  return origin === 'network' && processed === 'no'
}

/** The server has said that it has more to do than it can. */
export function saysOverload({ origin, reason, processed }: TransportError): boolean {
  return origin === 'peer' && processed === 'no' && reason !== undefined && OVERLOAD.has(reason)
}

/**
 * How long to wait before attempt number `attempt` (2 is the first repetition): doubling, cut at the most, then between
 * half of it and all of it by chance, so that those who failed together do not come back together. Never before the
 * server wants it.
 */
export function pauseMs(
  attempt: number,
  { minBackoffMs, maxBackoffMs }: { readonly minBackoffMs: number; readonly maxBackoffMs: number },
  retryAfterMs: number,
  chance: number,
): number {
  const full = Math.min(maxBackoffMs, minBackoffMs * 2 ** (attempt - 2))
  return Math.max(retryAfterMs, full * (0.5 + chance / 2))
}

const ORDER: readonly Processed[] = ['no', 'maybe', 'yes']

/** Of two failures of one call that which says more of what became of it; of two that say the same, the later. */
export function moreTelling(earlier: TransportError, later: TransportError): TransportError {
  return ORDER.indexOf(earlier.processed) > ORDER.indexOf(later.processed) ? earlier : later
}

/** What is known of a call by all of its attempts: one of them that may have run is enough. */
export function furthest(one: Processed, other: Processed): Processed {
  return ORDER.indexOf(one) >= ORDER.indexOf(other) ? one : other
}
