// Hot path: runs for every message sent. No allocation per message; one segment and one write per flush.
// Long: framing, batching and flushing of one connection share the open frame; a seam between them would be crossed per
// message.
import { failure } from '../base/errors.js'
import { WheelTimer } from '../base/timer-wheel.js'
import { compressBlock } from '../compression/lz4.js'
import type { CompressionPolicy } from '../compression/policy.js'
import { ByteWriter, REFERENCE_FROM_BYTES, type Segment } from '../memory/byte-writer.js'
import { Ring } from '../memory/ring.js'
import type { ByteChannel } from '../socket/channel.js'
import { turnIntoBatch } from '../wire/batch.js'
import {
  abandonFrame,
  beginFrame,
  endFrame,
  FLAG,
  HEADER_BYTES,
  KIND,
  LENGTH_BYTES,
  MESSAGE_PREFIX_BYTES,
  markCompressed,
  openFrameBytes,
  putU32,
  writeU32,
} from '../wire/frame.js'
import type { Environment } from './environment.js'
import { WriteWatch } from './write-watch.js'

/** No open batch. */
const CLOSED = -1
/**
 * A write within the turn as soon as this much is ready, so that the peer starts while we still encode. Measured with
 * 32-byte messages: 8 KiB beats 4 and 16. Larger messages want about 32 of them in a write, up to `batch.maxBytes`.
 */
const LEAST_FLUSH_BYTES = 8 * 1024
const MESSAGES_PER_FLUSH = 32

/** What the write loop tells the connection. */
export interface WriteLoopOwner {
  /** The socket took everything that waited. */
  onDrained(): void
  /** The peer took nothing for `limits.writeStallMs`. */
  onStalled(): void
  /** More control frames wait than `limits.maxQueuedControlFrames`. */
  onControlFlood(): void
}

/**
 * Frames go out here. What one turn sends leaves in few large writes: each as soon as it is worth a write, the last
 * when the turn ends. While the socket is full, frames gather here and nothing is handed over.
 */
export class WriteLoop {
  readonly out: ByteWriter
  /** The largest frame `length` the peer accepts. */
  maxFrameBytes: number
  /** The largest payload the peer accepts, before compression. */
  maxMessageBytes = Number.POSITIVE_INFINITY
  /**
   * A write within the turn as soon as this many messages are ready. Whoever knows how many calls are under way sets
   * it to a part of them: written all at once, both sides would take turns waiting for each other.
   */
  flushMessages = Number.POSITIVE_INFINITY
  /** Bytes given to the socket since the beginning. */
  handedBytes = 0
  readonly #channel: ByteChannel
  readonly #owner: WriteLoopOwner
  readonly #environment: Environment
  readonly #open = new Ring<Segment>()
  readonly #policy: CompressionPolicy | null
  readonly #endOfTurn: (now: number) => void
  readonly #delay: WheelTimer | null
  readonly #watch: WriteWatch
  #compressing = false
  #scheduled = false
  #blockedSince = 0
  #blockedBytes = 0
  #controlFrames = 0
  #blocked = false
  #closed = false
  #flushBytes: number
  #messages = 0
  /** Where the payload of the open frame begins, counted from the frame's start. */
  #payloadOffset = 0
  #batchKey = CLOSED
  #batchCount = 0
  /** The open batch has its form already: a second message was begun, and may have been taken back. */
  #isBatch = false
  #encoding = false
  #messageOffset = 0

  constructor(channel: ByteChannel, owner: WriteLoopOwner, environment: Environment, policy: CompressionPolicy | null) {
    this.#channel = channel
    this.#owner = owner
    this.#environment = environment
    this.#policy = policy
    this.out = new ByteWriter(environment.chunks)
    this.maxFrameBytes = environment.limits.maxHelloFrameBytes
    this.#flushBytes = Math.min(LEAST_FLUSH_BYTES, environment.batch.maxBytes)
    this.#endOfTurn = () => {
      this.#scheduled = false
      this.flush()
    }
    this.#delay =
      environment.batch.maxDelayMs > 0 ? new WheelTimer(() => this.#endOfTurn(environment.clock.now())) : null
    this.#watch = new WriteWatch(channel, environment, () => owner.onStalled())
  }

  /** Bytes that are ours still: not yet given to the socket, or given and not taken. */
  get queuedBytes(): number {
    return this.out.pendingBytes + this.#channel.unsentBytes
  }

  /** The stream position behind the last closed frame. Once `handedBytes` has reached it, the peer may have the frame. */
  get endPosition(): number {
    return this.handedBytes + this.out.pendingBytes
  }

  /** The socket is full: what is sent now gathers here. */
  get blocked(): boolean {
    return this.#blocked
  }

  /** A message is open: between its begin and its end nothing else can be sent. */
  get encoding(): boolean {
    return this.#encoding
  }

  /** Both sides have agreed on compression. */
  startCompressing(): void {
    this.#compressing = this.#policy !== null
  }

