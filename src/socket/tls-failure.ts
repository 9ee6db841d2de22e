import { failure, type Reason, type TransportError } from '../base/errors.js'

/** OpenSSL's names of what is wrong with a chain, where it is not the trust in it. */
const EXPIRED = /^(?:CERT_HAS_EXPIRED|CERT_NOT_YET_VALID|ERROR_IN_CERT_NOT_(?:BEFORE|AFTER)_FIELD)$/

/** OpenSSL's names of errors and of the peer's alerts. */
const REASONS_BY_CODE: readonly (readonly [RegExp, Reason])[] = [
  [/ALERT_CERTIFICATE_REQUIRED|PEER_DID_NOT_RETURN_A_CERTIFICATE/, 'tls-certificate-required'],
  [/ALERT_CERTIFICATE_EXPIRED/, 'tls-expired'],
  [
    /ALERT_(?:UNKNOWN_CA|BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|CERTIFICATE_UNKNOWN|CERTIFICATE_REVOKED)|KEY_TOO_SMALL|MD_TOO_WEAK/,
    'tls-untrusted',
  ],
  [
    /NO_APPLICATION_PROTOCOL|PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|VERSION_TOO_LOW|NO_SHARED_CIPHER|NO_PROTOCOLS_AVAILABLE|ALERT_HANDSHAKE_FAILURE/,
    'tls-protocol',
  ],
  [/WRONG_VERSION_NUMBER|HTTP_REQUEST|PACKET_LENGTH_TOO_LONG/, 'not-this-protocol'],
]

/** A certificate chain that OpenSSL did not take; `why` is its name for it. */
export function untrusted(why: unknown, who: 'client' | 'server'): TransportError {
  const code = typeof why === 'string' ? why : String((why as NodeJS.ErrnoException | undefined)?.code ?? why)
  return failure(
    EXPIRED.test(code) ? 'tls-expired' : 'tls-untrusted',
    `the certificate of the ${who} is not taken: ${code}`,
    { details: { verification: code } },
  )
}

/** Whatever else ended TLS; null for errors that are not about TLS. */
export function tlsFailure(cause: NodeJS.ErrnoException): TransportError | null {
  const code = cause.code ?? ''
  if (!code.startsWith('ERR_SSL_') && !code.startsWith('ERR_TLS_') && code !== 'EPROTO') return null
  const reason = REASONS_BY_CODE.find(([pattern]) => pattern.test(code))?.[1] ?? 'tls-failed'
  if (reason === 'not-this-protocol') return notTls(cause)
  return failure(reason, `TLS failed: ${code}`, { cause, details: { openssl: code } })
}

/** The handshake ended without a word about why. */
export function handshakeLost(cause?: Error): TransportError {
  const message = 'the connection ended within the TLS handshake'
  return failure('tls-failed', message, cause === undefined ? {} : { cause })
}

/** Somebody who does not speak TLS. */
export function notTls(cause?: Error): TransportError {
  const details = { looksLike: 'plain bytes' }
  const message = 'the peer does not speak TLS; its first bytes look like plain bytes'
  return failure('not-this-protocol', message, cause === undefined ? { details } : { cause, details })
}
