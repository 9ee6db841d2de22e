// Long: the callbacks of three collaborators and the life of the connection; what they decide is in files of its own.
import { failure, processed, type TransportError } from '../base/errors.js'
import { WheelTimer } from '../base/timer-wheel.js'
import { CompressionPolicy } from '../compression/policy.js'
import type { ByteChannel, ChannelReceiver } from '../socket/channel.js'
import { FLAG, KIND } from '../wire/frame.js'
import type { ServiceFingerprint } from '../wire/hello.js'
import { preface } from '../wire/preface.js'
import { Cancels } from './cancels.js'
import { Conduct } from './conduct.js'
import { type ConnectionFacts, judgeIdentity, proves } from './connection-facts.js'
import { type ConnectionEvent, type ConnectionState, transition } from './connection-state.js'
import { sendBroken, sendLeaving } from './control-frames.js'
import { ControlReader, type ControlReaderOwner } from './control-reader.js'
import type { Environment } from './environment.js'
import { controlFlood, handshakeTimeout, heartbeatTimeout, writeStalled } from './failures.js'
import { Flow } from './flow.js'
import { Heartbeat, type HeartbeatOwner } from './heartbeat.js'
import { type Agreement, Handshake, ourHello } from './hello.js'
import type { Receiver } from './inbound.js'
import { PAUSE, ReadLoop, type ReadLoopOwner } from './read-loop.js'
import { Streams } from './streams.js'
import { WriteLoop, type WriteLoopOwner } from './write-loop.js'

/**
 * A message of more bytes travels in parts: who has something more urgent waits for one of them. Up to here it travels
 * whole, which is faster: 64 KiB with all that stands in front of it fits.
 */
const WHOLE_FRAME_BYTES = 128 * 1024

/** How long a closed connection waits for the peer to take our last bytes before it is cut. */
const LINGER_MS = 1_000

export interface ConnectionOwner {
  /** Both HELLOs are exchanged. Whoever is returned gets every message; null refuses the peer, and has said why. */
  onReady(connection: Connection, agreement: Agreement): Receiver | null
  /** It takes nothing new any more, and lets what is open end. */
  onDraining?(connection: Connection): void
  /** The last call; the channel is gone, nothing of the connection is left. */
  onGone(connection: Connection, error: TransportError): void
}

/**
 * One live conversation with one peer over a byte channel. It has no client and no server, only two ends. This class
 * wires the read loop, the write loop, the handshake and the state; each of them lives in a file of its own.
 */
export class Connection implements ChannelReceiver, ReadLoopOwner, WriteLoopOwner, ControlReaderOwner, HeartbeatOwner {
  readonly writes: WriteLoop
  readonly cancels: Cancels
  /** What we let the peer send; null where it knows of no credit, and before HELLO. */
  flow: Flow | null = null
  readonly #dialled: boolean
  readonly #reads: ReadLoop
  readonly #channel: ByteChannel
  readonly #environment: Environment
  readonly #owner: ConnectionOwner
  /** Null once HELLO is done: an idle connection carries nothing it no longer needs. */
  #handshake: Handshake | null
  readonly #timer: WheelTimer
  readonly #conduct: Conduct
  readonly #control: ControlReader
  readonly #heartbeat: Heartbeat
  #streams: Streams | null = null
  #state: ConnectionState = 'connecting'
  #agreement: Agreement | null = null
  #receiver: Receiver | null = null
  #error: TransportError | null = null
  /** To end as soon as the socket has taken what waits. */
  #ending: TransportError | null = null

