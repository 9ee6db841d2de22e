// Hot path: runs for every message sent. No allocation per message; one segment and one write per flush.
// Long: what leaves, what waits and what is forgotten at the end share one socket that is full or not.
import { WheelTimer } from '../base/timer-wheel.js'
import type { CompressionPolicy } from '../compression/policy.js'
import { LANE_COUNT } from '../mailbox/lane.js'
import type { Segment } from '../memory/byte-writer.js'
import { Ring } from '../memory/ring.js'
import type { ByteChannel } from '../socket/channel.js'
import { endFrame, KIND, putU32 } from '../wire/frame.js'
import { SendCredit } from './credit.js'
import type { Environment } from './environment.js'
import { FrameWriter } from './frame-writer.js'
import type { HeldFrame } from './held-frame.js'
import { OneWayLane } from './one-way-lane.js'
import { Outbox } from './outbox.js'
import type { Sender, Writes } from './sender.js'
import type { OneWayTicket } from './ticket.js'
import { WriteWatch } from './write-watch.js'

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
 * when the turn ends. While the socket is full, whoever has something to send waits in the outbox, by lane; frames of
 * the connection itself gather in front of them.
 */
export class WriteLoop extends FrameWriter implements Writes {
  /**
   * A write within the turn as soon as this many messages are ready. Whoever knows how many calls are under way sets
   * it to a part of them: written all at once, both sides would take turns waiting for each other.
   */
  flushMessages = Number.POSITIVE_INFINITY
  /** Bytes given to the socket since the beginning. */
  handedBytes = 0
  /** Frames written or held since the beginning. */
  frames = 0
  /** Of those: heartbeats, credit, acknowledgements, ends. Nothing begins with one. */
  controls = 0
  protected holding = false
  readonly #channel: ByteChannel
  readonly #owner: WriteLoopOwner
  readonly #open = new Ring<Segment>()
  readonly #endOfTurn: (now: number) => void
  readonly #delay: WheelTimer | null
  readonly #watch: WriteWatch
  readonly #outbox = new Outbox()
  /** One-way messages by lane, made when a lane is first used. */
  #oneWays: (OneWayLane | undefined)[] | null = null
  /** What the peer grants each lane at first; 0 where it grants nothing and asks for nothing. */
  #laneCredit = 0
  #scheduled = false
  #pumping = false
  #blockedSince = 0
  #blockedBytes = 0
  #controlFrames = 0
  #messages = 0
  #onOneWaysSent: (() => void) | null = null

  constructor(channel: ByteChannel, owner: WriteLoopOwner, environment: Environment, policy: CompressionPolicy | null) {
    super(environment, policy, Math.min(LEAST_FLUSH_BYTES, environment.batch.maxBytes))
    this.#channel = channel
    this.#owner = owner
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
    let bytes = this.out.pendingBytes + this.#channel.unsentBytes + this.#outbox.bytes
    if (this.#oneWays !== null) for (const lane of this.#oneWays) bytes += lane?.mailbox.bytes ?? 0
    return bytes
  }

  get endPosition(): number {
    return this.handedBytes + this.out.pendingBytes
  }

  /** The socket is full: what is sent now waits by lane. */
  get blocked(): boolean {
    return this.holding
  }

  /** What has an order has to wait: something is ahead of it, if only for the moment. */
  get mustWait(): boolean {
    return this.holding || !this.#outbox.empty
  }

  /** Nothing waits to be sent that anybody still wants sent. */
  get idle(): boolean {
    return !this.holding && this.#outbox.empty && (this.#oneWays?.every((lane) => lane?.isEmpty() ?? true) ?? true)
  }

  /** No one-way message waits. */
  get #oneWaysSent(): boolean {
    return this.#oneWays?.every((lane) => (lane?.mailbox.length ?? 0) === 0) ?? true
  }

