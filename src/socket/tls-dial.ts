import type { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import type { ConnectionOptions, TLSSocket } from 'node:tls'
import { failure, type TransportError } from '../base/errors.js'
import { type Address, formatAddress } from './address.js'
import type { ByteChannel } from './channel.js'
import { channelFacts, dialFailure, keepAlive } from './dial.js'
import { nodeTls } from './node-modules.js'
import type { LinkOptions } from './options.js'
import { SocketChannel } from './socket-channel.js'
import { handshakeLost, tlsFailure, untrusted } from './tls-failure.js'
import { ALPN, judgeServer, peerCertificate, tlsFacts } from './tls-identity.js'
import type { TlsMaterial } from './tls-material.js'

type TlsAddress = Extract<Address, { port: number }>

/** `dial` for `tls://` addresses: settles when the server has proved that it is the host that was dialled. */
export function dialTls(address: TlsAddress, options: LinkOptions, signal: AbortSignal): Promise<ByteChannel> {
  const { tls } = options
  if (tls === undefined) throw failure('tls-options', `${formatAddress(address)} needs the options tls`)
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason)
      return
    }
    const channel = new SocketChannel()
    const host = withoutDot(tls.serverName ?? options.serverName ?? address.host)
    const { socket, certificate, approve } = open(address, host, tls, channel)
    socket.setNoDelay(options.noDelay)
    const { keepAlive: alive, keepAliveInitialDelay } = keepAlive(options)
    socket.setKeepAlive(alive, keepAliveInitialDelay)
    const settle = (): void => {
      signal.removeEventListener('abort', onAbort)
      socket.off('error', onError)
      socket.off('secureConnect', onSecure)
    }
    const giveUp = (why: unknown): void => {
      settle()
      socket.on('error', () => {
        // The attempt was given up; what becomes of it interests nobody.
      })
      socket.destroy()
      reject(why)
    }
    const onAbort = (): void => giveUp(signal.reason)
    const onError = (error: NodeJS.ErrnoException): void => giveUp(explain(address, socket, error))
    const onSecure = (): void => {
      const shown = certificate()
      const refusal = judgeServer(socket, shown, host)
      if (refusal !== null) {
        giveUp(refusal)
        return
      }
      settle()
      approve(shown)
      const facts = tlsFacts(socket, shown, tls.dialsMutually)
      channel.attach(socket, channelFacts(socket, address, options, true, facts))
      resolve(channel)
    }
    signal.addEventListener('abort', onAbort)
    socket.once('error', onError)
    socket.once('secureConnect', onSecure)
  })
}

/** `host.` is how a resolver is told that the name is whole. It is no part of a name in TLS (RFC 6066, section 3). */
function withoutDot(host: string): string {
  return host.replace(/(?<=.)\.$/, '')
}

interface Opened {
  readonly socket: TLSSocket
  /** Of the server: shown now, or when it gave the ticket that was used. Asked for once. */
  readonly certificate: () => X509Certificate | undefined
  /** The server is who it should be: its tickets may be used. */
  readonly approve: (certificate: X509Certificate | undefined) => void
}

function open(address: TlsAddress, host: string, tls: TlsMaterial, channel: SocketChannel): Opened {
  const side = tls.dialSide()
  const place = `${formatAddress(address)} ${host}`
  const ticket = side.ticket(place)
  const socket = nodeTls().connect({
    host: address.host,
    port: address.port,
    // No name is told to who is dialled by number: TLS has no room for numbers there.
    servername: isIP(host) === 0 ? host : '',
    secureContext: side.context,
    ...(ticket === undefined ? {} : { session: ticket.session }),
    ALPNProtocols: [ALPN],
    allowHalfOpen: true,
    rejectUnauthorized: true,
    // Ours follows, in every case: Node leaves its own out where a ticket is used.
    checkServerIdentity: () => undefined,
    onread: channel.onread,
  } as ConnectionOptions)
  let approved: X509Certificate | undefined
  let early: Buffer | null = null
  const keep = (session: Buffer): void => {
    // TLS 1.2 gives its ticket before the handshake is over.
    if (approved === undefined) early = session
    else side.keepTicket(place, { session, certificate: approved })
  }
  socket.on('session', keep)
  return {
    socket,
    certificate: () => (socket.isSessionReused() ? ticket?.certificate : peerCertificate(socket)),
    approve: (certificate) => {
      approved = certificate
      if (early !== null) keep(early)
    },
  }
}

function explain(address: Address, socket: TLSSocket, error: NodeJS.ErrnoException): TransportError {
  // Set by Node where the chain was the trouble. Its types say Error, and it is a string.
  const unverified = socket.authorizationError as unknown
  if (typeof unverified === 'string' && unverified === error.code) return untrusted(unverified, 'server')
  if (error.code === 'ECONNRESET' || error.code === 'EPIPE') return handshakeLost(error)
  return tlsFailure(error) ?? dialFailure(address, error)
}
