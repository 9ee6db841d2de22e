import type { TransportError } from '../../src/base/errors.js'
import type { ByteChannel, ChannelReceiver } from '../../src/socket/channel.js'

/** One end of a channel: what was heard there, and whatever broke the contract. */
export class End implements ChannelReceiver {
  readonly channel: ByteChannel
  /** Copies of what came. */
  readonly chunks: Buffer[] = []
  receivedBytes = 0
  /** How many reads went straight where `where` wanted them. */
  placed = 0
  handedBack = 0
  /** Of these, how many said that nobody will get the bytes. */
  failed = 0
  ended = false
  closed = false
  error: TransportError | null = null
  /** Empty as long as the channel keeps its contract. */
  readonly wrongs: string[] = []
  /** What the owner does when it hears something. */
  onChunk: (chunk: Buffer) => void = () => {}
  onHandedBack: () => void = () => {}
  where: () => Buffer | null = () => null
  #writes = 0
  #inside = false
  #wanted: Buffer | null = null

  constructor(channel: ByteChannel) {
    this.channel = channel
    this.call(() => channel.receive(this))
  }

  /** Every call into the channel goes through here, so that a callback within it is noticed. */
  call(action: () => void): void {
    this.#inside = true
    action()
    this.#inside = false
  }

  write(bytes: Uint8Array): void {
    this.#writes += 1
    this.call(() => this.channel.write(bytes))
  }

  end(): void {
    this.call(() => this.channel.end())
  }

  destroy(): void {
    this.call(() => this.channel.destroy())
  }

  pause(): void {
    this.call(() => this.channel.pause())
  }

  resume(): void {
    this.call(() => this.channel.resume())
  }

  get writes(): number {
    return this.#writes
  }

  received(): Buffer {
    return Buffer.concat(this.chunks)
  }

  onBytes(bytes: Buffer, length: number): void {
    this.#heard('onBytes')
    if (this.ended) this.wrongs.push('onBytes after onEnd')
    if (length < 1 || length > bytes.length) this.wrongs.push(`onBytes of ${length} bytes in ${bytes.length}`)
    if (bytes === this.#wanted) this.placed += 1
    const chunk = Buffer.from(bytes.subarray(0, length))
    this.chunks.push(chunk)
    this.receivedBytes += length
    this.onChunk(chunk)
  }

  destination(): Buffer | null {
    this.#wanted = this.where()
    return this.#wanted
  }

  onWritten(failed = false): void {
    this.#heard('onWritten')
    this.handedBack += 1
    if (failed) this.failed += 1
    else if (this.failed > 0) this.wrongs.push('a write was taken after one that failed')
    if (this.handedBack > this.#writes) this.wrongs.push('more was handed back than was written')
    this.onHandedBack()
  }

  onEnd(): void {
    this.#heard('onEnd')
    if (this.ended) this.wrongs.push('onEnd twice')
    this.ended = true
  }

  onClosed(error: TransportError | null): void {
    this.#heard('onClosed')
    if (this.handedBack < this.#writes) this.wrongs.push('onClosed before every write was handed back')
    this.closed = true
    this.error = error
  }

  #heard(what: string): void {
    if (this.#inside) this.wrongs.push(`${what} within a call into the channel`)
    if (this.closed) this.wrongs.push(`${what} after onClosed`)
  }
}
