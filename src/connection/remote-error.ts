import { REASONS, type Reason, type StatusCode, TransportError } from '../base/errors.js'
import { printable } from '../base/printable.js'
import type { Fault } from '../wire/fault.js'

/** What a peer said went wrong, as an error of ours. Its strings are escaped and cut. */
export function remoteError(code: StatusCode, fault: Fault): TransportError {
  return new TransportError(printable(fault.message), {
    code,
    origin: 'peer',
    processed: fault.processed,
    ...(isReason(fault.reason) ? { reason: fault.reason } : {}),
    ...(fault.retryAfterMs > 0 ? { details: { retryAfterMs: fault.retryAfterMs } } : {}),
  })
}

function isReason(text: string): text is Reason {
  return Object.hasOwn(REASONS, text)
}
