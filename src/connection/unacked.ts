import type { Processed, TransportError } from '../base/errors.js'
import { Ring } from '../memory/ring.js'
import { idsBetween } from './ack-ranges.js'
import { nextId } from './exchange.js'
import { RoomWaiters } from './room-waiters.js'

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
  /** Nobody waits for it any more: it has had what its sender asked for, or was given up. */
  readonly settled: boolean
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
  /** To be called when who sent one waits for it no more, whatever the peer says: there may be nothing left to wait for. */
  readonly onGivenUp: () => void
  readonly #limit: number
  readonly #ring = new Ring<Unacknowledged>()
  /** Given to the connection, and not left yet. */
  readonly #waiting = new Set<Unacknowledged>()
  readonly #roomWaiters = new RoomWaiters()
  #firstId = 1
  #nextId = 1
  /** Those who waited for room are being told. */
  #telling = false

  constructor(limit: number, onGivenUp: () => void = () => {}) {
    this.#limit = limit
    this.onGivenUp = onGivenUp
  }

  /** Messages that left, or wait to. */
  get open(): number {
    return this.#ring.length + this.#waiting.size
  }

  /** Somebody waits for one of them still. Looks at as many as were given up before that one. */
  get awaited(): boolean {
    for (const message of this.#waiting) if (!message.settled) return true
    for (let index = 0; index < this.#ring.length; index += 1) {
      if (this.#ring.at(index)?.settled === false) return true
    }
    return false
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
    this.#roomWaiters.add(callback)
  }

  /** Who waits for room gives up. */
  giveUp(callback: () => void): void {
    this.#roomWaiters.giveUp(callback)
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
    for (let tell = this.#roomWaiters.next(); tell !== undefined; tell = this.#roomWaiters.next()) tell()
  }

  #trim(): void {
    while (this.#ring.peek()?.stage === 'done') {
      this.#ring.shift()
      this.#firstId = nextId(this.#firstId)
    }
    this.#tellRoom()
  }

  /** Who is told may leave its place to the next at once: that one comes behind it, and not from within. */
  #tellRoom(): void {
    if (this.#telling) return
    this.#telling = true
    try {
      while (this.open < this.#limit) {
        const tell = this.#roomWaiters.next()
        if (tell === undefined) return
        tell()
      }
    } finally {
      this.#telling = false
    }
  }
}
