import { type StatusCode, TransportError } from '../base/errors.js'

/** What a peer that is ill makes of calls, and one that is well does not, or not more than the others. */
const FAULTS: ReadonlySet<StatusCode> = new Set([
  'UNAVAILABLE',
  'INTERNAL',
  'UNKNOWN',
  'DEADLINE_EXCEEDED',
  'RESOURCE_EXHAUSTED',
])

/** Whether a call or stream that ended so speaks against its peer. What was refused on our side does not. */
export function isFault(error: unknown): boolean {
  if (!(error instanceof TransportError) || !FAULTS.has(error.code)) return false
  return error.origin === 'peer' || error.origin === 'network' || error.reason === 'deadline'
}
