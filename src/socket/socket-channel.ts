// Hot path: `write` and the read callback run for every batch of frames.
import type { OnReadOpts, Socket } from 'node:net'
import { failure, type TransportError } from '../base/errors.js'
import type { ByteChannel, ChannelFacts, ChannelReceiver } from './channel.js'
import { sharedReadBuffer } from './reused-read.js'
import { tlsFailure } from './tls-failure.js'

/**
 * Over TLS, Node hands a write back in the next turn at the earliest, also where the system has taken it at once. So
 * much may be written in one turn without the socket being called full; what waits in truth is too much a turn later.
 */
const TLS_UNTOLD_BYTES = 128 * 1024

/** A TCP or unix socket as a byte channel. Made before the socket, because `onread` is given at its birth. */
export class SocketChannel implements ByteChannel {
  #socket: Socket | null = null
  #facts: ChannelFacts | null = null
  #receiver: ChannelReceiver | null = null
  #error: Error | null = null
  // Node calls back without an error where the socket was destroyed meanwhile.
  readonly #written = (error?: Error | null): void => {
    this.#receiver?.onWritten(error instanceof Error || this.#socket?.destroyed === true)
  }

  /** What a new socket is to be made with. The first call of `buffer` comes while the socket is constructed. */
  readonly onread: OnReadOpts = {
    // Node asks for the next buffer after every read; anything but a buffer means: the same again. Its types do not
    // know that, and switching costs a call into C++, so it is done only for the body of a large frame and back.
    buffer: () => this.#nextBuffer() as Uint8Array,
    callback: (length, bytes) => {
      this.#receiver?.onBytes(bytes as Buffer, length)
      return true
    },
  }
  #reading: Buffer | null = null

  #nextBuffer(): Buffer | undefined {
    const wanted = this.#receiver?.destination() ?? sharedReadBuffer()
    if (wanted === this.#reading) return undefined
    this.#reading = wanted
    return wanted
  }

  /** Gives the channel its connected socket. The channel owns it from here on. */
  attach(socket: Socket, facts: ChannelFacts): void {
    this.#socket = socket
    this.#facts = facts
    if (!facts.reusedReads) socket.on('data', (chunk: Buffer) => this.#receiver?.onBytes(chunk, chunk.length))
    socket.on('end', () => this.#receiver?.onEnd())
    socket.on('error', (error) => {
      this.#error = error
    })
    socket.on('close', () => this.#onClose())
  }

  get facts(): ChannelFacts {
    if (this.#facts === null) throw failure('misuse', 'the channel has no socket yet')
    return this.#facts
  }

  get unsentBytes(): number {
    const bytes = this.#socket?.writableLength ?? 0
    return this.#facts?.tls === null ? bytes : Math.max(0, bytes - TLS_UNTOLD_BYTES)
  }

  receive(receiver: ChannelReceiver): void {
    this.#receiver = receiver
    this.resume()
  }

  write(bytes: Uint8Array): void {
    this.#socket?.write(bytes, this.#written)
  }

  cork(): void {
    this.#socket?.cork()
  }

  uncork(): void {
    this.#socket?.uncork()
  }

  pause(): void {
    this.#socket?.pause()
  }

  resume(): void {
    this.#socket?.resume()
  }

  end(): void {
    this.#socket?.end()
  }

  destroy(): void {
    this.#socket?.destroy()
  }

  #onClose(): void {
    const receiver = this.#receiver
    // A write that comes after this is nobody's, and is not handed back.
    this.#receiver = null
    receiver?.onClosed(this.#error === null ? null : lost(this.#error))
  }
}

function lost(cause: Error): TransportError {
  const ofTls = tlsFailure(cause)
  if (ofTls !== null) return ofTls
  return failure('connection-lost', `the connection failed: ${cause.message}`, { cause })
}
