import { Socket, type SocketConstructorOpts } from 'node:net'
import { failure, type TransportError } from '../base/errors.js'
import { type Address, formatAddress } from './address.js'
import type { ByteChannel, ChannelFacts, TlsFacts } from './channel.js'
import type { SocketOptions } from './options.js'
import { SocketChannel } from './socket-channel.js'
import { tuneBuffers } from './tuning.js'

/**
 * Connects to an address. Settles once: with a channel, or with a coded error. Aborting the signal ends the attempt
 * at whatever stage it is, with the signal's reason; the caller puts its time limit there, because it covers more
 * than this.
 */
export function dial(address: Address, options: SocketOptions, signal: AbortSignal): Promise<ByteChannel> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason)
      return
    }
    const channel = new SocketChannel()
    // Half open: the peer's end must not stop us from sending what is still to be sent.
    // What is to be set on the socket goes here: `connect` of a socket that exists takes no notice of it.
    const tcp = address.kind === 'tcp' ? { noDelay: options.noDelay, ...keepAlive(options) } : {}
    const socket = new Socket({ onread: channel.onread, allowHalfOpen: true, ...tcp } as SocketConstructorOpts)
    const settle = (): void => {
      signal.removeEventListener('abort', onAbort)
      socket.off('error', onError)
      socket.off('connect', onConnect)
    }
    const onAbort = (): void => {
      settle()
      socket.on('error', () => {
        // The attempt was given up; what becomes of it interests nobody.
      })
      socket.destroy()
      reject(signal.reason)
    }
    const onError = (error: NodeJS.ErrnoException): void => {
      settle()
      socket.destroy()
      reject(dialFailure(address, error))
    }
    const onConnect = (): void => {
      settle()
      channel.attach(socket, channelFacts(socket, address, options, true))
      resolve(channel)
    }
    signal.addEventListener('abort', onAbort)
    socket.once('error', onError)
    socket.once('connect', onConnect)
    if (address.kind === 'unix') socket.connect({ path: address.path })
    else socket.connect({ host: address.host, port: address.port })
  })
}

export function keepAlive(options: SocketOptions): { keepAlive: boolean; keepAliveInitialDelay: number } {
  return { keepAlive: options.keepAliveMs > 0, keepAliveInitialDelay: keepAliveMs(options) }
}

/** The system takes whole seconds. Node rounds down, and 0 of them leaves the system's own time: two hours. */
function keepAliveMs(options: SocketOptions): number {
  return Math.ceil(options.keepAliveMs / 1000) * 1000
}

/** What is in force on a connected socket. */
export function channelFacts(
  socket: Socket,
  address: Address,
  options: SocketOptions,
  reusedReads: boolean,
  tls: TlsFacts | null = null,
): ChannelFacts {
  const { kind } = address
  const tcp = kind !== 'unix'
  return {
    kind,
    local: tcp ? endpoint(kind, socket.localAddress, socket.localPort) : formatAddress(address),
    remote: tcp ? endpoint(kind, socket.remoteAddress, socket.remotePort) : formatAddress(address),
    remoteHost: tcp ? (socket.remoteAddress ?? '') : formatAddress(address),
    noDelay: tcp && options.noDelay,
    keepAliveMs: tcp ? keepAliveMs(options) : 0,
    ...tuneBuffers(socket, options),
    reusedReads,
    tls,
  }
}

function endpoint(kind: 'tcp' | 'tls', host: string | undefined, port: number | undefined): string {
  return formatAddress({ kind, host: host ?? '', port: port ?? 0 })
}

export function dialFailure(address: Address, cause: NodeJS.ErrnoException): TransportError {
  const where = formatAddress(address)
  const details = { address: where, systemCode: cause.code }
  if (cause.code === 'ECONNREFUSED') return failure('connect-refused', `nobody listens at ${where}`, { cause, details })
  return failure('connect-failed', `cannot connect to ${where}: ${cause.code ?? cause.message}`, { cause, details })
}
