import type { TransportError } from '../base/errors.js'

/** What a channel tells its owner. Never called from within a call into the channel. */
export interface ChannelReceiver {
  /** Bytes came, in `bytes[0, length)`. Borrowed until the call returns. */
  onBytes(bytes: Buffer, length: number): void
  /** Where the next bytes are best put, if anywhere: the channel fills it directly where it can. */
  destination(): Buffer | null
  /** One `write` is done with, the oldest one open: its bytes are the owner's again. `failed`: nobody will get them. */
  onWritten(failed?: boolean): void
  /** The peer will send nothing more. */
  onEnd(): void
  /** The last call: nothing follows, every open write was handed back. */
  onClosed(error: TransportError | null): void
}

/** A stream of bytes both ways with a peer: a socket, or two ends in memory. */
export interface ByteChannel {
  /** What is in force, read back from the system where it can be. */
  readonly facts: ChannelFacts
  /** Written bytes that the system has not taken yet. */
  readonly unsentBytes: number
  /** Set once, before anything happens. */
  receive(receiver: ChannelReceiver): void
  /** Borrows the bytes until `onWritten`. */
  write(bytes: Uint8Array): void
  /** Between `cork` and `uncork` writes are gathered into one call of the system. */
  cork(): void
  uncork(): void
  pause(): void
  resume(): void
  /** Sends what was written and then the end of the stream. */
  end(): void
  /** Drops everything at once. */
  destroy(): void
}

/** A size of a kernel buffer: what was asked for, what is, and why the two differ. */
export interface BufferSize {
  readonly requested: number | null
  readonly effective: number | null
  readonly applied: boolean
  readonly reason: string
}

/** What the TLS handshake agreed on and proved. */
export interface TlsFacts {
  /** `TLSv1.3` or `TLSv1.2`. */
  readonly protocol: string
  readonly cipher: string
  /** Agreed from a ticket of an earlier connection, without the exchange of certificates. */
  readonly sessionReused: boolean
  /** The names that the peer's certificate proves: its DNS names and URIs. Empty where it showed none. */
  readonly peerNames: readonly string[]
  /** The peer has to prove the id of its HELLO. */
  readonly mutual: boolean
}

export interface ChannelFacts {
  readonly kind: 'tcp' | 'tls' | 'unix' | 'memory'
  readonly local: string
  readonly remote: string
  /** The peer's host, for limits that count per address. */
  readonly remoteHost: string
  readonly noDelay: boolean
  /** Idle milliseconds before the first keepalive probe; 0 is off. */
  readonly keepAliveMs: number
  readonly sendBuffer: BufferSize
  readonly receiveBuffer: BufferSize
  /** Whether bytes are read into a buffer of ours (`onread`) or into a new one each time. */
  readonly reusedReads: boolean
  /** Null where the bytes travel as they are. */
  readonly tls: TlsFacts | null
}
