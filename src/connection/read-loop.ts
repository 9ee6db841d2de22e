// Hot path: runs for every chunk, frame and message received.
// Long: every kind of frame has a few lines here, and parsing and delivering share the state of pauses.
import { failure, type TransportError } from '../base/errors.js'
import { statusFromNumber } from '../base/status.js'
import { WheelTimer } from '../base/timer-wheel.js'
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
} from '../wire/frame.js'
import { FrameReader, type FrameSink } from '../wire/frame-reader.js'
import { COST_BYTES } from './credit.js'
import type { Environment } from './environment.js'
import { nextId } from './exchange.js'
import type { Flow } from './flow.js'
import { FrameWatch } from './frame-watch.js'
import type { InboundMessage, Receiver } from './inbound.js'
import { laneOfFlags } from './message-flags.js'
import { METADATA_PREFIX_BYTES, MessageReader } from './message-reader.js'
import { Parts, type PartsOwner } from './parts.js'
import type { Streams } from './streams.js'
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

/** What HELLO agreed on, as far as reading is concerned. */
export interface ReadAgreement {
  /** The peer may compress. */
  readonly inflates: boolean
  /** Holds the peer to its credit for one-way messages; null where it knows of none. */
  readonly flow: Flow | null
}

/** What the read loop asks of the connection. */
export interface ReadLoopOwner {
  /** Null where streams were not agreed. */
  readonly streams: Streams | null
  /** A frame that concerns the connection itself. Returns false when it ended the connection. */
  onControl(kind: number, flags: number, aux: number, id: number, bytes: Buffer, start: number, end: number): boolean
  /** The peer broke the protocol, or reached a limit. */
  onBroken(error: TransportError): void
}

/** Frames come in here: from chunks to messages, inflated, in order, a bounded number a turn. */
export class ReadLoop implements FrameSink, PartsOwner {
  readonly #reader: FrameReader
  readonly #watch: FrameWatch
  readonly #budget: TurnBudget
  readonly #channel: ByteChannel
  readonly #owner: ReadLoopOwner
  readonly #environment: Environment
  readonly #messages: MessageReader
  readonly #throttle: WheelTimer
  #receiver: Receiver | null = null
  #flow: Flow | null = null
  /** Made when the first part comes. */
  #parts: Parts | null = null
  #pauses = 0
  #closed = false
  #framesSeen = 0
  #framesCounted = 0
  /** The largest body of any message. */
  #maxBodyBytes = 0
  /** What of a chunk and of a batch was not delivered when reading paused. Owned copies. */
  #restOfChunk: Buffer | null = null
  #restOfBatch: Buffer | null = null
  /** When the oldest of that had come. */
  #restSince = 0

