import { createServer, type Server, type Socket } from 'node:net'
import { failure, type TransportError } from '../base/errors.js'
import { type Address, formatAddress } from './address.js'
import type { ByteChannel } from './channel.js'
import { channelFacts, keepAlive } from './dial.js'
import type { SocketOptions } from './options.js'
import { rewrap } from './reused-read.js'
import { SocketChannel } from './socket-channel.js'
import { clearStale, withMode, wrongMode } from './unix-path.js'

type UnixAddress = Extract<Address, { path: string }>

/** A listening address. Closing it leaves accepted channels alone: they belong to whoever accepted them. */
export interface Listener {
  /** With the port that the system chose, if port 0 was asked for. */
  readonly address: Address
  /** Resolves when the address is free again. */
  close(): Promise<void>
}

/** A connection that was accepted and is no channel yet: its TLS handshake is under way. */
export interface Guest {
  readonly remoteHost: string
  /** Drops it. Nobody is called back for it after that. */
  destroy(): void
}

/** How guests are bounded in number and time. Each that may stay comes to an end once: `onChannel`, or `onRefused`. */
export interface GuestCallbacks {
  /** Returns false for one that must go: it is dropped. */
  readonly onArrived: (guest: Guest) => boolean
  /** TLS failed. Where it was the peer's certificate that did not do, there is a channel to say so: the callee's. */
  readonly onRefused: (guest: Guest, error: TransportError, channel: ByteChannel | null) => void
}

export interface ListenCallbacks {
  /**
   * A connection was accepted. The callee owns the channel, and sets its receiver before it returns. `guest`: what it
   * was while TLS was not agreed.
   */
  readonly onChannel: (channel: ByteChannel, guest?: Guest) => void
  /** Accepting one connection failed; the listener goes on. */
  readonly onAcceptFailed: (error: Error) => void
  readonly guests?: GuestCallbacks
}

export async function listen(address: Address, options: SocketOptions, callbacks: ListenCallbacks): Promise<Listener> {
  if (address.kind === 'unix') await clearStale(address.path)
  return new Promise((resolve, reject) => {
    const server = createServer({
      allowHalfOpen: true,
      // Nothing is read until the handle has moved to a socket that reads our way.
      pauseOnConnect: true,
      noDelay: options.noDelay,
      ...keepAlive(options),
    })
    server.once('error', (cause: NodeJS.ErrnoException) => reject(listenFailure(address, cause)))
    let open = false
    const refusal = (): Error | null => (address.kind === 'unix' ? modeRefusal(address, options) : null)
    server.on('connection', (socket) => {
      // A peer that is gone already has no address any more.
      const gone = address.kind !== 'unix' && socket.remoteAddress === undefined
      // In a worker of a cluster somebody may be there before `bound`.
      if (gone || (!open && refusal() !== null)) socket.destroy()
      else callbacks.onChannel(adopt(socket, address, options))
    })
    const bound = (): void => {
      server.on('error', callbacks.onAcceptFailed)
      const why = refusal()
      open = why === null
      if (why === null) resolve(new BoundListener(server, address))
      else server.close(() => reject(why))
    }
    if (address.kind === 'unix') {
      withMode(options.unixMode, () => server.listen({ path: address.path, backlog: options.backlog }, bound))
    } else server.listen({ host: address.host, port: address.port, backlog: options.backlog }, bound)
  })
}

export class BoundListener implements Listener {
  readonly address: Address
  readonly #server: Server
  readonly #onClose: () => void

  constructor(server: Server, asked: Address, onClose: () => void = () => {}) {
    this.#server = server
    this.#onClose = onClose
    const bound = server.address()
    this.address =
      asked.kind !== 'unix' && bound !== null && typeof bound === 'object' ? { ...asked, port: bound.port } : asked
  }

  close(): Promise<void> {
    this.#onClose()
    return new Promise((resolve) => {
      this.#server.close(() => resolve())
      // A socket that could not be wrapped anew is still the server's, which waits for it. The address is free before.
      this.#server.getConnections((_, count) => {
        if (count > 0) resolve()
      })
    })
  }
}

function adopt(accepted: Socket, address: Address, options: SocketOptions): ByteChannel {
  const channel = new SocketChannel()
  const rewrapped = rewrap(accepted, channel.onread)
  const socket = rewrapped ?? accepted
  channel.attach(socket, channelFacts(socket, address, options, rewrapped !== null))
  return channel
}

/** Why nobody may be let in at a socket of the file system: it has other permissions than were asked for. */
function modeRefusal(address: UnixAddress, { unixMode }: SocketOptions): Error | null {
  try {
    const mode = wrongMode(address.path, unixMode)
    if (mode === null) return null
    const where = formatAddress(address)
    const why = `it has the permissions ${mode} and not ${unixMode?.toString(8)}, as in a worker of a cluster, where the umask of the primary decides`
    return failure('listen-failed', `cannot listen at ${where}: ${why}`, { details: { address: where, mode } })
  } catch (cause) {
    return listenFailure(address, cause as NodeJS.ErrnoException)
  }
}

export function listenFailure(address: Address, cause: NodeJS.ErrnoException): Error {
  const where = formatAddress(address)
  const details = { address: where, systemCode: cause.code }
  if (cause.code === 'EADDRINUSE')
    return failure('address-in-use', `somebody listens at ${where} already`, { cause, details })
  return failure('listen-failed', `cannot listen at ${where}: ${cause.code ?? cause.message}`, { cause, details })
}
