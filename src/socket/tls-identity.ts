import type { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { systemClock } from '../base/clock.js'
import { failure, type TransportError } from '../base/errors.js'
import type { TlsFacts } from './channel.js'
import { untrusted } from './tls-failure.js'

/** Both sides insist on it, so that no other protocol behind the same certificate can be mistaken for this one. */
export const ALPN = 'alys/1'

/**
 * One entry of a subject alternative name as Node prints it: quoted where the value has a comma, a quote or anything
 * else that could be taken for the next entry.
 */
const ENTRY = /(?:^|, )([^:,"]+):("(?:[^"\\]|\\.)*"|[^,"]*)/y

/**
 * The names that a certificate proves: its DNS names and URIs. The common name of the subject is not looked at. A
 * wildcard stands for many, and so proves none of them.
 */
export function provenNames({ subjectAltName = '' }: X509Certificate): readonly string[] {
  const names: string[] = []
  ENTRY.lastIndex = 0
  while (ENTRY.lastIndex < subjectAltName.length) {
    const entry = ENTRY.exec(subjectAltName)
    // What cannot be read for certain proves nothing at all.
    if (entry === null) return []
    const [, kind, value = ''] = entry
    if ((kind === 'DNS' || kind === 'URI') && !value.startsWith('"') && !value.includes('*')) names.push(value)
  }
  return names
}

/**
 * The certificate of the other side, to be asked for once: on the dialling side Node takes it off the list that it
 * reads from, and gives the next one, or none, the second time.
 */
export function peerCertificate(socket: TLSSocket): X509Certificate | undefined {
  return socket.getPeerX509Certificate()
}

/** Judges the server after a handshake that OpenSSL was content with. */
export function judgeServer(
  socket: TLSSocket,
  certificate: X509Certificate | undefined,
  host: string,
): TransportError | null {
  const wrong = judgeProtocol(socket)
  if (wrong !== null) return wrong
  if (certificate === undefined) return failure('tls-untrusted', 'the server showed no certificate')
  // Node's own check falls back to the common name, and is left out where a ticket is used.
  const named =
    isIP(host) === 0
      ? certificate.checkHost(host, { subject: 'never', partialWildcards: false })
      : certificate.checkIP(host)
  if (named === undefined) {
    return failure('tls-name-mismatch', `the certificate of the server does not have the name ${host}`, {
      details: { host },
    })
  }
  return judgeDates(certificate)
}

/** Judges a client after the handshake; OpenSSL has looked at the chain and said nothing yet. */
export function judgeClient(
  socket: TLSSocket,
  certificate: X509Certificate | undefined,
  asked: boolean,
): TransportError | null {
  const wrong = judgeProtocol(socket)
  if (wrong !== null || !asked) return wrong
  if (certificate === undefined) return failure('tls-certificate-required', 'the client showed no certificate')
  if (!socket.authorized) return untrusted(socket.authorizationError, 'client')
  return judgeDates(certificate)
}

function judgeProtocol({ alpnProtocol }: TLSSocket): TransportError | null {
  if (alpnProtocol === ALPN) return null
  return failure('tls-protocol', `the peer did not agree on the application protocol ${ALPN} (ALPN)`)
}

/** A ticket says that the certificate was good when it was shown. OpenSSL looks at the dates then, on the system's clock. */
function judgeDates({ validFrom, validTo }: X509Certificate): TransportError | null {
  const now = systemClock.wallNow()
  if (now >= Date.parse(validFrom) && now <= Date.parse(validTo)) return null
  return failure('tls-expired', `the certificate of the peer is valid from ${validFrom} to ${validTo}`)
}

/** `certificate` was judged. Nobody has looked at what a client shows that was not asked: there is none then. */
export function tlsFacts(socket: TLSSocket, certificate: X509Certificate | undefined, mutual: boolean): TlsFacts {
  return {
    protocol: socket.getProtocol() ?? '',
    cipher: socket.getCipher().standardName,
    sessionReused: socket.isSessionReused(),
    peerNames: certificate === undefined ? [] : provenNames(certificate),
    mutual,
  }
}
