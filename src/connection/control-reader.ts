import { failure, type TransportError } from '../base/errors.js'
import { STATUS, statusFromNumber } from '../base/status.js'
import { LANE_COUNT } from '../mailbox/lane.js'
import { decodeFault } from '../wire/fault.js'
import { KIND, OPTIONAL_KINDS_FROM, readU16, readU32 } from '../wire/frame.js'
import { RANGE_BYTES } from './ack-ranges.js'
import type { Conduct } from './conduct.js'
import type { ConnectionState } from './connection-state.js'
import type { Flow } from './flow.js'
import type { Heartbeat } from './heartbeat.js'
import type { Receiver } from './inbound.js'
import { remoteError } from './remote-error.js'
import { Stream } from './stream.js'
import type { Streams } from './streams.js'
import { ACK } from './unacked.js'
import type { WriteLoop } from './write-loop.js'

/** Of the body of a CREDIT. */
const CREDIT_BYTES = 4

const NOTHING = Buffer.alloc(0)

/** What control frames do to the connection. */
export interface ControlReaderOwner {
  readonly state: ConnectionState
  /** Null where credit was not agreed. */
  readonly flow: Flow | null
  /** Null where streams were not agreed. */
  readonly streams: Streams | null
  /** The peer broke a rule. */
  fail(error: TransportError): void
  /** The peer has ended the connection for cause. */
  onEnded(error: TransportError): void
  /** The peer begins nothing new. */
  onLeaving(reason: TransportError): void
}

/** Reads the frames that concern the connection itself. Those of the handshake are not among them. */
export class ControlReader {
  /** Null before the end of the HELLO. */
  receiver: Receiver | null = null
  readonly #writes: WriteLoop
  readonly #conduct: Conduct
  readonly #heartbeat: Heartbeat
  readonly #owner: ControlReaderOwner
  #pongPosition = 0

  constructor(writes: WriteLoop, conduct: Conduct, heartbeat: Heartbeat, owner: ControlReaderOwner) {
    this.#writes = writes
    this.#conduct = conduct
    this.#heartbeat = heartbeat
    this.#owner = owner
  }

  /** Returns false when the frame ended the connection. */
  onFrame(kind: number, aux: number, id: number, bytes: Buffer, start: number, end: number): boolean {
    const { receiver } = this
    if (kind === KIND.GO_AWAY) return this.#onGoAway(aux, id, bytes, start, end)
    if (receiver === null) return this.refuse(kind)
    switch (kind) {
      case KIND.METHOD:
        receiver.onMethod(aux, bytes.toString('latin1', start, end))
        return this.#owner.state !== 'closed'
      case KIND.CANCEL:
        if (!this.#mayCancel()) return false
        receiver.onCancel(id, statusFromNumber(aux))
        return this.#owner.state !== 'closed'
      case KIND.PING:
        return this.#onPing(id)
      case KIND.PONG:
        return this.#heartbeat.onPong(id) || this.refuse(kind)
      case KIND.ACK:
        return this.#onAck(receiver, aux, id, bytes, start, end)
      case KIND.NACK:
        return this.#onNack(receiver, aux, id, bytes, start, end)
      case KIND.CREDIT:
        return this.#owner.flow === null ? this.refuse(kind) : this.#onCredit(aux, id, bytes, start, end)
      case KIND.STREAM_END:
        return this.#onStreamEnd(aux, id, bytes, start, end)
      case KIND.STREAM_RESET:
        return this.#onStreamReset(aux, id, bytes, start, end)
    }
    return kind >= OPTIONAL_KINDS_FROM || this.refuse(kind)
  }

  #onGoAway(status: number, lastAcceptedId: number, bytes: Buffer, start: number, end: number): boolean {
    const fault = decodeFault(bytes, start, end)
    if (fault === null) {
      return this.#broken(failure('frame-malformed', 'a GO_AWAY frame that cannot be read'))
    }
    const error = remoteError(statusFromNumber(status === 0 ? STATUS.UNAVAILABLE.number : status), fault)
    if (this.receiver === null || status !== 0) {
      this.#owner.onEnded(error)
      return false
    }
    this.#owner.onLeaving(error)
    this.receiver.onGoAway(lastAcceptedId, error)
    return this.#owner.state !== 'closed'
  }

