// Long: one table of everything that can go wrong.
import { STATUS, type StatusCode } from './status.js'

export type { StatusCode } from './status.js'

/** Who is at fault: the code that called us, this library's own state and limits, the peer, or what lies between. */
export type Origin = 'user' | 'local' | 'peer' | 'network'

/** Whether the handler ran: proven not, not known, or proven. */
export type Processed = 'no' | 'maybe' | 'yes'

/**
 * Every way this library itself fails, by name: the one table. `docs/errors.md` is generated from it, and a limit's
 * name here is the close reason in the metrics. A reason fixes the status code and whose fault it is.
 */
export const REASONS = {
  'option-unknown': [
    'INVALID_ARGUMENT',
    'user',
    'An option name that does not exist; the message names the nearest one.',
  ],
  'option-type': ['INVALID_ARGUMENT', 'user', 'An option value of the wrong type.'],
  'option-range': ['INVALID_ARGUMENT', 'user', 'An option value outside its range.'],
  'address-malformed': ['INVALID_ARGUMENT', 'user', 'An address that cannot be read.'],
  'address-in-use': ['ALREADY_EXISTS', 'local', 'Another process listens on this address.'],
  'listen-failed': ['UNAVAILABLE', 'local', 'The system refused to listen on this address.'],
  'name-malformed': ['INVALID_ARGUMENT', 'user', 'A method or service name that does not match ^[\\w./-]{1,128}$.'],
  'name-taken': ['ALREADY_EXISTS', 'user', 'A handler for this method was registered before.'],
  'contract-mismatch': [
    'FAILED_PRECONDITION',
    'peer',
    'Both sides have a service of this name, with different contracts.',
  ],
  closed: ['UNAVAILABLE', 'local', 'The client, server or connection was closed by its owner.'],
  'connect-refused': ['UNAVAILABLE', 'network', 'Nobody listens at the address.'],
  'connect-failed': ['UNAVAILABLE', 'network', 'The connection could not be made; `cause` has the system error.'],
  'connect-timeout': [
    'UNAVAILABLE',
    'network',
    'DNS, TCP, TLS and HELLO together took longer than `socket.connectTimeoutMs`.',
  ],
  'resolve-failed': [
    'UNAVAILABLE',
    'network',
    'The name could not be looked up, or has no records; `cause` has the error of the system.',
  ],
  'handshake-timeout': [
    'UNAVAILABLE',
    'network',
    'The peer connected and did not finish TLS and its HELLO in `limits.handshakeMs`.',
  ],
  'tls-options': [
    'FAILED_PRECONDITION',
    'user',
    'An option of `tls` that cannot be used, or that a `tls://` address needs and that is missing; `details.option` names it.',
  ],
  'tls-protocol': [
    'FAILED_PRECONDITION',
    'peer',
    'TLS without a version, a cipher or an application protocol (ALPN `alys/1`) that both sides take.',
  ],
  'tls-untrusted': [
    'UNAUTHENTICATED',
    'peer',
    'A certificate that does not lead to a `tls.ca` of the other side, or that is not meant for its role.',
  ],
  'tls-expired': ['UNAUTHENTICATED', 'peer', 'A certificate that is not valid any more, or not yet.'],
  'tls-name-mismatch': [
    'UNAUTHENTICATED',
    'peer',
    'The host that was dialled, or `tls.serverName`, is not among the subject alternative names of the certificate.',
  ],
  'tls-certificate-required': ['UNAUTHENTICATED', 'peer', 'The server asks for a certificate, and there was none.'],
  'tls-failed': [
    'UNAVAILABLE',
    'network',
    'The TLS handshake or a record of TLS failed for another reason; `cause` says which.',
  ],
  'identity-mismatch': [
    'UNAUTHENTICATED',
    'peer',
    'The peer id of a HELLO is not a name (DNS or URI) of the certificate that came with it.',
  ],
  'connection-lost': ['UNAVAILABLE', 'network', 'The connection ended while the call was open.'],
  'pool-exhausted': ['RESOURCE_EXHAUSTED', 'local', 'Every connection of the pool is leased.'],
  'going-away': ['UNAVAILABLE', 'peer', 'The peer is shutting down and accepts no new calls.'],
  'not-this-protocol': [
    'FAILED_PRECONDITION',
    'peer',
    'The first bytes are another protocol; `details.looksLike` says which.',
  ],
  'version-mismatch': ['FAILED_PRECONDITION', 'peer', 'The peer speaks a version of this protocol that we do not.'],
  'hello-malformed': ['INTERNAL', 'peer', 'The HELLO cannot be read or contradicts itself.'],
  'hello-too-large': [
    'RESOURCE_EXHAUSTED',
    'peer',
    'A frame before the end of the HELLO is larger than `limits.maxHelloFrameBytes`, or all of them are larger than `limits.maxHelloBytes`.',
  ],
  'frame-too-small': ['INTERNAL', 'peer', 'A frame length smaller than the frame header.'],
  'frame-too-large': ['RESOURCE_EXHAUSTED', 'peer', 'A frame length over `limits.maxFrameBytes`.'],
  'frame-unknown': ['INTERNAL', 'peer', 'A frame kind that does not exist and is not marked optional.'],
  'frame-unexpected': ['INTERNAL', 'peer', 'A frame that is not allowed in this state or role.'],
  'frame-malformed': ['INTERNAL', 'peer', 'A frame whose body contradicts its header.'],
  'frame-stalled': [
    'UNAVAILABLE',
    'peer',
    'A frame did not complete in `limits.frameMs`, or came slower than `limits.minFrameBytesPerSecond`.',
  ],
  'message-too-large': [
    'RESOURCE_EXHAUSTED',
    'local',
    'An encoded value over the frame or message limit of either side.',
  ],
  'compression-not-agreed': ['INTERNAL', 'peer', 'A compressed body where compression was not agreed.'],
  'compression-forbidden': [
    'INTERNAL',
    'peer',
    'A compressed body in a frame of a kind that is never compressed: before the end of the HELLO, of any kind.',
  ],
  'lz4-claim-too-large': ['RESOURCE_EXHAUSTED', 'peer', 'An LZ4 block that claims more than `limits.maxMessageBytes`.'],
  'lz4-claim-implausible': [
    'INTERNAL',
    'peer',
    'An LZ4 block that claims more than 255 times its own size, which LZ4 cannot reach.',
  ],
  'lz4-claim-too-small': [
    'INTERNAL',
    'peer',
    'An LZ4 block that claims less than `limits.minInflatedBytes`: nobody should have compressed it.',
  ],
  'lz4-malformed': ['INTERNAL', 'peer', 'An LZ4 block that does not inflate to exactly what it claims.'],
  'codec-not-agreed': ['INTERNAL', 'peer', 'A body in a codec other than the one the method uses.'],
  'msgpack-depth': ['RESOURCE_EXHAUSTED', 'peer', 'msgpack nested deeper than `limits.msgpackDepth`.'],
  'msgpack-nodes': ['RESOURCE_EXHAUSTED', 'peer', 'More values in one message than `limits.msgpackNodes`.'],
  'msgpack-keys': ['RESOURCE_EXHAUSTED', 'peer', 'A map with more keys than `limits.msgpackKeys`.'],
  'msgpack-malformed': [
    'INVALID_ARGUMENT',
    'peer',
    'Bytes that are not one whole msgpack value: cut short, lengths beyond the end, bytes left over.',
  ],
  'msgpack-extension': [
    'INVALID_ARGUMENT',
    'peer',
    'A msgpack extension type that is not on the allow list (timestamp).',
  ],
  'msgpack-key': [
    'INVALID_ARGUMENT',
    'peer',
    'A map key that is not a string or number, or is __proto__, constructor or prototype.',
  ],
  'protobuf-malformed': ['INVALID_ARGUMENT', 'peer', "Bytes that do not decode as the method's protobuf message."],
  'protobuf-depth': ['RESOURCE_EXHAUSTED', 'peer', 'protobuf nested deeper than `limits.protobufDepth`.'],
  'encode-failed': [
    'INVALID_ARGUMENT',
    'user',
    "The value cannot be encoded with the method's codec, or cloned for a worker thread.",
  ],
  'method-unknown': ['UNIMPLEMENTED', 'user', 'Nobody handles this method, or it has another shape.'],
  'too-many-methods': ['RESOURCE_EXHAUSTED', 'peer', 'More method names on one connection than `limits.maxMethods`.'],
  'too-many-open-calls': [
    'RESOURCE_EXHAUSTED',
    'local',
    'More open calls on one connection than the limit that the receiver announced.',
  ],
  'queue-full': [
    'RESOURCE_EXHAUSTED',
    'local',
    'Too many calls wait for a connection, too many bytes for the socket, or too many payloads for a worker thread.',
  ],
  overloaded: [
    'RESOURCE_EXHAUSTED',
    'local',
    'The server refused the call before it looked inside, because calls wait too long there; `retryAfterMs` says when to come back.',
  ],
  throttled: [
    'RESOURCE_EXHAUSTED',
    'local',
    'The client did not send the call: the server has refused most of them lately as `overloaded` or `queue-full`.',
  ],
  'call-id-invalid': ['INTERNAL', 'peer', 'A call id that does not rise, or that collides with an open call.'],
  'stream-id-invalid': [
    'INTERNAL',
    'peer',
    'A stream id that does not rise, that is of the other side, or that was never opened.',
  ],
  'stream-ended': ['INTERNAL', 'peer', 'Data of a stream whose sender had ended its half.'],
  'stream-idle': [
    'DEADLINE_EXCEEDED',
    'peer',
    'A stream waited for its peer, to send or to grant credit, for `limits.streamIdleMs`.',
  ],
  'too-many-streams': [
    'RESOURCE_EXHAUSTED',
    'local',
    'More open streams on one connection than the limit that the receiver announced.',
  ],
  'credit-exceeded': ['INTERNAL', 'peer', 'Data beyond the credit that was granted.'],
  'credit-invalid': ['INTERNAL', 'peer', 'Credit of nothing, beyond 2^31 - 1 bytes, or for a stream never opened.'],
  'part-invalid': [
    'INTERNAL',
    'peer',
    'Parts of a message that come to more than their total, to less, or to more than any message may have.',
  ],
  'message-id-invalid': ['INTERNAL', 'peer', 'A message id that does not rise.'],
  'ack-invalid': ['INTERNAL', 'peer', 'An acknowledgement of a message that does not wait for it.'],
  'ack-unsupported': ['UNIMPLEMENTED', 'peer', 'The peer does not acknowledge one-way messages.'],
  'answer-unknown': ['INTERNAL', 'peer', 'An answer to a call that is not open.'],
  'too-many-cancels': [
    'RESOURCE_EXHAUSTED',
    'peer',
    'Cancels faster than `limits.cancelsPerSecond` after a burst of `limits.cancelBurst`.',
  ],
  'too-many-pings': [
    'RESOURCE_EXHAUSTED',
    'peer',
    'Pings faster than `limits.pingsPerSecond` after a burst of `limits.pingBurst`.',
  ],
  'too-many-errors': ['RESOURCE_EXHAUSTED', 'peer', 'The peer caused more than `limits.errorsPer10s` errors in 10 s.'],
  'too-many-control-frames': [
    'RESOURCE_EXHAUSTED',
    'peer',
    'More control frames wait for the socket than `limits.maxQueuedControlFrames`.',
  ],
  'metadata-entries': ['RESOURCE_EXHAUSTED', 'user', 'More metadata entries than `limits.metadataEntries`.'],
  'metadata-bytes': ['RESOURCE_EXHAUSTED', 'user', 'More metadata bytes than `limits.metadataBytes`.'],
  'metadata-malformed': [
    'INVALID_ARGUMENT',
    'user',
    'Metadata that cannot be read, or a key that does not match ^[a-z0-9._-]{1,128}$.',
  ],
  'too-many-connections': [
    'RESOURCE_EXHAUSTED',
    'peer',
    'More connections than `limits.maxConnections`, or than 0.8 of the file descriptor limit.',
  ],
  'too-many-handshakes': [
    'RESOURCE_EXHAUSTED',
    'peer',
    'More connections without a HELLO than `limits.maxHandshakes`.',
  ],
  'too-many-handshakes-per-address': [
    'RESOURCE_EXHAUSTED',
    'peer',
    'More connections without a HELLO from one address than `limits.maxHandshakesPerAddress`.',
  ],
  'too-many-connections-per-peer': [
    'RESOURCE_EXHAUSTED',
    'peer',
    'More connections with the same peer id than `limits.maxConnectionsPerPeer`.',
  ],
  'answers-unread': [
    'RESOURCE_EXHAUSTED',
    'peer',
    'The peer left more than `limits.unreadHardBytes` of what we sent unread; or more than `limits.unreadSoftBytes`, and asks for more while we wait for answers of its own.',
  ],
  'write-stalled': ['UNAVAILABLE', 'network', 'Bytes waited for `limits.writeStallMs` without the peer taking any.'],
  'heartbeat-timeout': [
    'UNAVAILABLE',
    'network',
    'The peer said nothing for `heartbeat.intervalMs`, and did not answer a PING in `heartbeat.timeoutMs`.',
  ],
  'handler-failed': ['UNKNOWN', 'peer', 'The handler threw an error without a code. Its text stays with the server.'],
  'worker-crashed': [
    'INTERNAL',
    'local',
    'A worker thread ended before its work did; `cause` says what ended it. Another takes its place.',
  ],
  'package-missing': [
    'FAILED_PRECONDITION',
    'user',
    'An optional package that this takes is not installed; the message names it.',
  ],
  deadline: ['DEADLINE_EXCEEDED', 'local', "The call's `timeoutMs` passed."],
  cancelled: [
    'CANCELLED',
    'user',
    'The `signal` of the call or work was aborted, or its stream was cancelled or left.',
  ],
  'double-release': ['FAILED_PRECONDITION', 'user', 'An object was given back to its pool twice.'],
  misuse: ['FAILED_PRECONDITION', 'user', 'An operation at a moment when it makes no sense; the message says which.'],
} as const satisfies Record<string, readonly [StatusCode, Origin, string]>