  /** Calls back when no one-way message waits, for the socket or for credit. A second call takes the place of the first. */
  whenOneWaysSent(callback: () => void): void {
    if (this.#oneWaysSent) callback()
    else this.#onOneWaysSent = callback
  }

  /** The peer holds one-way messages back by credit, and begins with this much a lane. */
  startCredit(bytes: number): void {
    this.#laneCredit = bytes
  }

  /** The one-way messages of a lane. */
  oneWay(lane: number): OneWayLane {
    return this.#oneWays?.[lane] ?? this.#makeOneWay(lane)
  }

  /** Queues the one-way message that was just encoded with `beginMessage`, instead of ending it. */
  holdOneWay(flags: number, method: number, lane: OneWayLane, ticket: OneWayTicket | null = null): void {
    const body = this.takeBody()
    lane.put({ flags, method, body, bytes: body.bytes, ticket }, this)
  }

  /** Somebody waits for the socket, or sends at once while it has room. */
  enqueue(sender: Sender): void {
    this.#outbox.add(sender)
    this.#pump()
  }

  /** Of a held frame that wrote itself. */
  heldFrameEnded(): void {
    this.ended()
  }

  /** A whole frame without payload rules: control frames. Says nothing on a closed connection. */
  control(kind: number, flags: number, aux: number, id: number, body?: Uint8Array): void {
    if (this.closed) return
    if (this.encoding) {
      // Of a getter or toJSON that cancels or closes something: the open frame comes first.
      this.environment.turns.whenEnds(() => this.control(kind, flags, aux, id, body))
      return
    }
    this.beginControl(kind, flags, aux, id)
    if (body !== undefined) this.out.copy(body, 0, body.length)
    endFrame(this.out)
    this.ended()
    this.#delayNoLonger()
    this.controls += 1
    this.#controlFrames += 1
    if (this.holding && this.#controlFrames > this.environment.limits.maxQueuedControlFrames)
      this.#owner.onControlFlood()
  }

  /** Lets the peer send more. Not counted as a control frame: there are never more than two for each window. */
  credit(lane: number, id: number, bytes: number): void {
    if (this.closed) return
    if (this.encoding) {
      this.environment.turns.whenEnds(() => this.credit(lane, id, bytes))
      return
    }
    this.beginControl(KIND.CREDIT, 0, lane, id)
    putU32(this.out, bytes)
    endFrame(this.out)
    this.ended()
    this.controls += 1
    this.#delayNoLonger()
  }

  /** Gives what is ready to the socket, unless it is full. */
  flush(): void {
    // Of a getter or toJSON that ends the connection: half a frame is nothing to send.
    if (this.encoding) return
    if (this.batchOpen) this.closeBatch()
    if (this.closed) this.out.clear()
    if (this.holding) return
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
    const { counters } = this.environment
    counters.writes += 1
    counters.bytesSent += handed
    if (this.#channel.unsentBytes > 0) this.#block()
    else this.policy?.handedOver(handed, this.environment.clock.now())
  }

  /** The oldest open write is done with. A failed one makes no room: what waits was never handed over. */
  onWritten(failed: boolean): void {
    const segment = this.#open.shift()
    if (segment !== undefined) this.out.written(segment)
    if (this.closed || failed) return
    if (this.holding) this.#watch.start()
    if (this.holding && this.#open.length === 0) this.#unblock()
    if (this.#open.length > 0 || this.out.pendingBytes > 0 || !this.#outbox.empty) return
    this.out.rest()
    this.#owner.onDrained()
  }

  /** Nothing more is sent. Open writes still come back through `onWritten`. */
  close(): void {
    this.closed = true
    this.closeFrames()
    this.#watch.stop()
    if (this.#delay !== null) this.environment.wheel.disarm(this.#delay)
    this.environment.counters.bytesCopiedOut += this.out.copiedBytes
    this.out.copiedBytes = 0
    this.#outbox.clear()
    if (this.#oneWays !== null) for (const lane of this.#oneWays) lane?.close()
    // Who encodes just now writes to the open frame: it is cleared away at its end.
    if (!this.encoding) this.out.clear()
  }

  protected ended(): void {
    const { counters, batch } = this.environment
    counters.framesSent += 1
    this.frames += 1
    this.#messages += 1
    const { pendingBytes } = this.out
    if (pendingBytes >= this.batchBytes || this.#messages >= this.flushMessages || this.#messages >= batch.maxMessages)
      this.flush()
    else this.schedule()
  }

  protected schedule(): void {
    if (this.closed) this.out.clear()
    if (this.#scheduled || this.closed) return
    this.#scheduled = true
    if (this.#delay !== null) this.environment.wheel.arm(this.#delay, this.environment.batch.maxDelayMs)
    else this.environment.turns.whenEnds(this.#endOfTurn)
  }

  /** A delay is for messages: the peer waits for what the connection itself says. */
  #delayNoLonger(): void {
    if (this.#delay === null || !this.#delay.armed) return
    this.environment.wheel.disarm(this.#delay)
    this.environment.turns.whenEnds(this.#endOfTurn)
  }

  protected hold(frame: HeldFrame): void {
    if (this.closed) return
    this.frames += 1
    this.enqueue(frame)
  }

  protected payer(lane: number): OneWayLane | null {
    return this.#oneWays?.[lane] ?? null
  }

  #makeOneWay(lane: number): OneWayLane {
    const { mailbox, counters } = this.environment
    const credit = this.#laneCredit > 0 ? new SendCredit(this.#laneCredit) : null
    const made = new OneWayLane(lane, mailbox, credit, counters)
    this.#oneWays ??= new Array<OneWayLane | undefined>(LANE_COUNT).fill(undefined)
    this.#oneWays[lane] = made
    return made
  }

  /** Gives turns to who waits, as long as the socket takes it. */
  #pump(): void {
    if (this.encoding) {
      // Of a getter or toJSON that sends something: the open frame comes first.
      this.environment.turns.whenEnds(() => this.#pump())
      return
    }
    if (this.holding || this.closed || this.#pumping) return
    this.#pumping = true
    try {
      while (!this.holding && !this.closed && this.#outbox.turn(this));
    } finally {
      this.#pumping = false
    }
    if (this.#onOneWaysSent !== null && this.#oneWaysSent) this.#tellOneWaysSent(this.#onOneWaysSent)
  }

  #tellOneWaysSent(callback: () => void): void {
    this.#onOneWaysSent = null
    callback()
  }

  #adapt(bytes: number): void {
    if (this.#messages === 0) return
    const ideal = (bytes / this.#messages) * MESSAGES_PER_FLUSH
    const most = this.environment.batch.maxBytes
    this.batchBytes = Math.min(most, Math.max(Math.min(most, LEAST_FLUSH_BYTES), ideal))
  }

  #block(): void {
    this.holding = true
    this.#blockedSince = this.environment.clock.now()
    this.#blockedBytes = this.#channel.unsentBytes
    this.policy?.stalled(this.#blockedSince)
    this.#watch.start()
  }

  #unblock(): void {
    this.holding = false
    this.#watch.stop()
    this.policy?.drained(this.#blockedBytes, this.environment.clock.now() - this.#blockedSince)
    this.flush()
    this.#pump()
    this.flush()
  }
}
