// Hot path: runs for every chunk, frame and message received.
// Long: parsing, inflating and delivering share one message object that is filled in place.
import { failure, type TransportError } from '../base/errors.js'
import { statusFromNumber } from '../base/status.js'
import { WheelTimer } from '../base/timer-wheel.js'
import { TokenBucket } from '../base/token-bucket.js'
import { inflateBlock } from '../compression/lz4.js'
import type { ByteChannel } from '../socket/channel.js'
import { messageEnd } from '../wire/batch.js'
import { decodeFault } from '../wire/fault.js'
import {
  CALL_PREFIX_BYTES,
  FLAG,
  KIND,
  LEAST_LENGTH,
  MESSAGE_PREFIX_BYTES,
  OPTIONAL_KINDS_FROM,
  readU16,
  readU32,
} from '../wire/frame.js'
import { FrameReader, type FrameSink } from '../wire/frame-reader.js'
import type { Environment } from './environment.js'
import { FrameWatch } from './frame-watch.js'
import { InboundMessage, type Receiver } from './inbound.js'
import { TurnBudget } from './turn-budget.js'

/** Why reading is paused. Reading goes on when no reason is left. */
export const PAUSE = {
  /** Others get their turn. */
  TURN: 1,
  /** The peer made us inflate more than its share. */
  INFLATE: 2,
  /** The peer does not read what we send. */
  UNREAD: 4,
  /** Handlers of one-way messages are busy. */
  HANDLERS: 8,
} as const

/** What the read loop asks of the connection. */
export interface ReadLoopOwner {
  /** A frame that concerns the connection itself. Returns false when it ended the connection. */
  onControl(kind: number, flags: number, aux: number, id: number, bytes: Buffer, start: number, end: number): boolean
  /** The peer broke the protocol, or reached a limit. */
  onBroken(error: TransportError): void
}

/** Frames come in here: from chunks to messages, inflated, in order, a bounded number a turn. */
export class ReadLoop implements FrameSink {
  readonly #reader: FrameReader
  readonly #watch: FrameWatch
  readonly #budget: TurnBudget
  readonly #channel: ByteChannel
  readonly #owner: ReadLoopOwner
  readonly #environment: Environment
  readonly #message = new InboundMessage()
  readonly #throttle: WheelTimer
  readonly #inflating: TokenBucket
  #receiver: Receiver | null = null
  #inflates = false
  #pauses = 0
  #closed = false
  #framesSeen = 0
  /** What of a chunk and of a batch was not delivered when reading paused. Owned copies. */
  #restOfChunk: Buffer | null = null
  #restOfBatch: Buffer | null = null

  constructor(channel: ByteChannel, owner: ReadLoopOwner, environment: Environment) {
    const { limits, clock } = environment
    this.#channel = channel
    this.#owner = owner
    this.#environment = environment
    this.#reader = new FrameReader(this, environment.carries, limits.maxHelloFrameBytes)
    this.#watch = new FrameWatch(environment, this.#reader, (error) => owner.onBroken(error))
    this.#budget = new TurnBudget(clock, limits.maxMessagesPerTurn, limits.maxTurnMs)
    this.#throttle = new WheelTimer(() => this.resume(PAUSE.INFLATE))
    this.#inflating = new TokenBucket(limits.inflatedBytesPerSecond, limits.inflatedBytesPerSecond, clock.now())
  }

  /** The handshake is over: messages go to the receiver, and frames may be as large as was announced. */
  start(receiver: Receiver, inflates: boolean): void {
    this.#receiver = receiver
    this.#inflates = inflates
    const { maxFrameBytes, maxMessageBytes, metadataBytes } = this.#environment.limits
    // No frame of a message within its limit is longer, so that both limits are judged on the header.
    this.#reader.maxFrameBytes = Math.min(maxFrameBytes, maxMessageBytes + metadataBytes + MESSAGE_OVERHEAD_BYTES)
  }

  /** Where the socket best puts the next bytes. */
  destination(): Buffer | null {
    return this.#reader.destination()
  }

