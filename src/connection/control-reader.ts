import { failure, type TransportError } from '../base/errors.js'
import { STATUS, statusFromNumber } from '../base/status.js'
import { LANE_COUNT } from '../mailbox/lane.js'
import { decodeFault } from '../wire/fault.js'
import { KIND, OPTIONAL_KINDS_FROM, readU32 } from '../wire/frame.js'
import type { Conduct } from './conduct.js'
import type { ConnectionState } from './connection-state.js'
import type { Flow } from './flow.js'
import type { Receiver } from './inbound.js'
import { remoteError } from './remote-error.js'
import type { WriteLoop } from './write-loop.js'

/** Of the body of a CREDIT. */
const CREDIT_BYTES = 4

/** What control frames do to the connection. */
export interface ControlReaderOwner {
  readonly state: ConnectionState
  /** The peer broke a rule. */
  fail(error: TransportError): void
  /** The peer has ended the connection for cause. */
  onEnded(error: TransportError): void
  /** The peer begins nothing new. */
  onLeaving(): void
}

/** Reads the frames that concern the connection itself. Those of the handshake are not among them. */
export class ControlReader {
  /** Null before the end of the HELLO. */
  receiver: Receiver | null = null
  /** Null where credit was not agreed. */
  flow: Flow | null = null
  readonly #writes: WriteLoop
  readonly #conduct: Conduct
  readonly #owner: ControlReaderOwner
  #pongPosition = 0

  constructor(writes: WriteLoop, conduct: Conduct, owner: ControlReaderOwner) {
    this.#writes = writes
    this.#conduct = conduct
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
        receiver.onCancel(id, statusFromNumber(aux))
        return this.#owner.state !== 'closed'
      case KIND.PING:
        return this.#onPing(id)
      case KIND.CREDIT:
        return this.flow === null ? this.refuse(kind) : this.#onCredit(aux, id, bytes, start, end)
    }
    return kind >= OPTIONAL_KINDS_FROM || this.refuse(kind)
  }

  #onGoAway(status: number, lastAcceptedId: number, bytes: Buffer, start: number, end: number): boolean {
    const fault = decodeFault(bytes, start, end)
    if (fault === null) {
      this.#owner.fail(failure('frame-malformed', 'a GO_AWAY frame that cannot be read'))
      return false
    }
    const error = remoteError(statusFromNumber(status === 0 ? STATUS.UNAVAILABLE.number : status), fault)
    if (this.receiver === null || status !== 0) {
      this.#owner.onEnded(error)
      return false
    }
    this.#owner.onLeaving()
    this.receiver.onGoAway(lastAcceptedId, error)
    return this.#owner.state !== 'closed'
  }

  #onCredit(lane: number, id: number, bytes: Buffer, start: number, end: number): boolean {
    if (end - start !== CREDIT_BYTES || lane >= LANE_COUNT || (id !== 0 && lane !== 0)) {
      this.#owner.fail(failure('frame-malformed', 'a CREDIT frame that cannot be read'))
      return false
    }
    const granted = readU32(bytes, start)
    const taken = this.#writes.oneWay(lane).grant(granted, this.#writes)
    if (!taken) this.#owner.fail(failure('credit-invalid', `credit of ${granted} bytes`))
    return taken
  }

  #onPing(id: number): boolean {
    const error = this.#conduct.ping()
    if (error !== null) {
      this.#owner.fail(error)
      return false
    }
    // One pending pong: a peer that does not read gets no second.
    if (this.#writes.handedBytes >= this.#pongPosition) {
      this.#writes.control(KIND.PONG, 0, 0, id)
      this.#pongPosition = this.#writes.endPosition
    }
    return true
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