export type Reason = keyof typeof REASONS

export interface ErrorFacts {
  readonly code: StatusCode
  readonly origin: Origin
  readonly processed?: Processed
  readonly reason?: Reason
  readonly cause?: unknown
  readonly details?: Readonly<Record<string, unknown>>
}

/** What an error says when it does not say itself whether the handler ran: failures of ours come before the handler. */
const NOT_PROCESSED: Processed = 'no'

/** These say something of the message itself, which would find the same limit again. */
const LASTING: ReadonlySet<Reason> = new Set<Reason>([
  'message-too-large',
  'frame-too-large',
  'lz4-claim-too-large',
  'msgpack-depth',
  'msgpack-nodes',
  'msgpack-keys',
  'protobuf-depth',
  'metadata-entries',
  'metadata-bytes',
  'too-many-methods',
])

/** The one class of everything that fails here, on both sides. */
export class TransportError extends Error {
  override readonly name = 'TransportError'
  readonly code: StatusCode
  /** Which row of the table in `docs/errors.md`; absent when a handler of the user chose code and message. */
  readonly reason: Reason | undefined
  readonly origin: Origin
  /** Whether the handler of the call ran. */
  readonly processed: Processed
  readonly details: Readonly<Record<string, unknown>>
  /** When trying again makes sense, as far as whoever failed has said. A handler that throws may say it in `details`. */
  readonly retryAfterMs: number | undefined

