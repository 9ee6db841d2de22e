import type { TransportError } from '../../src/base/errors.js'
import type { ByteChannel, ChannelFacts, ChannelReceiver } from '../../src/socket/channel.js'

const BUFFER = { requested: null, effective: null, applied: false, reason: 'in memory' }

/**
 * A channel whose other end is the test. It keeps what was written, takes bytes in or leaves them waiting as it is
 * told, and calls its owner only from the methods of the test: `flush`, `take`, `say`, `halfClose`, `cut`.
 */
export class MemoryChannel implements ByteChannel {
  readonly facts: ChannelFacts = {
    kind: 'memory',
    local: 'here',
    remote: 'there',
    remoteHost: 'there',
    noDelay: true,
    keepAliveMs: 0,
    sendBuffer: BUFFER,
    receiveBuffer: BUFFER,
    reusedReads: true,
    tls: null,
  }
  /** Every write, copied. */
  readonly writes: Buffer[] = []
  /** How many of them each call of the system gathered. */
  readonly gathered: number[] = []
  /** Takes nothing: what is written waits. */
  full = false
  paused = false
  ended = false
  destroyed = false
  gone = false
  #receiver: ChannelReceiver | null = null
  /** Sizes of the writes that were not handed back, and how many of them the system has taken. */
  readonly #open: number[] = []
  #taken = 0
  #corked = false
  #said: Buffer[] = []

  get unsentBytes(): number {
    return this.#open.slice(this.#taken).reduce((sum, bytes) => sum + bytes, 0)
  }

  /** Everything that was written so far. */
  get bytes(): Buffer {
    return Buffer.concat(this.writes)
  }

  /** Bytes that were said and not heard: the channel is paused. */
  get unheardBytes(): number {
    return this.#said.reduce((sum, { length }) => sum + length, 0)
  }

  receive(receiver: ChannelReceiver): void {
    this.#receiver = receiver
  }

  write(bytes: Uint8Array): void {
    if (this.ended || this.destroyed) throw new Error('a write after the end')
    this.writes.push(Buffer.from(bytes))
    if (!this.#corked || this.gathered.length === 0) this.gathered.push(0)
    this.gathered.push((this.gathered.pop() ?? 0) + 1)
    this.#open.push(bytes.length)
    if (!this.full) this.#taken = this.#open.length
  }

  cork(): void {
    this.#corked = true
    this.gathered.push(0)
  }

  uncork(): void {
    this.#corked = false
  }

  pause(): void {
    this.paused = true
  }

  resume(): void {
    this.paused = false
  }

  end(): void {
    this.ended = true
  }

  destroy(): void {
    this.destroyed = true
  }

  /** Makes room, takes everything that waits and hands it back; after `destroy` tells that the channel is gone. */
  flush(): void {
    if (this.destroyed) {
      this.cut(null)
      return
    }
    this.full = false
    while (this.#open.length > 0) this.take()
    this.#hear()
  }

  /** Takes the oldest open write and hands it back. What is written meanwhile may still find no room. */
  take(): void {
    if (this.#open.shift() === undefined) return
    this.#taken = Math.max(0, this.#taken - 1)
    this.#receiver?.onWritten()
  }

  /** The other end says something. It is heard at once, or when the channel is read again. */
  say(...parts: readonly Uint8Array[]): void {
    this.#said.push(Buffer.concat(parts))
    this.#hear()
  }

  /** The other end says nothing more. */
  halfClose(): void {
    this.#receiver?.onEnd()
  }

  /** The channel is gone, with what it had not taken. */
  cut(error: TransportError | null): void {
    if (this.gone) return
    this.gone = true
    while (this.#open.shift() !== undefined) this.#receiver?.onWritten(true)
    this.#said = []
    this.#receiver?.onClosed(error)
  }

  #hear(): void {
    while (!this.paused && !this.gone && !this.destroyed) {
      const said = this.#said.shift()
      if (said === undefined) return
      if (said.length > 0) this.#hearOne(said)
    }
  }

  /** A read puts its bytes where the owner wants them, and no more of them than fit there. */
  #hearOne(said: Buffer): void {
    const destination = this.#receiver?.destination() ?? null
    if (destination === null) {
      this.#receiver?.onBytes(said, said.length)
      return
    }
    const length = said.copy(destination)
    if (length < said.length) this.#said.unshift(said.subarray(length))
    this.#receiver?.onBytes(destination, length)
  }
}
