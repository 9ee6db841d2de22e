// Hot path: `onData` runs for every message of every stream.
import { failure, processed, type TransportError } from '../base/errors.js'
import { WheelTimer } from '../base/timer-wheel.js'
import { LANE_COUNT } from '../mailbox/lane.js'
import { ByteBudget } from '../memory/byte-budget.js'
import type { FlowFields } from '../wire/hello.js'
import type { Cancels } from './cancels.js'
import type { Encoder } from './encoder.js'
import type { Environment } from './environment.js'
import type { Flow } from './flow.js'
import type { InboundMessage } from './inbound.js'
import type { LargeMessage } from './large-message.js'
import { reentrant } from './reentrant.js'
import { Stream, type StreamPlace, type StreamSink } from './stream.js'
import { StreamIds } from './stream-ids.js'
import type { WriteLoop } from './write-loop.js'

/** How a stream is opened. */
export interface Opening {
  readonly method: number
  /** Codec and metadata of the request, and the lane. */
  readonly flags: number
  readonly lane: number
  readonly metadata: Uint8Array | null
  /** Milliseconds for the whole stream; Infinity for ever. */
  readonly timeoutMs: number
  /** The request of a server stream, whose opener has nothing else to send; null for the others. */
  readonly request: { readonly encoder: Encoder; readonly value: unknown } | null
}

/**
 * Messages that nobody has asked for yet are decoded as they come, which saves a copy of their bytes, as long as there are
 * no more bytes of them than this on the connection. The gates of the codecs let a value take 64 times its bytes: so these
 * are 4 MiB of values at most, however many streams nobody reads.
 */
const DECODED_AHEAD_BYTES = 64 * 1024

/** The streams of one connection: those that we opened, and those that the peer opened and we serve. */
export class Streams implements StreamPlace {
  readonly environment: Environment
  readonly writes: WriteLoop
  readonly cancels: Cancels
  readonly flow: Flow
  readonly peerWindowBytes: number
  heldBytes = 0
  readonly large = new Array<LargeMessage | null>(LANE_COUNT).fill(null)
  readonly decodedAhead = new ByteBudget(DECODED_AHEAD_BYTES)
  readonly #byId = new Map<number, Stream>()
  /** 1 where we dialled and our ids are odd, else 0. */
  readonly #parity: number
  readonly #ourLimit: number
  readonly #idle: WheelTimer
  readonly #ourIds: StreamIds
  readonly #theirIds = new StreamIds(0)
  #ours = 0
  #theirs = 0
  /** Messages of one stream mostly come one behind the other. */
  #latest: Stream | null = null

