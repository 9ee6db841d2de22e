// Hot path: `write`, `send`, `onData` and `consume` run for every message of a stream.
// Long: both halves of a stream and both of its ends, opener and server, are one state with one queue.
import { failure, processed, type TransportError } from '../base/errors.js'
import type { ByteBudget } from '../memory/byte-budget.js'
import { encodeFault } from '../wire/fault.js'
import { endFrame, KIND, LEAST_LENGTH } from '../wire/frame.js'
import type { Cancels } from './cancels.js'
import { faultOf } from './control-frames.js'
import { COST_BYTES, ReceiveCredit, SendCredit } from './credit.js'
import type { Encoder } from './encoder.js'
import type { Environment } from './environment.js'
import type { Flow } from './flow.js'
import { HeldBody } from './held-body.js'
import type { InboundMessage } from './inbound.js'
import { LargeMessage } from './large-message.js'
import { Pace } from './pace.js'
import { reentrant } from './reentrant.js'
import { SENDER, type Sender, type SenderTurn } from './sender.js'
import { type HeldItem, StreamQueue } from './stream-queue.js'
import { nextStreamState, type StreamEvent, type StreamState } from './stream-state.js'
import type { Ticket } from './ticket.js'
import type { WriteLoop } from './write-loop.js'

/** Who hears what comes on a stream. Called from the read path: must not throw. */
export interface StreamSink {
  /** Of the server: its handler waits for the opener's next message. */
  readonly hungry: boolean
  /** A message, borrowed; its cost comes back through `consume` when it has been read. */
  onData(message: InboundMessage): void
  /** Of the server: the opener has ended its half. */
  onEnd(): void
  /**
   * Of the opener: the server has settled, with an error or with a metadata block (empty for none). Of the server: the
   * opener has given the stream up. Of both: the connection is lost.
   */
  onOver(error: TransportError | null, metadata: Buffer): void
  /** There is room again for who was told that there is none. `refusal`: why what was written last is not sent after all. */
  onRoom(refusal: Error | null): void
}

/** What a stream has in common with the others of its connection. */
export interface StreamPlace {
  readonly environment: Environment
  readonly writes: WriteLoop
  readonly cancels: Cancels
  readonly flow: Flow
  /** For messages that are decoded before anybody asks for them. */
  readonly decodedAhead: ByteBudget
  /** What the peer lets us send at first. */
  readonly peerWindowBytes: number
  /** Of all streams together: what waits to be sent. */
  heldBytes: number
  /** The last large message of each lane. */
  readonly large: (LargeMessage | null)[]
  /** The stream's OPEN leaves now, under the id that is returned. */
  onLeave(stream: Stream): number
  /** Nothing of the stream is left to send. */
  onGone(stream: Stream): void
}

const NOTHING = Buffer.alloc(0)

/** One stream, seen from one of its ends: its state, its credit both ways, and what of it waits to be sent. */
export class Stream implements Sender, Ticket {
  id: number
  readonly lane: number
  /** We opened it; else we serve it. */
  readonly ours: boolean
  readonly bytes = 0
  /** Of our OPEN. */
  endPosition = Number.POSITIVE_INFINITY
  /** When its opener waits no more, on the clock; Infinity for never. */
  expiresAt = Number.POSITIVE_INFINITY
  /** Something came, or went, since it was last looked at. */
  moved = true
  sink: StreamSink
  readonly #place: StreamPlace
  readonly #credit: SendCredit
  readonly #receive: ReceiveCredit
  readonly #queue: StreamQueue
  #state: StreamState
  #queued = false
  #wantsRoom = false

  /** `ended`: the opener has nothing to send but its request. */
  constructor(place: StreamPlace, id: number, lane: number, ours: boolean, ended: boolean, sink: StreamSink) {
    const { streamWindowBytes, maxWindowBytes } = place.environment.flow
    this.#place = place
    this.#queue = new StreamQueue(place)
    this.id = id
    this.lane = lane
    this.ours = ours
    this.sink = sink
    this.#state = ended ? 'half-ended' : 'open'
    this.#credit = new SendCredit(place.peerWindowBytes)
    this.#receive = new ReceiveCredit(streamWindowBytes, maxWindowBytes, place.flow.budget)
  }

  get state(): StreamState {
    return this.#state
  }

  /** It waits for the socket on our side: the peer knows nothing of it. */
  get unsent(): boolean {
    return this.ours && this.endPosition === Number.POSITIVE_INFINITY
  }

  get withdrawn(): boolean {
    return this.#state === 'reset' || this.#state === 'closed'
  }

  get unheard(): boolean {
    return this.#state === 'reset' || (this.ours && this.#state === 'closed')
  }

