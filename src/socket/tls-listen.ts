import { createServer, type Socket } from 'node:net'
import type { TLSSocket, Server as TlsServer } from 'node:tls'
import { failure, type TransportError } from '../base/errors.js'
import { type Address, formatAddress } from './address.js'
import { channelFacts, keepAlive } from './dial.js'
import { BoundListener, type Guest, type ListenCallbacks, type Listener, listenFailure } from './listen.js'
import { nodeTls } from './node-modules.js'
import type { LinkOptions } from './options.js'
import { readReused } from './reused-read.js'
import { SocketChannel } from './socket-channel.js'
import { handshakeLost, notTls, tlsFailure } from './tls-failure.js'
import { ALPN, judgeClient, peerCertificate, tlsFacts } from './tls-identity.js'
import type { TlsMaterial } from './tls-material.js'

type TlsAddress = Extract<Address, { port: number }>

/** The first byte of every TLS connection: a record of the handshake. */
const HANDSHAKE_RECORD = 22
/** What a plain peer is told: a fatal alert, "protocol version". One of ours reads it as the TLS that it is. */
const NO_PLAIN_BYTES = Buffer.from([21, 3, 3, 0, 2, 2, 70])
/** Node has a limit of its own. Ours, over TLS and HELLO together, is with whoever counts the guests. */
const NEVER_MS = 2 ** 31 - 1

/** `listen` for `tls://` addresses. Connections are guests until TLS is agreed and their certificate judged. */
export function listenTls(address: TlsAddress, options: LinkOptions, callbacks: ListenCallbacks): Promise<Listener> {
  const { tls } = options
  if (tls === undefined) throw failure('tls-options', `${formatAddress(address)} needs the options tls`)
  const reception = new TlsReception(address, options, tls, callbacks)
  return new Promise((resolve, reject) => {
    // Who ends within the handshake is gone; after it, half a connection may end first.
    const server = createServer({ allowHalfOpen: false, noDelay: options.noDelay, ...keepAlive(options) })
    server.once('error', (cause: NodeJS.ErrnoException) => {
      reception.close()
      reject(listenFailure(address, cause))
    })
    server.on('connection', (socket) => reception.onConnection(socket))
    server.listen({ host: address.host, port: address.port, backlog: options.backlog }, () => {
      server.on('error', callbacks.onAcceptFailed)
      resolve(new BoundListener(server, address, () => reception.close()))
    })
  })
}

/** A connection between accept and the end of TLS. */
class TlsGuest implements Guest {
  readonly remoteHost: string
  readonly socket: Socket
  /** Nobody is told of it any more. */
  over = false
  error: TransportError | null = null

  constructor(socket: Socket) {
    this.socket = socket
    this.remoteHost = socket.remoteAddress ?? ''
  }

  destroy(): void {
    this.over = true
    this.socket.destroy()
  }
}

class TlsReception {
  readonly #address: TlsAddress
  readonly #options: LinkOptions
  readonly #asks: boolean
  readonly #callbacks: ListenCallbacks
  /** It listens nowhere: sockets are handed to it once their first byte is known. */
  readonly #tls: TlsServer
  readonly #guests = new WeakMap<object, TlsGuest>()
  readonly #stop: () => void

  constructor(address: TlsAddress, options: LinkOptions, tls: TlsMaterial, callbacks: ListenCallbacks) {
    this.#address = address
    this.#options = options
    this.#asks = tls.asksClients
    this.#callbacks = callbacks
    this.#tls = nodeTls().createServer({
      requestCert: this.#asks,
      // Judged by us, so that the peer can be told why. Until then nothing of it is read.
      rejectUnauthorized: false,
      ALPNProtocols: [ALPN],
      handshakeTimeout: NEVER_MS,
    })
    this.#stop = tls.listen((material) => this.#tls.setSecureContext(material))
    this.#tls.on('secureConnection', (socket) => this.#onSecure(socket))
    this.#tls.on('tlsClientError', (error, socket) => this.#onFailed(error, socket))
  }

  close(): void {
    this.#stop()
  }

  onConnection(socket: Socket): void {
    // A peer that is gone already has no address any more.
    if (socket.remoteAddress === undefined) {
      socket.destroy()
      return
    }
    const guest = new TlsGuest(socket)
    socket.on('error', (error) => {
      guest.error ??= handshakeLost(error)
    })
    socket.on('close', () => this.#onGone(guest))
    if (this.#callbacks.guests?.onArrived(guest) === false) {
      guest.destroy()
      return
    }
    this.#guests.set(socket, guest)
    socket.once('data', (first: Buffer) => {
      if (first[0] === HANDSHAKE_RECORD) {
        socket.pause()
        socket.unshift(first)
        this.#tls.emit('connection', socket)
      } else {
        guest.error = notTls()
        socket.end(NO_PLAIN_BYTES, () => socket.destroy())
      }
    })
  }

  #onSecure(socket: TLSSocket): void {
    const guest = this.#guestOf(socket)
    if (guest === undefined || guest.over) {
      socket.destroy()
      return
    }
    guest.over = true
    socket.allowHalfOpen = true
    socket.disableRenegotiation()
    const certificate = peerCertificate(socket)
    const refusal = judgeClient(socket, certificate, this.#asks)
    const channel = new SocketChannel()
    const reused = readReused(socket, channel.onread)
    const facts = tlsFacts(socket, refusal === null ? certificate : undefined, this.#asks)
    channel.attach(socket, channelFacts(socket, this.#address, this.#options, reused, facts))
    if (refusal === null) this.#callbacks.onChannel(channel, guest)
    else if (this.#callbacks.guests === undefined) channel.destroy()
    else this.#callbacks.guests.onRefused(guest, refusal, channel)
  }

  #onFailed(error: NodeJS.ErrnoException, socket: TLSSocket): void {
    const guest = this.#guestOf(socket)
    if (guest !== undefined) guest.error ??= tlsFailure(error) ?? handshakeLost(error)
    guest?.socket.destroy()
  }

  #onGone(guest: TlsGuest): void {
    if (guest.over) return
    guest.over = true
    this.#callbacks.guests?.onRefused(guest, guest.error ?? handshakeLost(), null)
  }

  /** Undocumented: which socket a TLS socket was made of. Where Node does not say, nobody gets in. */
  #guestOf(socket: TLSSocket): TlsGuest | undefined {
    const { _parent: inner } = socket as unknown as { readonly _parent?: object }
    return inner === undefined ? undefined : this.#guests.get(inner)
  }
}