  #onAck(receiver: Receiver, stage: number, id: number, bytes: Buffer, start: number, end: number): boolean {
    const known = stage === ACK.ACCEPTED || stage === ACK.PROCESSED
    if (!known || id !== 0 || start === end || (end - start) % RANGE_BYTES !== 0) {
      return this.#broken(failure('frame-malformed', 'an ACK frame that cannot be read'))
    }
    for (let at = start; at < end; at += RANGE_BYTES) {
      const [first, last] = [readU32(bytes, at), readU32(bytes, at + 4)]
      if (!receiver.onAck(stage, first, last)) {
        return this.#broken(failure('ack-invalid', `an ACK of the messages ${first} to ${last}`))
      }
    }
    return this.#owner.state !== 'closed'
  }

  #onNack(receiver: Receiver, status: number, id: number, bytes: Buffer, start: number, end: number): boolean {
    const fault = decodeFault(bytes, start, end)
    if (fault === null) return this.#broken(failure('frame-malformed', 'a NACK frame that cannot be read'))
    const taken = receiver.onNack(id, remoteError(statusFromNumber(status), fault))
    if (!taken) return this.#broken(failure('ack-invalid', `a NACK of the message ${id}`))
    return this.#owner.state !== 'closed'
  }

  #onCredit(lane: number, id: number, bytes: Buffer, start: number, end: number): boolean {
    if (end - start !== CREDIT_BYTES || lane >= LANE_COUNT || (id !== 0 && lane !== 0)) {
      return this.#broken(failure('frame-malformed', 'a CREDIT frame that cannot be read'))
    }
    const granted = readU32(bytes, start)
    const taken = id === 0 ? this.#writes.oneWay(lane).grant(granted, this.#writes) : this.#grantStream(id, granted)
    if (!taken) this.#owner.fail(failure('credit-invalid', `credit of ${granted} bytes`))
    return taken
  }

  /** Credit for a stream that is over crossed its end. */
  #grantStream(id: number, granted: number): boolean {
    const stream = this.#owner.streams?.find(id)
    return stream === 'over' || (stream instanceof Stream && stream.onCredit(granted))
  }

  #onStreamEnd(status: number, id: number, bytes: Buffer, start: number, end: number): boolean {
    const { streams } = this.#owner
    if (streams === null) return this.refuse(KIND.STREAM_END)
    let error: TransportError | null = null
    if (status !== 0) {
      const fault = decodeFault(bytes, start, end)
      if (fault === null) return this.#broken(failure('frame-malformed', 'a STREAM_END that cannot be read'))
      error = remoteError(statusFromNumber(status), fault)
    }
    // A metadata block says its own length, and there is nothing behind it.
    if (error === null && end > start && (end - start < 2 || start + 2 + readU16(bytes, start) !== end)) {
      return this.#broken(failure('frame-malformed', 'a STREAM_END whose metadata ends elsewhere'))
    }
    // Owned: whoever hears of it may keep it.
    const metadata = error === null && end > start ? Buffer.from(bytes.subarray(start, end)) : NOTHING
    const broken = streams.onEnd(id, error, metadata)
    return broken === null ? this.#owner.state !== 'closed' : this.#broken(broken)
  }

  #onStreamReset(status: number, id: number, bytes: Buffer, start: number, end: number): boolean {
    const { streams } = this.#owner
    if (streams === null) return this.refuse(KIND.STREAM_RESET)
    if (!this.#mayCancel()) return false
    const fault = decodeFault(bytes, start, end)
    if (fault === null) return this.#broken(failure('frame-malformed', 'a STREAM_RESET that cannot be read'))
    const broken = streams.onReset(id, remoteError(statusFromNumber(status), fault))
    return broken === null ? this.#owner.state !== 'closed' : this.#broken(broken)
  }

  #mayCancel(): boolean {
    const error = this.#conduct.cancel()
    return error === null || this.#broken(error)
  }

  #broken(error: TransportError): false {
    this.#owner.fail(error)
    return false
  }

  #onPing(id: number): boolean {
    const error = this.#conduct.ping()
    if (error !== null) return this.#broken(error)
    // Of a drain: whoever leaves takes the PONG for the end of what we had accepted before, and waits for it.
    if (this.#owner.state === 'draining') this.#writes.whenOneWaysSent(() => this.#pong(id))
    else this.#pong(id)
    return true
  }

  #pong(id: number): void {
    // One pending pong: a peer that does not read gets no second.
    if (this.#writes.handedBytes < this.#pongPosition) return
    this.#writes.control(KIND.PONG, 0, 0, id)
    this.#pongPosition = this.#writes.endPosition
  }

  /** Ends the connection for a frame that is not allowed. */
  refuse(kind: number): boolean {
    const known = Object.entries(KIND).find(([, number]) => number === kind)?.[0]
    this.#owner.fail(
      known === undefined
        ? failure('frame-unknown', `a frame of the unknown kind ${kind}`)
        : failure('frame-unexpected', `a ${known} frame where none is allowed`),
    )
    return false
  }
}