  get leftMs(): number {
    if (this.expiresAt === Number.POSITIVE_INFINITY) return 0
    return Math.max(1, Math.ceil(this.expiresAt - this.#place.environment.clock.now()))
  }

  /** The peer is what it waits for: to send or end its half, or to grant credit. */
  get waitsForPeer(): boolean {
    if (!this.ours && this.#state === 'open' && this.sink.hungry) return true
    return this.#state !== 'reset' && (this.#queue.length > 0 || this.#wantsRoom) && !this.#credit.open
  }

  /** Shared with the other streams of the connection. */
  get decodedAhead(): ByteBudget {
    return this.#place.decodedAhead
  }

  /** For who sends a source without waiting for anything else. */
  pace(): Pace {
    return new Pace(this.#place.writes, this.#place.environment.clock)
  }

  leave(): number {
    this.id = this.#place.onLeave(this)
    return this.id
  }

  /**
   * Sends a message, or queues it. Returns whether there is room for another: who is told that there is not and goes on
   * fills the queue, and then gets `queue-full`. Throws what is wrong with the value.
   *
   * The first of a queue always has a place: whoever wrote it was never told to wait. Where the streams of the connection
   * hold all that they may it waits as the value that it is, which costs nothing more; what is wrong with it is then told
   * through `onRoom`.
   */
  write(flags: number, encoder: Encoder, value: unknown): boolean {
    const { writes, environment } = this.#place
    if (writes.encoding) throw reentrant()
    if (this.ours && this.#state !== 'open') throw failure('misuse', 'nothing can be sent after the end')
    const held = this.#mustWait()
    if (held && this.#queue.defers) {
      this.#queue.putUnencoded(KIND.STREAM_DATA, flags, encoder, value)
      this.#wake()
    } else {
      if (held && this.#queue.full) throw this.#queueFull()
      try {
        writes.beginMessage(KIND.STREAM_DATA, flags, 0, this.id)
        encoder.encode(value, writes.out)
        if (held) this.#hold(KIND.STREAM_DATA, flags, 0, writes.takeBody())
        else this.#credit.spend(COST_BYTES + writes.endMessage())
      } catch (error) {
        writes.abandon()
        throw error
      }
      environment.counters.streamMessagesSent += 1
    }
    this.moved = true
    if (!this.#mustWait()) return true
    this.#wantsRoom = true
    this.#wake()
    // It may have had its turn at once: then nobody will be told again.
    return !this.#wantsRoom
  }

  /** Of the opener: nothing more comes from us. */
  end(): void {
    if (this.#advance('end')) this.#sendEnd(0, NOTHING)
  }

  /** Of the opener: gives the stream up. Returns false where the server has settled already. */
  reset(error: TransportError): boolean {
    if (!this.#advance('reset')) return false
    this.#queue.drop()
    // It never leaves, and so takes no place with the peer.
    if (this.unsent) this.#gone()
    else this.#sendReset(error)
    return true
  }

  /** Of the server: its handler has settled. What was written before goes first, unless nobody reads it. */
  settle(error: TransportError | null, metadata: Buffer): void {
    const given = this.#state === 'reset'
    if (!this.#advance('settle')) return
    this.#receive.close()
    if (given) this.#queue.drop()
    if (error === null) this.#sendEnd(0, metadata)
    else this.#sendEnd(error.statusNumber, encodeFault(faultOf(error)))
  }

  /** The reader is done with so many bytes. */
  consume(cost: number): void {
    if (!this.#receive.consume(cost)) return
    // No more comes.
    const over = this.ours ? this.withdrawn : this.#state !== 'open'
    if (over) return
    this.#place.flow.grant(this.#receive, this.lane, this.id)
  }

  /** A message came. Returns how the peer broke the protocol. */
  onData(message: InboundMessage): TransportError | null {
    this.moved = true
    if (!this.#receive.receive(message.cost)) {
      return failure('credit-exceeded', `data beyond the credit of stream ${this.id}`)
    }
    // What was on its way when the stream was given up, or when its handler had enough.
    if (this.withdrawn) return null
    if (!this.ours && this.#state === 'half-ended') return failure('stream-ended', `data after the end of ${this.id}`)
    this.#place.environment.counters.streamMessagesReceived += 1
    this.sink.onData(message)
    return null
  }

  /** The peer's STREAM_END: the opener's half, or the server's last word. */
  onEnd(error: TransportError | null, metadata: Buffer): TransportError | null {
    this.moved = true
    if (this.ours) {
      const given = this.#state === 'reset'
      this.#advance('settle')
      // Nobody reads it any more, and credit for it may never come.
      this.#queue.drop()
      this.#gone()
      if (!given) this.sink.onOver(error, metadata)
      return null
    }
    if (this.withdrawn) return null
    if (!this.#advance('end')) return failure('stream-ended', `a second end of stream ${this.id}`)
    this.sink.onEnd()
    return null
  }

  /** The opener gives the stream up. */
  onReset(error: TransportError): void {
    if (!this.#advance('reset')) {
      // It crossed our end, or comes twice.
      this.#cutShort(error)
      return
    }
    this.#queue.drop()
    this.sink.onOver(error, NOTHING)
  }

  /** Nobody waits for it any more, here: both sides are told. */
  giveUp(error: TransportError): void {
    if (!this.ours) this.onReset(error)
    else if (this.reset(error)) this.sink.onOver(error, NOTHING)
  }

  /** Returns false for what no peer may grant. */
  onCredit(bytes: number): boolean {
    this.moved = true
    if (!this.#credit.add(bytes)) return false
    this.#wake()
    return true
  }

  /** The connection is closed. */
  onClosed(error: TransportError): void {
    const given = this.#state === 'reset'
    // Also of one that has settled, whose end waits behind data without credit.
    this.#queue.drop()
    if (!this.#advance('settle')) return
    if (!given) this.sink.onOver(error, NOTHING)
  }

  /** Sends one message that waited. */
  send(): SenderTurn {
    const item = this.#queue.head
    if (item === undefined || !this.#maySend(item)) return this.#done()
    const large = item.kind === KIND.STREAM_DATA && this.#isLarge(item)
    if (large && this.#place.large[this.lane]?.underWay === true) return SENDER.ROTATE
    this.#queue.take()
    if (item.kind === KIND.STREAM_DATA) {
      const refusal = this.#sendData(item, large ? new LargeMessage(this) : null)
      // Nothing waits behind it but an end.
      if (refusal !== null) this.#tellRoom(refusal)
      return this.#queue.length > 0 ? SENDER.ROTATE : this.#done()
    }
    const { writes } = this.#place
    writes.beginControl(item.kind, item.flags, item.aux, this.id)
    item.body.put(writes.out, 0, item.body.bytes)
    endFrame(writes.out)
    writes.heldFrameEnded()
    if (!this.ours) this.#gone()
    return this.#done()
  }

  /** It may come to more than one frame. */
  #isLarge({ body, value }: HeldItem): boolean {
    const { wholeFrameBytes } = this.#place.writes
    return value !== null || (wholeFrameBytes > 0 && LEAST_LENGTH + body.bytes > wholeFrameBytes)
  }

  /** Returns what is wrong with a value that is encoded only now. */
  #sendData({ kind, flags, body, value }: HeldItem, large: LargeMessage | null): Error | null {
    const { writes, environment } = this.#place
    try {
      writes.beginMessage(kind, flags, 0, this.id)
      if (value === null) body.put(writes.out, 0, body.bytes)
      else value.encoder.encode(value.value, writes.out)
      this.#credit.spend(COST_BYTES + writes.endMessage(large))
    } catch (error) {
      writes.abandon()
      if (value === null) throw error
      return error instanceof Error ? error : new Error(String(error))
    }
    if (value !== null) environment.counters.streamMessagesSent += 1
    if (large !== null) this.#place.large[this.lane] = large
    return null
  }

  #mustWait(): boolean {
    return this.#queue.length > 0 || !this.#credit.open || this.#place.writes.mustWait
  }

  #hold(kind: number, flags: number, aux: number, body: HeldBody): void {
    this.#queue.put(kind, flags, aux, body)
    this.#wake()
  }

  /** An end that waits behind data goes without it: nobody reads it, and credit for it may never come. */
  #cutShort(error: TransportError): void {
    if (this.#state !== 'closed' || this.#queue.head?.kind !== KIND.STREAM_DATA) return
    this.#queue.drop()
    this.#sendEnd(error.statusNumber, encodeFault(faultOf(processed(error, 'yes'))))
  }

  /** The peer keeps the deadline by itself. Telling it of a thousand at once would only have it close the connection. */
  #sendReset(error: TransportError): void {
    const { writes, cancels } = this.#place
    const tell = (): void =>
      writes.control(KIND.STREAM_RESET, 0, error.statusNumber, this.id, encodeFault(faultOf(error)))
    cancels.say({ wanted: () => this.#state === 'reset', tell }, error.reason === 'deadline')
  }

  /** An END, behind what waits. */
  #sendEnd(aux: number, body: Buffer): void {
    const { writes } = this.#place
    if (this.#queue.length > 0 || writes.mustWait || writes.encoding) {
      this.#hold(KIND.STREAM_END, 0, aux, HeldBody.from(body))
      return
    }
    writes.control(KIND.STREAM_END, 0, aux, this.id, body)
    if (!this.ours) this.#gone()
  }

  #wake(): void {
    if (this.#queued) return
    const next = this.#queue.head
    const ready = next === undefined ? this.#wantsRoom && this.#credit.open : this.#maySend(next)
    if (!ready) return
    this.#queued = true
    this.#place.writes.enqueue(this)
  }

  #maySend({ kind }: HeldItem): boolean {
    return kind !== KIND.STREAM_DATA || this.#credit.open
  }

  #done(): SenderTurn {
    this.#queued = false
    if (this.#queue.length === 0 && this.#wantsRoom && this.#credit.open && !this.withdrawn) this.#tellRoom(null)
    return SENDER.DONE
  }

  #tellRoom(refusal: Error | null): void {
    this.#wantsRoom = false
    this.sink.onRoom(refusal)
  }

  #gone(): void {
    this.#receive.close()
    this.#place.onGone(this)
  }

  #advance(event: StreamEvent): boolean {
    const next = nextStreamState(this.#state, event)
    if (next === null) return false
    this.#state = next
    return true
  }

  #queueFull(): TransportError {
    this.#place.environment.counters.failed('queue-full')
    return failure('queue-full', `${this.#queue.length} messages of this stream wait for the peer to read`)
  }
}
