import type { Processed, TransportError } from '../base/errors.js'
import { Ring } from '../memory/ring.js'
import { idsBetween } from './ack-ranges.js'
import { nextId } from './exchange.js'

/** What ACK says, in its `aux`. */
export const ACK = {
  /** In the queue of the receiver. */
  ACCEPTED: 1,
  /** Its handler has resolved. */
  PROCESSED: 2,
} as const

/** How far a message has come. */
export type AckStage = 'sent' | 'accepted' | 'done'

/** A message that waits for its acknowledgement. */
export interface Unacknowledged {
  stage: AckStage
  /** No byte behind this position of the stream belongs to it. The peer may have it once that much was handed over. */
  readonly endPosition: number
  onAccepted(): void
  onProcessed(): void
  /** It was refused, or its handler failed. */
  onRefused(error: TransportError): void
  /** The connection is lost. */
  onLost(error: TransportError, ran: Processed): void
}

/**
 * The messages of one connection that its peer has not acknowledged. Their ids follow one another in the order in which
 * they leave, so that an id finds its message by its distance from the oldest. One that takes long keeps the places of
 * those behind it.
 */
export class Unacked {
  readonly #limit: number
  readonly #ring = new Ring<Unacknowledged>()
  /** Given to the connection, and not left yet. */
  readonly #waiting = new Set<Unacknowledged>()
  readonly #roomWaiters = new Ring<() => void>()
  #firstId = 1
  #nextId = 1

  constructor(limit: number) {
    this.#limit = limit
  }

  /** Messages that left, or wait to. */
  get open(): number {
    return this.#ring.length + this.#waiting.size
  }

  get full(): boolean {
    return this.open >= this.#limit || this.#roomWaiters.length > 0
  }

  /** How many senders wait. */
  get waiting(): number {
    return this.#roomWaiters.length
  }

  /** The id of the message that leaves next. */
  get nextId(): number {
    return this.#nextId
  }

  /** A message waits to leave. */
  expect(message: Unacknowledged): void {
    this.#waiting.add(message)
  }

  /** A message that waited is not sent after all. */
  forget(message: Unacknowledged): void {
    this.#waiting.delete(message)
    this.#tellRoom()
  }

  /** A message leaves. Returns its id. */
  leave(message: Unacknowledged): number {
    this.#waiting.delete(message)
    const id = this.#nextId
    if (this.#ring.length === 0) this.#firstId = id
    this.#ring.push(message)
    this.#nextId = nextId(id)
    return id
  }

  /** Calls back, in order, as soon as there is room; and when the connection is closed. */
  whenRoom(callback: () => void): void {
    this.#roomWaiters.push(callback)
  }

  /** The peer acknowledges a range. Returns false where that says something of messages that do not wait for it. */
  onAck(stage: number, first: number, last: number): boolean {
    const from = idsBetween(this.#firstId, first) - 1
    const count = idsBetween(first, last)
    if (first === 0 || last === 0 || from + count > this.#ring.length) return false
    for (let index = from; index < from + count; index += 1) {
      const message = this.#ring.at(index) as Unacknowledged
      if (message.stage === 'done' || (message.stage === 'accepted' && stage === ACK.ACCEPTED)) return false
      message.stage = stage === ACK.ACCEPTED ? 'accepted' : 'done'
      if (stage === ACK.ACCEPTED) message.onAccepted()
      else message.onProcessed()
    }
    this.#trim()
    return true
  }

  /** The peer refuses one, or its handler failed. Returns false where it does not wait for that. */
  onNack(id: number, error: TransportError): boolean {
    const index = idsBetween(this.#firstId, id) - 1
    if (id === 0 || index >= this.#ring.length) return false
    const message = this.#ring.at(index) as Unacknowledged
    if (message.stage === 'done') return false
    message.stage = 'done'
    message.onRefused(error)
    this.#trim()
    return true
  }

  /** The connection is lost: what never reached the socket was not received. */
  onClosed(error: TransportError, handedBytes: number): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (let message = this.#ring.shift(); message !== undefined; message = this.#ring.shift()) {
      if (message.stage !== 'done') message.onLost(error, message.endPosition <= handedBytes ? 'maybe' : 'no')
    }
    for (const message of waiting) message.onLost(error, 'no')
    for (let tell = this.#roomWaiters.shift(); tell !== undefined; tell = this.#roomWaiters.shift()) tell()
  }

  #trim(): void {
    while (this.#ring.peek()?.stage === 'done') {
      this.#ring.shift()
      this.#firstId = nextId(this.#firstId)
    }
    this.#tellRoom()
  }

  #tellRoom(): void {
    while (this.open < this.#limit) {
      const tell = this.#roomWaiters.shift()
      if (tell === undefined) return
      tell()
    }
  }
}
