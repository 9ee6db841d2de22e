import { failure, type Processed, processed, type TransportError } from '../base/errors.js'
import type { OneWayTicket } from '../connection/ticket.js'
import type { AckStage, Unacked, Unacknowledged } from '../connection/unacked.js'
import type { Abortable } from './abort.js'
import type { Ack } from './options.js'
import { furthest } from './retry.js'
import type { AnyMethod } from './service.js'
import type { Waiter } from './waiting-calls.js'

/** What is sent, and how it travels. */
export interface AckedParcel {
  readonly method: AnyMethod
  readonly message: unknown
  readonly lane: number
  readonly metadata: Uint8Array | null
  /** What its sender waits for. */
  readonly ack: Ack
  /** Sent again where nobody knows whether it was received. */
  readonly resend: boolean
  readonly timeoutMs: number
  readonly expiresAt: number
}

/** Where there may be no room for a message. */
export interface WaitingPlace {
  readonly waiting: number
  whenRoom(callback: () => void): void
  giveUp(callback: () => void): void
}

export interface AckedMessageOwner {
  /** The connection is lost, and the message is to travel on another. */
  onAgain(message: AckedMessage): void
  onSettled(message: AckedMessage, acked: boolean): void
}

/** A one-way message whose sender waits for an acknowledgement, from its first connection to its last. */
export class AckedMessage implements OneWayTicket, Unacknowledged, Waiter, Abortable {
  readonly parcel: AckedParcel
  readonly leftMs = 0
  stage: AckStage = 'sent'
  settled = false
  unwatch: (() => void) | null = null
  endPosition = Number.POSITIVE_INFINITY
  readonly #owner: AckedMessageOwner
  readonly #resolve: () => void
  readonly #reject: (error: TransportError) => void
  /** Where it is, or waits to leave. */
  #unacked: Unacked | null = null
  #begun = false
  #id = 0
  /** It waits for room: takes it out of there. */
  #leaveQueue: (() => void) | null = null
  /** On the connections before this one. */
  #ran: Processed = 'no'

  constructor(
    parcel: AckedParcel,
    owner: AckedMessageOwner,
    resolve: () => void,
    reject: (error: TransportError) => void,
  ) {
    this.parcel = parcel
    this.#owner = owner
    this.#resolve = resolve
    this.#reject = reject
  }

  get expiresAt(): number {
    return this.parcel.expiresAt
  }

  get timeoutMs(): number {
    return this.parcel.timeoutMs
  }

  /** Nobody waits for it any more, and nothing of it has left. */
  get withdrawn(): boolean {
    return this.settled && !this.#begun
  }

  /** Goes on as soon as there is room there. Who is given up before waits for none. */
  wait(place: WaitingPlace, goOn: () => void): void {
    const onRoom = (): void => {
      this.#leaveQueue = null
      goOn()
    }
    this.#leaveQueue = () => place.giveUp(onRoom)
    place.whenRoom(onRoom)
  }

  /** It is about to be given to a connection. */
  board(unacked: Unacked): void {
    this.#unacked = unacked
    this.#begun = false
    this.#id = 0
    this.stage = 'sent'
    this.endPosition = Number.POSITIVE_INFINITY
  }

  begin(): number {
    this.#begun = true
    return this.#unacked?.nextId ?? 0
  }

  leave(): number {
    if (this.#id === 0 && this.#unacked !== null) this.#id = this.#unacked.leave(this)
    return this.#id
  }

  onDropped(): void {
    this.#unacked?.forget(this)
    this.fail(failure('queue-full', 'a newer message of this lane took its place'))
  }

  onAccepted(): void {
    if (this.parcel.ack === 'accepted') this.#succeed()
  }

  onProcessed(): void {
    this.#succeed()
  }

  onRefused(error: TransportError): void {
    this.fail(error)
  }

  onLost(error: TransportError, ran: Processed): void {
    if (this.settled) return
    if (ran === 'no' || this.parcel.resend) {
      this.#ran = furthest(this.#ran, ran)
      this.#owner.onAgain(this)
    } else this.fail(processed(error, ran))
  }

  giveUp(error: (ran: Processed) => TransportError): void {
    this.fail(error(this.#begun ? 'maybe' : 'no'))
    this.#unacked?.onGivenUp()
  }

  /** What an earlier connection may have made of it is not undone by what happens to it now. */
  fail(error: TransportError): void {
    const ran = furthest(this.#ran, error.processed)
    if (this.#settle(false)) this.#reject(ran === error.processed ? error : processed(error, ran))
  }

  #succeed(): void {
    if (this.#settle(true)) this.#resolve()
  }

  #settle(acked: boolean): boolean {
    if (this.settled) return false
    this.settled = true
    this.unwatch?.()
    this.#leaveQueue?.()
    this.#leaveQueue = null
    // One that waits keeps nobody waiting.
    if (!this.#begun) this.#unacked?.forget(this)
    this.#owner.onSettled(this, acked)
    return true
  }
}