  /** Takes the channel over, and says HELLO. `handshakeMs` of 0 leaves the time limit to the caller. */
  constructor(
    channel: ByteChannel,
    environment: Environment,
    owner: ConnectionOwner,
    services: readonly ServiceFingerprint[],
    handshakeMs: number,
    dialled: boolean,
  ) {
    const { compression, wheel, counters } = environment
    this.#channel = channel
    this.#dialled = dialled
    this.#environment = environment
    this.#owner = owner
    this.#handshake = new Handshake(environment)
    const policy = compression.algorithm === 'none' ? null : new CompressionPolicy(compression, counters)
    this.writes = new WriteLoop(channel, this, environment, policy)
    this.#reads = new ReadLoop(channel, this, environment)
    this.cancels = new Cancels(environment)
    this.#conduct = new Conduct(environment)
    this.#heartbeat = new Heartbeat(environment, this.writes, this)
    this.#control = new ControlReader(this.writes, this.#conduct, this.#heartbeat, this)
    // One timer serves two ends of life: the handshake, and the linger after close.
    this.#timer = new WheelTimer(() => this.#onTimeout())
    if (handshakeMs > 0) wheel.arm(this.#timer, handshakeMs)
    channel.receive(this)
    // The attempt of who dialled was told of before there was a channel.
    if (!dialled) this.#tell(null)
    this.#greet(services)
  }

  /** Its streams, made when first asked for; null where the peer knows of none. */
  get streams(): Streams | null {
    const peer = this.#agreement?.flow
    if (this.#streams !== null || this.flow === null || peer === null || peer === undefined) return this.#streams
    this.#streams = new Streams(this.#environment, this, this.flow, peer, this.#dialled)
    return this.#streams
  }

  /** Streams of both sides whose handler has not settled. */
  get openStreams(): number {
    return this.#streams === null ? 0 : this.#streams.ours + this.#streams.theirs
  }

  get state(): ConnectionState {
    return this.#state
  }

  info(): ConnectionFacts {
    const agreement = this.#agreement
    return {
      ...this.#channel.facts,
      state: this.#state,
      peerId: agreement?.peerId ?? null,
      peerProven: agreement !== null && proves(this.#channel.facts, agreement.peerId),
      compression: agreement?.compression ?? false,
      peerLimits: agreement && {
        maxFrameBytes: agreement.maxFrameBytes,
        maxMessageBytes: agreement.maxMessageBytes,
        maxOpenCalls: agreement.maxOpenCalls,
      },
      queuedBytes: this.writes.queuedBytes + (this.#streams?.heldBytes ?? 0),
    }
  }

  /** Tells the peer to begin nothing new; what it began with an id up to `lastAcceptedId` still gets its answer. */
  leave(lastAcceptedId: number, reason: TransportError): void {
    // Also where the peer has said so before, or has not said HELLO: it may have begun something.
    if (this.#state === 'closed') return
    if (this.#state !== 'connecting') this.#advance('leave', reason)
    sendLeaving(this.writes, lastAcceptedId)
  }

  /** Calls back when what the peer sent before it read the last of what we sent has come. Not if it is lost before. */
  whenEchoed(callback: () => void): void {
    this.#heartbeat.whenEchoed(callback)
  }

  /** Ends in good order: what was sent is handed to the socket, then the channel closes. */
  end(error: TransportError): void {
    if (this.#state === 'closed') return
    if (this.writes.blocked) {
      this.#ending = error
      return
    }
    if (this.writes.encoding) {
      // Of a getter or toJSON that closes something: the open frame comes first.
      this.#environment.turns.whenEnds(() => this.end(error))
      return
    }
    this.#close(error)
    this.#channel.end()
  }

  /** Ends because the peer broke a rule. It is told why, where it would understand. */
  fail(error: TransportError): void {
    if (this.#state === 'closed') return
    if (error.reason !== undefined) this.#environment.counters.failed(error.reason)
    if (this.#handshake === null || this.#handshake.greeted) {
      // Before it was taken by anybody, nothing of it can have run.
      sendBroken(this.writes, error, this.#receiver === null ? 'no' : 'maybe')
      this.#close(error)
      this.#channel.end()
    } else {
      this.#close(error)
      this.#channel.destroy()
    }
  }

  /** Ends at once, whatever waits. */
  destroy(error: TransportError): void {
    if (this.#state !== 'closed') this.#close(error)
    this.#channel.destroy()
  }

  /** The peer caused an error of ours. Too many of them end the connection. */
  strike(): void {
    const error = this.#conduct.error()
    if (error !== null) this.fail(error)
  }

  /** Reading stops until `resumeReading` takes the same reason back. */
  pauseReading(reason: number): void {
    this.#reads.pause(reason)
  }

  resumeReading(reason: number): void {
    this.#reads.resume(reason)
  }

  /** More waits for the peer to read than `limits.unreadSoftBytes`. */
  get unreadAnswers(): boolean {
    return this.#conduct.unread(this.writes.queuedBytes) !== null
  }

  /** We begin to wait for something of the peer: it is read on, whatever it has left unread. */
  readOn(): void {
    if (this.writes.blocked) this.#reads.resume(PAUSE.UNREAD)
  }

  /**
   * An answer was written while the socket is full: holds the peer to reading what it asked for. `waiting`: we wait for
   * something of the peer ourselves, and stop reading only at the price that both sides wait for each other.
   */
  onUnreadAnswer(waiting: boolean): void {
    const judged = this.#conduct.unread(this.writes.queuedBytes)
    if (judged === 'slow') {
      if (!waiting) this.#reads.pause(PAUSE.UNREAD)
    } else if (judged !== null) {
      this.#environment.counters.failed('answers-unread')
      this.destroy(judged)
    }
  }

  onBytes(bytes: Buffer, length: number): void {
    this.#environment.counters.bytesReceived += length
    this.#heartbeat.hear()
    if (this.#state === 'closed') return
    let from = 0
    if (this.#handshake !== null && !this.#handshake.greeted) {
      const took = this.#handshake.greet(bytes.subarray(0, length))
      if (typeof took !== 'number') {
        this.fail(took)
        return
      }
      from = took
    }
    if (from < length) this.#reads.read(bytes, from, length)
  }

  destination(): Buffer | null {
    return this.#state === 'closed' ? null : this.#reads.destination()
  }

  onWritten(failed = false): void {
    this.writes.onWritten(failed)
  }

  onEnd(): void {
    // Closed already: our own end is on its way, and the channel goes when it has arrived.
    if (this.#state === 'closed') return
    this.#close(failure('connection-lost', 'the peer closed the connection', { processed: 'maybe' }))
    this.#channel.end()
  }

  onClosed(error: TransportError | null): void {
    const why = this.#error ?? error ?? failure('connection-lost', 'the connection was closed', { processed: 'maybe' })
    if (this.#state !== 'closed') this.#close(why, false)
    this.#environment.wheel.disarm(this.#timer)
    // Before HELLO, what was to use it has not left, whatever the peer says.
    this.#owner.onGone(this, this.#agreement === null ? processed(why, 'no') : why)
  }

  onControl(kind: number, flags: number, aux: number, id: number, bytes: Buffer, start: number, end: number): boolean {
    if (kind === KIND.HELLO) return this.#onHello(bytes.subarray(start, end), (flags & FLAG.MORE) !== 0)
    return this.#control.onFrame(kind, aux, id, bytes, start, end)
  }

  /** The peer has ended the connection for cause, and reads no more: what waits for the socket is not sent. */
  onEnded(error: TransportError): void {
    this.#close(error, false, error.processed !== 'no')
    this.#channel.end()
  }

  onLeaving(reason: TransportError): void {
    this.#advance('leave', reason)
  }

  onBroken(error: TransportError): void {
    // Before the end of the HELLO the same check holds a smaller limit, which has a name of its own.
    const hello = this.#receiver === null && error.reason === 'frame-too-large'
    this.fail(hello ? failure('hello-too-large', error.message, { details: error.details }) : error)
  }

  onDrained(): void {
    if (this.#ending !== null) {
      this.end(this.#ending)
      return
    }
    this.#reads.resume(PAUSE.UNREAD)
    this.#receiver?.onDrained()
  }

  get readingPaused(): boolean {
    return this.#reads.paused
  }

  onSilent(): void {
    this.destroy(heartbeatTimeout(this.#environment))
  }

  onStalled(): void {
    this.destroy(writeStalled(this.#environment))
  }

  onControlFlood(): void {
    this.destroy(controlFlood(this.#environment))
  }

  #greet(services: readonly ServiceFingerprint[]): void {
    this.writes.out.open(0)
    this.writes.out.put(preface())
    this.writes.out.close()
    const bodies = ourHello(this.#environment, services)
    bodies.forEach((body, index) => {
      this.writes.control(KIND.HELLO, index < bodies.length - 1 ? FLAG.MORE : 0, 0, 0, body)
    })
    this.writes.flush()
  }

  #onHello(body: Buffer, more: boolean): boolean {
    if (this.#handshake === null) return this.#control.refuse(KIND.HELLO)
    let agreement: Agreement | null
    try {
      agreement = this.#handshake.take(body, more)
    } catch (error) {
      this.fail(error as TransportError)
      return false
    }
    if (agreement === null) return true
    const stranger = judgeIdentity(this.#channel.facts, agreement.peerId)
    if (stranger !== null) {
      this.fail(stranger)
      return false
    }
    this.#agreement = agreement
    this.#handshake = null
    this.#environment.wheel.disarm(this.#timer)
    this.#advance('agreed')
    this.writes.maxFrameBytes = agreement.maxFrameBytes
    this.writes.maxMessageBytes = agreement.maxMessageBytes
    if (agreement.parts) this.writes.wholeFrameBytes = Math.min(WHOLE_FRAME_BYTES, agreement.maxFrameBytes)
    if (agreement.flow !== null) {
      this.flow = new Flow(this.#environment, this.writes, this.#heartbeat)
      this.writes.startCredit(agreement.flow.laneWindowBytes)
    }
    if (agreement.compression) this.writes.startCompressing()
    const receiver = this.#owner.onReady(this, agreement)
    if (receiver === null || this.state === 'closed') return false
    this.#receiver = receiver
    this.#control.receiver = receiver
    this.#reads.start(receiver, { inflates: agreement.compression, flow: this.flow })
    this.#heartbeat.start()
    this.flow?.start()
    return true
  }

  #onTimeout(): void {
    if (this.#state === 'closed') this.#channel.destroy()
    else this.destroy(handshakeTimeout(this.#environment))
  }

  /** Everything but the channel ends here, in this turn. Without `flush` nothing more is handed over. `ran`: any of it. */
  #close(error: TransportError, flush = true, ran = true): void {
    this.#error = error
    this.#advance('end', error)
    if (flush) this.writes.flush()
    const handedBytes = ran ? this.writes.handedBytes : 0
    this.writes.close()
    this.#reads.close()
    this.cancels.close()
    this.#environment.wheel.arm(this.#timer, LINGER_MS)
    if (this.#receiver === null) return
    this.#streams?.onClosed(error, handedBytes)
    this.#receiver.onClosed(error, handedBytes)
  }

  #advance(event: ConnectionEvent, reason: TransportError | null = null): void {
    const next = transition(this.#state, event)
    if (next === null) throw failure('misuse', `a connection that is ${this.#state} cannot ${event}`)
    if (next === this.#state) return
    this.#state = next
    // A peer that is about to leave owes no answers but those of its handlers.
    if (next !== 'ready') this.#heartbeat.stop()
    this.#tell(reason)
    if (next === 'draining') this.#owner.onDraining?.(this)
  }

  #tell(reason: TransportError | null): void {
    const { changes } = this.#environment
    if (!changes.active) return
    const connection = this.info()
    changes.publish({ state: this.#state, dialled: this.#dialled, address: connection.remote, connection, reason })
  }
}
