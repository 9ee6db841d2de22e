// Hot path: runs for every message sent. No allocation per message.
// Long: beginning, ending and taking back a frame, for messages, batches and control; each a few lines.
import { failure } from '../base/errors.js'
import { compressBlock } from '../compression/lz4.js'
import type { CompressionPolicy } from '../compression/policy.js'
import { ByteWriter, REFERENCE_FROM_BYTES } from '../memory/byte-writer.js'
import { turnIntoBatch } from '../wire/batch.js'
import {
  abandonFrame,
  beginFrame,
  CALL_PREFIX_BYTES,
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
import { HeldBody } from './held-body.js'
import { HeldFrame } from './held-frame.js'
import { laneOfFlags } from './message-flags.js'
import type { OneWayTicket, Ticket } from './ticket.js'

/** What its messages cost is taken of a lane's credit. */
export interface Payer {
  charge(bytes: number): void
}

/** No open batch. */
const CLOSED = -1
/** In the key of a batch: its messages have ids. */
const ACKED = 1 << 24

/**
 * Messages become frames here: begun, encoded into `out`, ended or taken back; one-way messages join in batches. What
 * happens to a frame that is ready is for the write loop, which is this and the socket.
 */
export abstract class FrameWriter {
  readonly out: ByteWriter
  /** The largest frame `length` the peer accepts. */
  maxFrameBytes: number
  /** The largest payload the peer accepts, before compression. */
  maxMessageBytes = Number.POSITIVE_INFINITY
  /** A frame of more bytes travels in parts, if the peer takes parts; 0 if it does not. */
  wholeFrameBytes = 0
  protected readonly environment: Environment
  protected readonly policy: CompressionPolicy | null
  /** A batch is closed when it has this size. */
  protected batchBytes: number
  protected closed = false
  #compressing = false
  /** Where the payload of the open frame begins, counted from the frame's start. */
  #payloadOffset = 0
  #batchKey = CLOSED
  #batchCount = 0
  /** Who pays for the open batch, and what it has paid. */
  #payer: Payer | null = null
  #charged = 0
  /** The open batch is closed when its frame has come to this. */
  #room = 0
  /** The open batch has its form already: a second message was begun, and may have been taken back. */
  #isBatch = false
  #encoding = false
  #messageOffset = 0

  constructor(environment: Environment, policy: CompressionPolicy | null, batchBytes: number) {
    this.environment = environment
    this.policy = policy
    this.batchBytes = batchBytes
    this.out = new ByteWriter(environment.chunks)
    this.maxFrameBytes = environment.limits.maxHelloFrameBytes
  }

  /** A message is open: between its begin and its end nothing else can be sent. */
  get encoding(): boolean {
    return this.#encoding
  }

  protected get batchOpen(): boolean {
    return this.#batchKey !== CLOSED
  }

  /** The stream position behind the last closed frame. Once `handedBytes` has reached it, the peer may have the frame. */
  abstract get endPosition(): number
  /** Frames wait: one that is ready now has to as well. */
  protected abstract readonly holding: boolean
  /** A frame is in `out`. */
  protected abstract ended(): void
  /** A batch that may grow is in `out`. */
  protected abstract schedule(): void
  /** A frame that cannot leave now, or not whole. */
  protected abstract hold(frame: HeldFrame): void
  /** Who pays for the one-way messages of a lane: as each is encoded, not when their batch closes. */
  protected abstract payer(lane: number): Payer | null

  /** Both sides have agreed on compression. */
  startCompressing(): void {
    this.#compressing = this.policy !== null
  }

  /** Opens a frame that is neither held back nor judged by the limits of messages. */
  beginControl(kind: number, flags: number, aux: number, id: number): void {
    if (this.#batchKey !== CLOSED) this.closeBatch()
    beginFrame(this.out, kind, flags, aux, id)
  }

  /** Opens a frame with a payload. Encode into `out`, then `endMessage`; or `abandon`. */
  beginMessage(kind: number, flags: number, aux: number, id: number): void {
    if (this.#batchKey !== CLOSED) this.closeBatch()
    this.#encoding = true
    beginFrame(this.out, kind, flags, aux, id)
    this.#payloadOffset = HEADER_BYTES
  }

  /** The same for a CALL, whose deadline comes first. */
  beginCall(flags: number, method: number, id: number, timeoutMs: number): void {
    this.beginMessage(KIND.CALL, flags, method, id)
    this.#putTimeout(timeoutMs)
  }

  /** The same for a STREAM_OPEN. */
  beginOpen(flags: number, method: number, id: number, timeoutMs: number): void {
    this.beginMessage(KIND.STREAM_OPEN, flags, method, id)
    this.#putTimeout(timeoutMs)
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

  /**
   * Closes the open frame and returns the size of its body before compression. Throws `message-too-large`, and the
   * frame is gone as if never begun. The ticket is told where the frame ends in the stream of bytes.
   */
  endMessage(ticket: Ticket | null = null): number {
    const { out } = this
    this.#encoding = false
    const frameBytes = openFrameBytes(out)
    const payloadBytes = frameBytes - this.#payloadOffset
    if (payloadBytes > this.maxMessageBytes) throw this.#tooLarge('message', payloadBytes, this.maxMessageBytes)
    if (this.#compressing && payloadBytes > this.environment.compression.thresholdBytes) this.#compress(payloadBytes)
    const length = openFrameBytes(out) - LENGTH_BYTES
    if (length > this.maxFrameBytes && this.wholeFrameBytes === 0)
      throw this.#tooLarge('frame', length, this.maxFrameBytes)
    if (this.holding || (this.wholeFrameBytes > 0 && length > this.wholeFrameBytes)) {
      this.hold(new HeldFrame(out, ticket))
    } else {
      endFrame(out)
      if (ticket !== null) ticket.endPosition = this.endPosition
      this.ended()
    }
    return frameBytes - HEADER_BYTES
  }

  /**
   * Takes the body out of the open frame, which is gone as if never begun. Throws `message-too-large`, also where only
   * compression might have made it fit: when its turn comes there is nobody to tell any more.
   */
  takeBody(): HeldBody {
    const { out } = this
    this.#encoding = false
    const frameBytes = openFrameBytes(out)
    const payloadBytes = frameBytes - this.#payloadOffset
    if (payloadBytes > this.maxMessageBytes) throw this.#tooLarge('message', payloadBytes, this.maxMessageBytes)
    // What it comes to when compressed is not known yet: it must fit as it is.
    const length = frameBytes - LENGTH_BYTES
    if (length > this.maxFrameBytes && this.wholeFrameBytes === 0)
      throw this.#tooLarge('frame', length, this.maxFrameBytes)
    return HeldBody.of(out)
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
    if (this.closed) this.out.clear()
  }

  /**
   * Opens a one-way message; it joins the open batch where method, codec and lane are the same, without metadata. With a
   * ticket it has an id, and joins those that have.
   */
  beginOneWay(flags: number, method: number, ticket: OneWayTicket | null = null): void {
    const { out } = this
    const key = (ticket === null ? 0 : ACKED) | (flags << 16) | method
    if (key !== this.#batchKey || (flags & FLAG.METADATA) !== 0) {
      this.beginMessage(KIND.ONE_WAY, flags, method, ticket === null ? 0 : ticket.begin())
      this.#batchKey = key
      this.#batchCount = 0
      this.#payer = this.payer(laneOfFlags(flags))
      this.#charged = 0
      this.#isBatch = false
      // One more inline message must always fit the peer's limits.
      const most = Math.min(this.maxFrameBytes, this.maxMessageBytes)
      this.#room = Math.min(this.batchBytes, most - REFERENCE_FROM_BYTES - MESSAGE_PREFIX_BYTES)
    } else {
      this.#encoding = true
      ticket?.begin()
      if (!this.#isBatch) {
        turnIntoBatch(out, HEADER_BYTES)
        this.#isBatch = true
      }
      out.ensure(MESSAGE_PREFIX_BYTES)
      out.position += MESSAGE_PREFIX_BYTES
    }
    this.#messageOffset = out.position - out.recordStart
  }

  /** Opens a one-way message that is to wait: `takeBody` ends it. */
  beginHeldOneWay(flags: number, method: number): void {
    this.beginMessage(KIND.ONE_WAY, flags, method, 0)
  }

  /** Closes the open one-way message. Throws `message-too-large`, and the message is gone. */
  endOneWay(ticket: OneWayTicket | null = null): void {
    const { out } = this
    this.#encoding = false
    if (out.reference !== null) {
      this.#endLargeOneWay(out.reference, ticket)
      return
    }
    if (ticket !== null) {
      ticket.leave()
      // Where it ends is known when the batch is closed and compressed. With no byte of that handed over, none of it was.
      ticket.endPosition = this.endPosition - openFrameBytes(out) + 1
    }
    if (this.#batchCount > 0) {
      const start = out.recordStart + this.#messageOffset
      writeU32(out.bytes, start - MESSAGE_PREFIX_BYTES, out.position - start)
    }
    this.#batchCount += 1
    const size = openFrameBytes(out)
    this.#payer?.charge(size - this.#charged)
    this.#charged = size
    if (size >= this.#room || this.#batchCount >= this.environment.batch.maxMessages) this.closeBatch()
    // Whoever joins an open batch leaves with it.
    else if (this.#batchCount === 1 || this.closed) this.schedule()
  }

  /** No batch goes on. */
  protected closeFrames(): void {
    this.#batchKey = CLOSED
  }

  protected closeBatch(): void {
    const payer = this.#payer
    this.#batchKey = CLOSED
    this.#payer = null
    if (this.#batchCount === 0) {
      abandonFrame(this.out)
      return
    }
    this.#batchCount = 0
    const charged = this.#charged
    this.#charged = 0
    // More than was charged where the second message of a batch turned it into one, and was taken back.
    // What it costs is what it is long, before compression.
    const frameBytes = HEADER_BYTES + this.endMessage()
    payer?.charge(frameBytes - charged)
  }

  /** A large message does not join a batch: what is open before it is closed, and it travels alone, by reference. */
  #endLargeOneWay(reference: Uint8Array, ticket: OneWayTicket | null): void {
    const { out } = this
    const key = this.#batchKey
    if (this.#batchCount > 0 && !this.closed) {
      // What the codec wrote in front of the bytes that it left where they are.
      const head = Buffer.from(out.bytes.subarray(out.recordStart + this.#messageOffset, out.position))
      this.abandon()
      this.closeBatch()
      this.beginMessage(KIND.ONE_WAY, (key >>> 16) & 0xff, key & 0xffff, ticket === null ? 0 : ticket.begin())
      out.copy(head, 0, head.length)
      out.put(reference)
    }
    this.#batchKey = CLOSED
    const frameBytes = HEADER_BYTES + this.endMessage(ticket)
    this.payer(laneOfFlags((key >>> 16) & 0xff))?.charge(frameBytes)
    // One that is held takes its id when it leaves.
    if (ticket !== null && ticket.endPosition !== Number.POSITIVE_INFINITY) ticket.leave()
  }

  #putTimeout(timeoutMs: number): void {
    putU32(this.out, timeoutMs)
    this.#payloadOffset = HEADER_BYTES + CALL_PREFIX_BYTES
  }

  #lengthBytes(): number {
    return this.#batchCount > 0 ? MESSAGE_PREFIX_BYTES : 0
  }

  #compress(payloadBytes: number): void {
    const { out } = this
    if (this.policy === null || !this.policy.shouldTry(payloadBytes)) return
    const start = out.recordStart + this.#payloadOffset
    const inline = out.bytes.subarray(start, out.position)
    const source = out.reference === null ? inline : Buffer.concat([inline, out.reference])
    const compressed = compressBlock(source)
    if (!this.policy.tried(payloadBytes, compressed.length)) return
    out.truncate(start)
    out.put(compressed)
    markCompressed(out)
  }

  #tooLarge(what: string, length: number, limit: number): Error {
    abandonFrame(this.out)
    this.environment.counters.failed('message-too-large')
    return failure(
      'message-too-large',
      `a ${what} of ${length} bytes is over the limit of ${limit} that the peer accepts`,
      {
        details: { length, limit },
      },
    )
  }
}