  /** Parses `bytes[from, to)`, borrowed. */
  read(bytes: Buffer, from: number, to: number): void {
    if (this.#closed) return
    this.#budget.begin()
    if (this.#pauses === 0) this.#parse(bytes, from, to)
    else this.#keepRest(bytes, from, to)
    this.#endTurn()
  }

  pause(reason: number): void {
    if (this.#pauses === 0 && !this.#closed) {
      this.#channel.pause()
      // Who is not read cannot complete a frame.
      this.#watch.stop()
      this.#environment.counters.readPauses += 1
    }
    this.#pauses |= reason
  }

  resume(reason: number): void {
    if ((this.#pauses & reason) === 0) return
    this.#pauses &= ~reason
    if (this.#pauses !== 0 || this.#closed) return
    this.#budget.begin()
    this.#deliverRest()
    this.#endTurn()
    // Delivering may have paused or closed.
    if (this.#pauses !== 0 || this.#closed) return
    this.#watch.onChunkEnd(this.#framesSeen)
    this.#channel.resume()
  }

  close(): void {
    this.#closed = true
    this.#environment.counters.bytesCopiedIn += this.#reader.copiedBytes
    this.#reader.close()
    this.#restOfChunk = null
    this.#restOfBatch = null
    this.#watch.stop()
    this.#environment.wheel.disarm(this.#throttle)
  }

  onFrame(
    kind: number,
    flags: number,
    aux: number,
    id: number,
    bytes: Buffer,
    start: number,
    end: number,
    owned: boolean,
  ): boolean {
    this.#framesSeen += 1
    const receiver = this.#receiver
    if (receiver !== null) {
      switch (kind) {
        case KIND.CALL:
          if (!this.#fillCall(flags, aux, id, bytes, start, end, owned)) return false
          receiver.onCall(this.#message)
          return this.#mayGoOn()
        case KIND.ANSWER:
          if (!this.#fill(flags, aux, id, bytes, start, end, owned)) return false
          receiver.onAnswer(this.#message)
          return this.#mayGoOn()
        case KIND.ONE_WAY:
          if (id !== 0) return this.#ackNotAgreed()
          if (!this.#fill(flags, aux, id, bytes, start, end, owned)) return false
          receiver.onOneWay(this.#message)
          return this.#mayGoOn()
        case KIND.BATCH:
          if (id !== 0) return this.#ackNotAgreed()
          if (!this.#fill(flags, aux, id, bytes, start, end, owned)) return false
          return this.#onBatch(receiver, this.#message)
        case KIND.ERROR:
          return this.#onError(receiver, aux, id, bytes, start, end)
      }
    }
    // What the bits of an optional kind mean is for those to say who know it.
    if ((flags & FLAG.COMPRESSED) !== 0 && kind < OPTIONAL_KINDS_FROM) {
      return this.#broken(failure('compression-forbidden', `a frame of kind ${kind} is compressed`))
    }
    return this.#owner.onControl(kind, flags, aux, id, bytes, start, end) && this.#mayGoOn()
  }

  onBadFrame(error: TransportError): void {
    this.#owner.onBroken(error)
  }

  #parse(bytes: Buffer, from: number, to: number): void {
    const at = this.#reader.read(bytes, from, to)
    if (this.#closed) return
    if (at < to) this.#keepRest(bytes, at, to)
    this.#watch.onChunkEnd(this.#framesSeen)
  }

  #deliverRest(): void {
    const batch = this.#restOfBatch
    if (batch !== null && this.#receiver !== null) {
      this.#restOfBatch = null
      if (!this.#deliverBatch(this.#receiver, batch, 0, batch.length, true)) return
    }
    const chunk = this.#restOfChunk
    if (chunk === null) return
    this.#restOfChunk = null
    this.#parse(chunk, 0, chunk.length)
  }

  /** Keeps what comes while reading is paused: the rest of one chunk, and what the system had read already. */
  #keepRest(bytes: Buffer, from: number, to: number): void {
    if (this.#closed) return
    const rest = bytes.subarray(from, to)
    this.#restOfChunk = this.#restOfChunk === null ? Buffer.from(rest) : Buffer.concat([this.#restOfChunk, rest])
    this.#environment.counters.bytesCopiedIn += rest.length
  }

  #endTurn(): void {
    if (this.#closed) return
    this.#receiver?.onTurnEnd()
  }

  /** One message was delivered. Returns false when reading is to stop here for now. */
  #mayGoOn(): boolean {
    if (!this.#budget.spend() && (this.#pauses & PAUSE.TURN) === 0) {
      this.pause(PAUSE.TURN)
      this.#environment.counters.turnsYielded += 1
      this.#environment.clock.nextTurn(() => this.resume(PAUSE.TURN))
    }
    return this.#pauses === 0 && !this.#closed
  }

  #onBatch(receiver: Receiver, { bytes, start, end, owned }: InboundMessage): boolean {
    // Its messages are what a turn is measured by: without any it would cost nothing.
    if (start === end) return this.#broken(failure('frame-malformed', 'a batch without a message'))
    return this.#deliverBatch(receiver, bytes, start, end, owned)
  }

  /** `owned`: the bytes may be kept as they are while others get their turn. */
  #deliverBatch(receiver: Receiver, bytes: Buffer, from: number, to: number, owned: boolean): boolean {
    const message = this.#message
    // A view of one message would keep the whole batch alive.
    message.owned = false
    let at = from
    while (at < to) {
      const end = messageEnd(bytes, at, to)
      if (end < 0) return this.#broken(failure('frame-malformed', 'a message of a batch does not end within the batch'))
      message.bytes = bytes
      message.start = at + MESSAGE_PREFIX_BYTES
      message.end = end
      receiver.onOneWay(message)
      at = end
      if (!this.#mayGoOn()) {
        if (at < to && !this.#closed) {
          const rest = bytes.subarray(at, to)
          this.#restOfBatch = owned ? rest : Buffer.from(rest)
        }
        return false
      }
    }
    return true
  }

  #onError(receiver: Receiver, aux: number, id: number, bytes: Buffer, start: number, end: number): boolean {
    const fault = decodeFault(bytes, start, end)
    if (fault === null) return this.#broken(failure('frame-malformed', 'an ERROR frame that cannot be read'))
    receiver.onError(id, statusFromNumber(aux), fault)
    return this.#mayGoOn()
  }

  #fillCall(
    flags: number,
    aux: number,
    id: number,
    bytes: Buffer,
    start: number,
    end: number,
    owned: boolean,
  ): boolean {
    if (end - start < CALL_PREFIX_BYTES) return this.#broken(failure('frame-malformed', 'a CALL without its deadline'))
    this.#message.timeoutMs = readU32(bytes, start)
    return this.#fill(flags, aux, id, bytes, start + CALL_PREFIX_BYTES, end, owned)
  }

  /** Describes the message in `#message`, inflated. Returns false when it broke the protocol. */
  #fill(flags: number, aux: number, id: number, bytes: Buffer, start: number, end: number, owned: boolean): boolean {
    const message = this.#message
    message.id = id
    message.method = aux
    message.codec = flags & FLAG.CODEC_MASK
    message.lane = (flags & FLAG.LANE_MASK) >> FLAG.LANE_SHIFT
    message.bytes = bytes
    message.start = start
    message.end = end
    message.owned = owned
    message.metadataStart = 0
    message.metadataEnd = 0
    // One test for everything that is rare.
    if ((flags & (FLAG.METADATA | FLAG.COMPRESSED | FLAG.MORE)) === 0) return true
    return this.#fillRare(flags)
  }

  #fillRare(flags: number): boolean {
    const message = this.#message
    if ((flags & FLAG.MORE) !== 0)
      return this.#broken(failure('frame-malformed', 'a message in parts, which was not agreed'))
    if ((flags & FLAG.METADATA) !== 0) {
      const at = message.start + METADATA_PREFIX_BYTES
      const metadataEnd = at > message.end ? Number.POSITIVE_INFINITY : at + readU16(message.bytes, message.start)
      if (metadataEnd > message.end)
        return this.#broken(failure('frame-malformed', 'metadata that ends after its frame'))
      message.metadataBytes = message.bytes
      message.metadataStart = at
      message.metadataEnd = metadataEnd
      message.start = metadataEnd
    }
    return (flags & FLAG.COMPRESSED) === 0 || this.#inflate()
  }

  #inflate(): boolean {
    const message = this.#message
    if (!this.#inflates)
      return this.#broken(failure('compression-not-agreed', 'a compressed body where compression was not agreed'))
    const { counters, clock, wheel, limits } = this.#environment
    try {
      message.bytes = inflateBlock(message.bytes, message.start, message.end, limits)
    } catch (error) {
      return this.#broken(error as TransportError)
    }
    message.start = 0
    message.end = message.bytes.length
    message.owned = true
    counters.inflatedBodies += 1
    counters.inflatedBytes += message.end
    const debtMs = this.#inflating.borrow(message.end, clock.now())
    if (debtMs > 0) {
      counters.readsThrottled += 1
      this.pause(PAUSE.INFLATE)
      wheel.arm(this.#throttle, debtMs)
    }
    return true
  }

  #ackNotAgreed(): false {
    return this.#broken(failure('frame-malformed', 'a message id, which asks for an ACK that was not agreed'))
  }

  #broken(error: TransportError): false {
    this.#owner.onBroken(error)
    return false
  }
}

const METADATA_PREFIX_BYTES = 2
/** Of a frame's length: header, deadline and metadata length. */
const MESSAGE_OVERHEAD_BYTES = LEAST_LENGTH + CALL_PREFIX_BYTES + METADATA_PREFIX_BYTES