  constructor(channel: ByteChannel, owner: ReadLoopOwner, environment: Environment) {
    const { limits, clock } = environment
    this.#channel = channel
    this.#owner = owner
    this.#environment = environment
    this.#reader = new FrameReader(this, environment.carries, limits.maxHelloFrameBytes)
    this.#watch = new FrameWatch(environment, this.#reader, (error) => owner.onBroken(error))
    this.#budget = new TurnBudget(clock, limits.maxMessagesPerTurn, limits.maxTurnMs)
    this.#throttle = new WheelTimer(() => this.resume(PAUSE.INFLATE))
    this.#messages = new MessageReader(environment, (ms) => {
      this.pause(PAUSE.INFLATE)
      environment.wheel.arm(this.#throttle, ms)
    })
  }

  /** The handshake is over: messages go to the receiver, and frames may be as large as was announced. */
  start(receiver: Receiver, agreement: ReadAgreement): void {
    this.#receiver = receiver
    this.#messages.inflates = agreement.inflates
    this.#flow = agreement.flow
    const { maxFrameBytes, maxMessageBytes, metadataBytes } = this.#environment.limits
    // No frame of a message within its limit is longer, so that both limits are judged on the header.
    this.#maxBodyBytes = maxMessageBytes + metadataBytes + BODY_OVERHEAD_BYTES
    this.#reader.maxFrameBytes = Math.min(maxFrameBytes, LEAST_LENGTH + this.#maxBodyBytes)
  }

  /** Nobody reads just now. */
  get paused(): boolean {
    return this.#pauses !== 0
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
    this.#parts?.close()
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
      const messages = this.#messages
      let broken: TransportError | null
      if ((flags & FLAG.MORE) !== 0) return this.#onLastPart(kind, flags, aux, id, bytes, start, end)
      switch (kind) {
        case KIND.CALL:
          broken = messages.fillCall(flags, aux, id, bytes, start, end, owned)
          if (broken !== null) return this.#broken(broken)
          receiver.onCall(messages.message)
          return this.#mayGoOn()
        case KIND.ANSWER:
          broken = messages.fill(flags, aux, id, bytes, start, end, owned)
          if (broken !== null) return this.#broken(broken)
          receiver.onAnswer(messages.message)
          return this.#mayGoOn()
        case KIND.ONE_WAY:
          broken = messages.fill(flags, aux, id, bytes, start, end, owned)
          if (broken !== null) return this.#broken(broken)
          if (!this.#chargeOneWay()) return false
          receiver.onOneWay(messages.message)
          return this.#mayGoOn()
        case KIND.BATCH:
          broken = messages.fill(flags, aux, id, bytes, start, end, owned)
          if (broken !== null) return this.#broken(broken)
          if (!this.#chargeOneWay()) return false
          return this.#onBatch(receiver, messages.message)
        case KIND.STREAM_DATA:
          if (this.#owner.streams === null) return this.#broken(notAgreed())
          broken = messages.fill(flags, aux, id, bytes, start, end, owned) ?? this.#onStreamData(this.#owner.streams)
          return broken === null ? this.#mayGoOn() : this.#broken(broken)
        case KIND.STREAM_OPEN:
          if (this.#owner.streams === null) return this.#broken(notAgreed())
          broken = messages.fillCall(flags, aux, id, bytes, start, end, owned) ?? this.#owner.streams.admit(id)
          if (broken !== null) return this.#broken(broken)
          receiver.onStreamOpen(messages.message)
          return this.#mayGoOn()
        case KIND.PART:
          if ((flags & FLAG.COMPRESSED) !== 0) break
          return this.#onPart(flags, bytes, start, end)
        case KIND.ERROR:
          if ((flags & FLAG.COMPRESSED) !== 0) break
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

  /** Of the parts: one that does not come. */
  onBroken(error: TransportError): void {
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
    const since = this.#restSince
    const { message } = this.#messages
    this.#restOfChunk = null
    message.waitedMs = this.#environment.clock.now() - since
    this.#parse(chunk, 0, chunk.length)
    message.waitedMs = 0
    this.#restSince = since
  }

  /** Keeps what comes while reading is paused: the rest of one chunk, and what the system had read already. */
  #keepRest(bytes: Buffer, from: number, to: number): void {
    if (this.#closed) return
    const rest = bytes.subarray(from, to)
    if (this.#restOfChunk === null) this.#restSince = this.#budget.beganAt
    this.#restOfChunk = this.#restOfChunk === null ? Buffer.from(rest) : Buffer.concat([this.#restOfChunk, rest])
    this.#environment.counters.bytesCopiedIn += rest.length
  }

  #endTurn(): void {
    this.#environment.counters.framesReceived += this.#framesSeen - this.#framesCounted
    this.#framesCounted = this.#framesSeen
    if (this.#closed) return
    this.#receiver?.onTurnEnd()
    this.#flow?.onTurnEnd(this.#messages.urgent, this.#budget.beganAt)
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

  #onBatch(receiver: Receiver, { bytes, start, end, owned, metadataEnd }: InboundMessage): boolean {
    // It would be read again for each message, and is in the cost of none.
    if (metadataEnd !== 0) return this.#broken(failure('frame-malformed', 'a batch with metadata'))
    // Its messages are what a turn is measured by: without any it would cost nothing.
    if (start === end) return this.#broken(failure('frame-malformed', 'a batch without a message'))
    return this.#deliverBatch(receiver, bytes, start, end, owned)
  }

  /** `owned`: the bytes may be kept as they are while others get their turn. */
  #deliverBatch(receiver: Receiver, bytes: Buffer, from: number, to: number, owned: boolean): boolean {
    const { message } = this.#messages
    // A view of one message would keep the whole batch alive.
    message.owned = false
    let at = from
    let { id } = message
    while (at < to) {
      const end = messageEnd(bytes, at, to)
      if (end < 0) return this.#broken(failure('frame-malformed', 'a message of a batch does not end within the batch'))
      message.bytes = bytes
      message.start = at + MESSAGE_PREFIX_BYTES
      message.end = end
      message.cost = MESSAGE_PREFIX_BYTES + end - message.start + (at === from ? COST_BYTES : 0)
      message.id = id
      receiver.onOneWay(message)
      at = end
      if (id !== 0) id = nextId(id)
      if (!this.#mayGoOn()) {
        if (at < to && !this.#closed) {
          const rest = bytes.subarray(at, to)
          this.#restOfBatch = owned ? rest : Buffer.from(rest)
          // Nothing else fills it before the rest is delivered.
          message.id = id
        }
        return false
      }
    }
    return true
  }

  #onStreamData(streams: Streams): TransportError | null {
    this.#messages.charge()
    return streams.onData(this.#messages.message)
  }

  /** A part of a message: kept until the last of them says what the message is. */
  #onPart(flags: number, bytes: Buffer, start: number, end: number): boolean {
    this.#parts ??= new Parts(this.#environment, this, this.#maxBodyBytes)
    const error = this.#parts.add(laneOfFlags(flags), bytes, start, end)
    return error === null ? this.#mayGoOn() : this.#broken(error)
  }

  #onLastPart(
    kind: number,
    flags: number,
    aux: number,
    id: number,
    bytes: Buffer,
    start: number,
    end: number,
  ): boolean {
    // What the bits of an optional kind mean is for those to say who know it.
    if (kind >= OPTIONAL_KINDS_FROM) return this.#mayGoOn()
    const body = MAY_COME_IN_PARTS.has(kind)
      ? (this.#parts?.join(laneOfFlags(flags), bytes, start, end) ??
        failure('part-invalid', 'a last part without a first'))
      : failure('frame-malformed', `a frame of kind ${kind} in parts`)
    if (!Buffer.isBuffer(body)) return this.#broken(body)
    return this.onFrame(kind, flags & ~FLAG.MORE, aux, id, body, 0, body.length, true)
  }

  /** Holds the peer to its credit. */
  #chargeOneWay(): boolean {
    if (this.#flow === null) return true
    const { lane } = this.#messages.message
    if (this.#flow.receive(lane, this.#messages.charge())) return true
    return this.#broken(failure('credit-exceeded', `a one-way message beyond the credit of lane ${lane}`))
  }

  #onError(receiver: Receiver, aux: number, id: number, bytes: Buffer, start: number, end: number): boolean {
    const fault = decodeFault(bytes, start, end)
    if (fault === null) return this.#broken(failure('frame-malformed', 'an ERROR frame that cannot be read'))
    receiver.onError(id, statusFromNumber(aux), fault)
    return this.#mayGoOn()
  }

  #broken(error: TransportError): false {
    this.#owner.onBroken(error)
    return false
  }
}

/** Of a body: deadline and metadata length. */
const BODY_OVERHEAD_BYTES = CALL_PREFIX_BYTES + METADATA_PREFIX_BYTES
const MAY_COME_IN_PARTS: ReadonlySet<number> = new Set([
  KIND.CALL,
  KIND.ANSWER,
  KIND.ONE_WAY,
  KIND.BATCH,
  KIND.STREAM_OPEN,
  KIND.STREAM_DATA,
])

function notAgreed(): TransportError {
  return failure('frame-unexpected', 'a frame of a stream where streams were not agreed')
}