  constructor(
    environment: Environment,
    { writes, cancels }: Pick<StreamPlace, 'writes' | 'cancels'>,
    flow: Flow,
    peer: FlowFields,
    dialled: boolean,
  ) {
    const { limits, wheel } = environment
    this.environment = environment
    this.writes = writes
    this.cancels = cancels
    this.flow = flow
    this.peerWindowBytes = peer.streamWindowBytes
    this.#parity = dialled ? 1 : 0
    this.#ourIds = new StreamIds(dialled ? 0xffff_ffff : 0)
    this.#ourLimit = Math.min(limits.maxStreams, peer.maxStreams)
    this.#idle = new WheelTimer(() => {
      this.#look()
      if (this.#byId.size > 0) wheel.arm(this.#idle, limits.streamIdleMs)
    })
  }

  /** Streams that we opened and whose server has not settled. */
  get ours(): number {
    return this.#ours
  }

  /** Streams that the peer opened and whose handler has not settled. */
  get theirs(): number {
    return this.#theirs
  }

  /** Somebody waits for one of them: for one of ours its opener, who has not given it up; for the others the peer. */
  get awaited(): boolean {
    if (this.#theirs > 0) return true
    for (const { state } of this.#byId.values()) if (state !== 'reset') return true
    return false
  }

  /** Half of what the peer takes of ours: whoever can should open the next ones elsewhere. */
  get crowded(): boolean {
    return this.#ours * 2 >= this.#ourLimit
  }

  /** The peer takes no more of ours. */
  get full(): boolean {
    return this.#ours >= this.#ourLimit
  }

  /** Opens a stream. Throws what is wrong with the request, or `too-many-streams`. */
  open({ method, flags, lane, metadata, timeoutMs, request }: Opening, sink: StreamSink): Stream {
    const { writes, environment } = this
    if (writes.encoding) throw reentrant()
    if (this.full) {
      throw failure('too-many-streams', `${this.#ours} streams are open already, the limit is ${this.#ourLimit}`)
    }
    const stream = new Stream(this, this.#ourIds.next(this.#byId), lane, true, request !== null, sink)
    stream.expiresAt = timeoutMs === Number.POSITIVE_INFINITY ? timeoutMs : environment.clock.now() + timeoutMs
    try {
      writes.beginOpen(flags, method, stream.id, stream.leftMs)
      if (metadata !== null) writes.putMetadata(metadata)
      request?.encoder.encode(request.value, writes.out)
      this.#ours += 1
      this.#add(stream)
      writes.endMessage(stream)
    } catch (error) {
      writes.abandon()
      if (this.#byId.has(stream.id)) this.onGone(stream)
      throw error
    }
    environment.counters.streamsOpened += 1
    return stream
  }

  /** Judges the id of a STREAM_OPEN, and takes note of it. Returns how it breaks the protocol. */
  admit(id: number): TransportError | null {
    if ((id & 1) === this.#parity) return failure('stream-id-invalid', `stream id ${id} is one of ours`)
    if (!this.#theirIds.mayFollow(id)) return failure('stream-id-invalid', `stream id ${id} does not rise`)
    // Once around the circle it may meet one that is open still.
    if (this.#byId.has(id)) return failure('stream-id-invalid', `stream ${id} is open already`)
    this.#theirIds.take(id)
    return null
  }

  /** Takes up an admitted stream. `ended`: its opener sends nothing but its request. */
  serve(id: number, lane: number, ended: boolean, sink: StreamSink): Stream {
    const stream = new Stream(this, id, lane, false, ended, sink)
    this.#theirs += 1
    this.#add(stream)
    this.environment.counters.streamsServed += 1
    return stream
  }

  /** The stream of an id; `over` where there was one; null where there never was. */
  find(id: number): Stream | 'over' | null {
    const latest = this.#latest
    if (latest !== null && latest.id === id) return latest
    const stream = this.#byId.get(id)
    if (stream !== undefined) {
      // The peer knows nothing of it yet, and it will have another id when it does.
      if (stream.unsent) return null
      this.#latest = stream
      return stream
    }
    const ids = (id & 1) === this.#parity ? this.#ourIds : this.#theirIds
    return ids.isPast(id) ? 'over' : null
  }

  /** Returns how the peer broke the protocol, or null. */
  onData(message: InboundMessage): TransportError | null {
    const stream = this.find(message.id)
    if (stream instanceof Stream) return stream.onData(message)
    return stream === 'over' ? null : neverOpened(message.id)
  }

  onEnd(id: number, error: TransportError | null, metadata: Buffer): TransportError | null {
    // An opener ends its half and says nothing more.
    if ((id & 1) !== this.#parity && (error !== null || metadata.length > 0)) {
      return failure('frame-malformed', `the opener of stream ${id} ends it with more than an end`)
    }
    const stream = this.find(id)
    if (stream instanceof Stream) return stream.onEnd(error, metadata)
    return stream === 'over' ? null : neverOpened(id)
  }

  onReset(id: number, told: TransportError): TransportError | null {
    // Only who opened a stream gives it up; who serves it ends it.
    if ((id & 1) === this.#parity) return failure('stream-id-invalid', `a reset of stream ${id}, which is ours`)
    const stream = this.find(id)
    if (stream === null) return neverOpened(id)
    if (stream !== 'over') {
      const reason = told.code === 'DEADLINE_EXCEEDED' ? 'deadline' : 'cancelled'
      const why = `the opener of the stream has given it up: ${told.message}`
      stream.onReset(failure(reason, why, { processed: 'maybe', cause: told }))
    }
    return null
  }

  /** The connection is closed: every stream is told, in this turn. */
  onClosed(error: TransportError, handedBytes: number): void {
    this.environment.wheel.disarm(this.#idle)
    const streams = [...this.#byId.values()]
    this.#byId.clear()
    this.#latest = null
    this.#ours = 0
    this.#theirs = 0
    for (const stream of streams) {
      const unknown = stream.ours && stream.endPosition > handedBytes
      stream.onClosed(processed(error, unknown ? 'no' : 'maybe'))
    }
  }

  onLeave(stream: Stream): number {
    this.#byId.delete(stream.id)
    const id = this.#ourIds.next(this.#byId)
    this.#byId.set(id, stream)
    this.#latest = null
    return id
  }

  onGone(stream: Stream): void {
    if (!this.#byId.delete(stream.id)) return
    if (this.#latest === stream) this.#latest = null
    if (stream.ours) this.#ours -= 1
    else this.#theirs -= 1
    if (this.#byId.size === 0) this.environment.wheel.disarm(this.#idle)
  }

  #add(stream: Stream): void {
    if (this.#byId.size === 0) this.environment.wheel.arm(this.#idle, this.environment.limits.streamIdleMs)
    this.#byId.set(stream.id, stream)
  }

  /** A stream that waits for its peer, and did from one look to the next, is given up. */
  #look(): void {
    const { limits, counters } = this.environment
    for (const stream of [...this.#byId.values()]) {
      if (stream.moved || !stream.waitsForPeer) {
        stream.moved = false
        continue
      }
      counters.failed('stream-idle')
      stream.giveUp(failure('stream-idle', `nothing moved for ${limits.streamIdleMs} ms`, { processed: 'maybe' }))
    }
  }
}

function neverOpened(id: number): TransportError {
  return failure('stream-id-invalid', `stream ${id} was never opened`)
}