  /** Opens a frame with a payload. Encode into `out`, then `endMessage`; or `abandon`. */
  beginMessage(kind: number, flags: number, aux: number, id: number): void {
    if (this.#batchKey !== CLOSED) this.#closeBatch()
    this.#encoding = true
    beginFrame(this.out, kind, flags, aux, id)
    this.#payloadOffset = HEADER_BYTES
  }

  /** The same for a CALL, whose deadline comes first. */
  beginCall(flags: number, method: number, id: number, timeoutMs: number): void {
    this.beginMessage(KIND.CALL, flags, method, id)
    putU32(this.out, timeoutMs)
    this.#payloadOffset = HEADER_BYTES + 4
  }

  /** The same for an ANSWER. */
  beginAnswer(flags: number, id: number): void {
    this.beginMessage(KIND.ANSWER, flags, 0, id)
  }

  /** Adds a metadata block in front of the payload of the open frame, whose flags say so. */
  putMetadata(block: Uint8Array): void {
    this.out.copy(block, 0, block.length)
    this.#payloadOffset += block.length
  }

  /** Closes the open frame. Throws `message-too-large`, and the frame is gone as if never begun. */
  endMessage(): void {
    const { out } = this
    this.#encoding = false
    const payloadBytes = openFrameBytes(out) - this.#payloadOffset
    if (payloadBytes > this.maxMessageBytes) throw this.#tooLarge('message', payloadBytes, this.maxMessageBytes)
    if (this.#compressing && payloadBytes > this.#environment.compression.thresholdBytes) this.#compress(payloadBytes)
    const length = openFrameBytes(out) - LENGTH_BYTES
    if (length > this.maxFrameBytes) throw this.#tooLarge('frame', length, this.maxFrameBytes)
    endFrame(out)
    this.#ended()
  }

  /** A whole frame without payload rules: control frames. Says nothing on a closed connection. */
  control(kind: number, flags: number, aux: number, id: number, body?: Uint8Array): void {
    if (this.#closed) return
    if (this.#encoding) {
      // Of a getter or toJSON that cancels or closes something: the open frame comes first.
      this.#environment.turns.whenEnds(() => this.control(kind, flags, aux, id, body))
      return
    }
    this.beginMessage(kind, flags, aux, id)
    this.#encoding = false
    if (body !== undefined) this.out.copy(body, 0, body.length)
    endFrame(this.out)
    this.#ended()
    this.#controlFrames += 1
    if (this.#blocked && this.#controlFrames > this.#environment.limits.maxQueuedControlFrames)
      this.#owner.onControlFlood()
  }

  /** Takes the open frame, or the open message of a batch, back. */
  abandon(): void {
    this.#encoding = false
    if (this.#batchKey === CLOSED || this.#batchCount === 0) {
      this.#batchKey = CLOSED
      abandonFrame(this.out)
    } else {
      this.out.truncate(this.out.recordStart + this.#messageOffset - this.#lengthBytes())
    }
    if (this.#closed) this.out.clear()
  }

  /** Opens a one-way message; it joins the open batch where method, codec and lane are the same, without metadata. */
  beginOneWay(flags: number, method: number): void {
    const { out } = this
    const key = (flags << 16) | method
    if (key !== this.#batchKey || (flags & FLAG.METADATA) !== 0) {
      this.beginMessage(KIND.ONE_WAY, flags, method, 0)
      this.#batchKey = key
      this.#batchCount = 0
      this.#isBatch = false
    } else {
      this.#encoding = true
      if (!this.#isBatch) {
        turnIntoBatch(out, HEADER_BYTES)
        this.#isBatch = true
      }
      out.ensure(MESSAGE_PREFIX_BYTES)
      out.position += MESSAGE_PREFIX_BYTES
    }
    this.#messageOffset = out.position - out.recordStart
  }

  /** Closes the open one-way message. Throws `message-too-large`, and the message is gone. */
  endOneWay(): void {
    const { out } = this
    this.#encoding = false
    if (out.reference !== null) {
      this.#endLargeOneWay(out.reference)
      return
    }
    if (this.#batchCount > 0) {
      const start = out.recordStart + this.#messageOffset
      writeU32(out.bytes, start - MESSAGE_PREFIX_BYTES, out.position - start)
    }
    this.#batchCount += 1
    const size = openFrameBytes(out)
    // One more inline message must always fit the peer's limits.
    const most = Math.min(this.maxFrameBytes, this.maxMessageBytes)
    const room = Math.min(this.#flushBytes, most - REFERENCE_FROM_BYTES - MESSAGE_PREFIX_BYTES)
    if (size >= room || this.#batchCount >= this.#environment.batch.maxMessages) this.#closeBatch()
    else this.#schedule()
  }

  /** Gives what is ready to the socket, unless it is full. */
  flush(): void {
    // Of a getter or toJSON that ends the connection: half a frame is nothing to send.
    if (this.#encoding) return
    if (this.#batchKey !== CLOSED) this.#closeBatch()
    if (this.#closed) this.out.clear()
    if (this.#blocked) return
    const { out } = this
    let segment = out.take()
    if (segment === undefined) return
    this.#adapt(out.pendingBytes + segment.bytes.length)
    this.#messages = 0
    const corked = out.pendingBytes > 0
    if (corked) this.#channel.cork()
    let handed = 0
    while (segment !== undefined) {
      handed += segment.bytes.length
      this.#open.push(segment)
      this.#channel.write(segment.bytes)
      segment = out.take()
    }
    if (corked) this.#channel.uncork()
    this.#controlFrames = 0
    this.handedBytes += handed
    const { counters } = this.#environment
    counters.writes += 1
    counters.bytesSent += handed
    if (this.#channel.unsentBytes > 0) this.#block()
    else this.#policy?.handedOver(handed, this.#environment.clock.now())
  }

  /** The oldest open write is done with. A failed one makes no room: what waits was never handed over. */
  onWritten(failed: boolean): void {
    const segment = this.#open.shift()
    if (segment !== undefined) this.out.written(segment)
    if (this.#closed || failed) return
    if (this.#blocked) this.#watch.start()
    if (this.#blocked && this.#open.length === 0) this.#unblock()
    if (this.#open.length > 0 || this.out.pendingBytes > 0) return
    this.out.rest()
    this.#owner.onDrained()
  }

  /** Nothing more is sent. Open writes still come back through `onWritten`. */
  close(): void {
    this.#closed = true
    this.#batchKey = CLOSED
    this.#watch.stop()
    if (this.#delay !== null) this.#environment.wheel.disarm(this.#delay)
    this.#environment.counters.bytesCopiedOut += this.out.copiedBytes
    this.out.copiedBytes = 0
    // Who encodes just now writes to the open frame: it is cleared away at its end.
    if (!this.#encoding) this.out.clear()
  }

  /** The channel is gone: writes that it still held are done with. */
  dispose(): void {
    for (let segment = this.#open.shift(); segment !== undefined; segment = this.#open.shift())
      this.out.written(segment)
  }

  #ended(): void {
    const { counters, batch } = this.#environment
    counters.framesSent += 1
    this.#messages += 1
    const { pendingBytes } = this.out
    if (pendingBytes >= this.#flushBytes || this.#messages >= this.flushMessages || this.#messages >= batch.maxMessages)
      this.flush()
    else this.#schedule()
  }

  #schedule(): void {
    if (this.#closed) this.out.clear()
    if (this.#scheduled || this.#closed) return
    this.#scheduled = true
    if (this.#delay !== null) this.#environment.wheel.arm(this.#delay, this.#environment.batch.maxDelayMs)
    else this.#environment.turns.whenEnds(this.#endOfTurn)
  }

  #adapt(bytes: number): void {
    if (this.#messages === 0) return
    const ideal = (bytes / this.#messages) * MESSAGES_PER_FLUSH
    const most = this.#environment.batch.maxBytes
    this.#flushBytes = Math.min(most, Math.max(Math.min(most, LEAST_FLUSH_BYTES), ideal))
  }

  #block(): void {
    this.#blocked = true
    this.#blockedSince = this.#environment.clock.now()
    this.#blockedBytes = this.#channel.unsentBytes
    this.#policy?.stalled(this.#blockedSince)
    this.#watch.start()
  }

  #unblock(): void {
    this.#blocked = false
    this.#watch.stop()
    this.#policy?.drained(this.#blockedBytes, this.#environment.clock.now() - this.#blockedSince)
    this.flush()
  }

  #closeBatch(): void {
    this.#batchKey = CLOSED
    if (this.#batchCount === 0) {
      abandonFrame(this.out)
      return
    }
    this.#batchCount = 0
    this.endMessage()
  }

  /** A large message does not join a batch: what is open before it is closed, and it travels alone, by reference. */
  #endLargeOneWay(reference: Uint8Array): void {
    const { out } = this
    if (this.#batchCount > 0 && !this.#closed) {
      const key = this.#batchKey
      // What the codec wrote in front of the bytes that it left where they are.
      const head = Buffer.from(out.bytes.subarray(out.recordStart + this.#messageOffset, out.position))
      this.abandon()
      this.#closeBatch()
      this.beginMessage(KIND.ONE_WAY, key >>> 16, key & 0xffff, 0)
      out.copy(head, 0, head.length)
      out.put(reference)
    }
    this.#batchKey = CLOSED
    this.endMessage()
  }

  #lengthBytes(): number {
    return this.#batchCount > 0 ? MESSAGE_PREFIX_BYTES : 0
  }

  #compress(payloadBytes: number): void {
    const { out } = this
    if (this.#policy === null || !this.#policy.shouldTry(payloadBytes)) return
    const start = out.recordStart + this.#payloadOffset
    const inline = out.bytes.subarray(start, out.position)
    const source = out.reference === null ? inline : Buffer.concat([inline, out.reference])
    const compressed = compressBlock(source)
    if (!this.#policy.tried(payloadBytes, compressed.length)) return
    out.truncate(start)
    out.put(compressed)
    markCompressed(out)
  }

  #tooLarge(what: string, length: number, limit: number): Error {
    abandonFrame(this.out)
    this.#environment.counters.failed('message-too-large')
    return failure(
      'message-too-large',
      `a ${what} of ${length} bytes is over the limit of ${limit} that the peer accepts`,
      {
        details: { length, limit },
      },
    )
  }
}