  constructor(message: string, facts: ErrorFacts) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause })
    this.code = facts.code
    this.reason = facts.reason
    this.origin = facts.origin
    this.processed = facts.processed ?? NOT_PROCESSED
    this.details = facts.details ?? {}
    const { retryAfterMs } = this.details as { readonly retryAfterMs?: unknown }
    this.retryAfterMs = typeof retryAfterMs === 'number' && retryAfterMs > 0 ? retryAfterMs : undefined
  }

  /** Safe to try again as it stands: the handler did not run, and the failure may pass. */
  get retryable(): boolean {
    if (this.processed !== 'no') return false
    // A client that was closed here stays so; a peer that closes has others beside it.
    if (this.code === 'UNAVAILABLE') return this.reason !== 'closed' || this.origin === 'peer'
    return this.code === 'RESOURCE_EXHAUSTED' && (this.reason === undefined || !LASTING.has(this.reason))
  }

  get statusNumber(): number {
    return STATUS[this.code].number
  }
}

export interface FailureFacts {
  readonly origin?: Origin
  readonly processed?: Processed
  readonly cause?: unknown
  readonly details?: Readonly<Record<string, unknown>>
}

/** An error of the table; `message` says what happened this time. */
export function failure(reason: Reason, message: string, facts: FailureFacts = {}): TransportError {
  const [code, origin] = REASONS[reason]
  return new TransportError(message, { code, origin, reason, ...facts })
}

/** The same failure, with what is known of this one call. */
export function processed(
  error: TransportError,
  ran: Processed,
  details: Readonly<Record<string, unknown>> = error.details,
): TransportError {
  const { code, origin, reason } = error
  return new TransportError(error.message, {
    code,
    origin,
    processed: ran,
    details,
    cause: error.cause,
    ...(reason === undefined ? {} : { reason }),
  })
}
