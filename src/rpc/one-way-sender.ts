// Hot path: `send` runs for every one-way message of a client.
import { failure, type TransportError } from '../base/errors.js'
import type { Environment } from '../connection/environment.js'
import type { OneWayLane } from '../connection/one-way-lane.js'
import { Pace } from '../connection/pace.js'
import type { Offer } from '../mailbox/mailbox.js'
import type { AckedSender } from './acked-sender.js'
import { BatchSource } from './batch-source.js'
import { MergedLane } from './merged-lane.js'
import { ackOf, laneOf, type SendOptions } from './options.js'
import type { Outbound } from './outbound.js'
import type { AnyMethod } from './service.js'
import type { Session } from './session.js'

/** What `send` returns when nothing needs waiting for: one promise for all. */
const ACCEPTED: Promise<void> = Promise.resolve()

/** How a one-way message travels. */
interface Route {
  readonly method: AnyMethod
  readonly lane: number
  readonly metadata: Uint8Array | null
}

/** A one-way message with its route. */
interface Parcel extends Route {
  readonly message: unknown
}

/** Where a batch was interrupted: the last message taken out of it waits on this connection, or others get their turn. */
interface Pumped {
  readonly session: Session
  readonly sent: Promise<void>
  /** Of those that were taken out, how many are accepted when that resolves, and were not before. */
  readonly messages: number
}

/** Sends messages without an answer. Where the queue of their lane is full, their sender waits, or is told. */
export class OneWaySender {
  readonly #environment: Environment
  readonly #outbound: Outbound
  readonly #acked: AckedSender
  /** Of methods whose messages are merged, by lane. */
  readonly #merged = new Map<AnyMethod, Map<number, MergedLane>>()

  constructor(environment: Environment, outbound: Outbound, acked: AckedSender) {
    this.#environment = environment
    this.#outbound = outbound
    this.#acked = acked
  }

  /** Sends a message on the best connection, or queues it there. The promise waits where the queue is full. */
  send(method: AnyMethod, message: unknown, options: SendOptions): Promise<void> {
    const ack = ackOf(options)
    if (ack !== null) return this.#acked.send(method, message, ack, options)
    const lane = laneOf(options.priority)
    const metadata = this.#outbound.metadata(options.metadata)
    return this.#sendOne({ method, message, lane, metadata })
  }

  /** The same where there is room now. Returns false where the message is not kept: there is none, or no connection. */
  trySend(method: AnyMethod, message: unknown, options: SendOptions): boolean {
    if (ackOf(options) !== null) {
      throw failure('option-range', 'trySend waits for nothing: option ack is for send', { details: { option: 'ack' } })
    }
    const lane = laneOf(options.priority)
    const metadata = this.#outbound.metadata(options.metadata)
    const offer = this.#offerNow(method, message, lane, metadata)
    if (offer === 'accepted') return true
    if (offer !== 'dropped') this.#environment.counters.oneWayRefused += 1
    return false
  }

  /** Sends many, on one connection as long as it lives: between two of them there is no order. */
  async sendBatch(method: AnyMethod, messages: Iterable<unknown>, options: SendOptions): Promise<void> {
    if (typeof messages !== 'object' || messages === null || !(Symbol.iterator in messages)) {
      throw failure('option-type', `sendBatch takes an iterable of messages for ${method.name}`)
    }
    const ack = ackOf(options)
    if (ack !== null) return this.#acked.sendBatch(method, messages, ack, options)
    const lane = laneOf(options.priority)
    const metadata = this.#outbound.metadata(options.metadata)
    const batch = new BatchSource(messages)
    const route = { method, lane, metadata }
    try {
      await (method.coalescing === null ? this.#sendAll(batch, route) : this.#sendEach(batch, route))
    } catch (error) {
      throw batch.fail(error)
    }
  }

  /** Sends what waits for company, and merges nothing more: the client closes. */
  flush(): void {
    for (const lanes of this.#merged.values()) for (const merged of lanes.values()) merged.close()
    this.#merged.clear()
  }

  async #sendAll(batch: BatchSource, route: Route): Promise<void> {
    const { lane } = route
    const pump = (ready: Session): Pumped | null => this.#pump(ready, batch, route)
    for (let session = this.#outbound.ready(lane); ; ) {
      const pumped = session === null ? await this.#outbound.whenReady(pump, lane) : pump(session)
      if (pumped === null) return
      await pumped.sent
      batch.accepted += pumped.messages
      // It may be closed or leased meanwhile.
      session = this.#outbound.offers(pumped.session) ? pumped.session : this.#outbound.ready(lane)
    }
  }

  /** What is merged leaves later, and not as what it was. */
  async #sendEach(batch: BatchSource, route: Route): Promise<void> {
    const pace = new Pace(null, this.#environment.clock)
    while (batch.next()) {
      const sent = this.#sendOne({ ...route, message: batch.value })
      if (sent !== ACCEPTED) await sent
      batch.accepted += 1
      if (pace.sent()) await pace.rest()
    }
  }

  /** What can be done with a message without waiting for anything. */
  #offerNow(method: AnyMethod, message: unknown, lane: number, metadata: Uint8Array | null): Offer {
    const merged = this.#mergedLane(method, lane)
    if (merged !== null) {
      const offer = metadata === null ? merged.offer(message) : this.#offerAlone(merged, method)
      if (offer !== 'accepted' || metadata === null) return offer
    }
    const session = this.#outbound.ready(lane)
    if (session === null || this.#outbound.overfull(session)) return 'wait'
    return session.caller.send(method, message, lane, metadata, false)
  }

  #sendOne(parcel: Parcel): Promise<void> {
    const { method, message, lane, metadata } = parcel
    const merged = this.#mergedLane(method, lane)
    if (merged === null) return this.#send(parcel)
    switch (metadata === null ? merged.offer(message) : this.#offerAlone(merged, method)) {
      case 'accepted':
        return metadata === null ? ACCEPTED : this.#send(parcel)
      case 'dropped':
        return ACCEPTED
      case 'rejected':
        throw this.#refusal('too many messages of this lane')
      case 'wait':
        if (merged.waiting >= this.#environment.limits.maxQueuedCalls) throw this.#refusal('too many senders')
        return metadata === null ? merged.wait(message) : merged.waitAlone(() => this.#send(parcel))
    }
  }

  /** What has metadata of its own leaves by itself, behind all that was merged before it. */
  #offerAlone(merged: MergedLane, method: AnyMethod): Offer {
    const lanes = this.#merged.get(method)
    // Another lane may be slower, and has no order with this one; but it need not wait for its time either.
    if (lanes !== undefined) for (const other of lanes.values()) if (other !== merged) other.flush()
    return merged.offerAlone()
  }

  /** Where messages of the method are merged; null where they are not. */
  #mergedLane(method: AnyMethod, lane: number): MergedLane | null {
    const { coalescing } = method
    if (coalescing === null || this.#outbound.closed) return null
    let lanes = this.#merged.get(method)
    if (lanes === undefined) {
      lanes = new Map()
      this.#merged.set(method, lanes)
    }
    let merged = lanes.get(lane)
    if (merged === undefined) {
      merged = new MergedLane(method, coalescing, lane, this.#environment, this.#outbound)
      lanes.set(lane, merged)
    }
    return merged
  }

  #send(parcel: Parcel): Promise<void> {
    const session = this.#outbound.ready(parcel.lane)
    return session === null
      ? this.#outbound.whenReady((ready) => this.#sendOn(ready, parcel), parcel.lane)
      : this.#sendOn(session, parcel)
  }

  /** Throws what is wrong with the message. The promise waits where the queue is full. */
  #sendOn(session: Session, parcel: Parcel): Promise<void> {
    const { method, message, lane, metadata } = parcel
    return this.#offer(session, method, message, lane, metadata) ? ACCEPTED : this.#sendWhenRoom(session, parcel)
  }

  /** Returns false where the message has to wait. Throws what is wrong with it, or that it is refused. */
  #offer(session: Session, method: AnyMethod, message: unknown, lane: number, metadata: Uint8Array | null): boolean {
    if (this.#outbound.overfull(session)) {
      throw this.#refusal(`more than ${this.#environment.limits.maxQueuedBytes} bytes`)
    }
    const offer = session.caller.send(method, message, lane, metadata, false)
    if (offer === 'rejected') throw this.#refusal('too many messages of this lane')
    return offer !== 'wait'
  }

  /** Sends all that is left, as long as nothing has to wait. Returns null when nothing is left. */
  #pump(session: Session, batch: BatchSource, route: Route): Pumped | null {
    const { method, lane, metadata } = route
    const waits = this.#environment.mailbox.overflow === 'wait'
    const { mailbox } = session.connection.writes.oneWay(lane)
    // What the peer has said since the last turn is known.
    let fresh = true
    const pace = new Pace(session.connection.writes, this.#environment.clock)
    while (batch.next()) {
      // The iterator of the user may close what it likes.
      if (!session.usable || !session.caller.sendNow(method, batch.value, lane, metadata)) {
        if (waits || !session.usable) {
          const sent = this.#sendWhenOpen(session, { ...route, message: batch.value })
          return { session, sent, messages: 1 }
        }
        // Before one is lost the peer gets the time to say that it has read the others.
        if (mailbox.full && !fresh) {
          batch.keep()
          return { session, sent: pace.rest(), messages: 0 }
        }
        this.#offer(session, method, batch.value, lane, metadata)
      }
      fresh = false
      batch.accepted += 1
      if (pace.sent()) return { session, sent: pace.rest(), messages: 0 }
    }
    return null
  }

  /** A batch waits in its source rather than in the mailbox: encoded where it leaves from, a message costs a third. */
  async #sendWhenOpen(session: Session, parcel: Parcel): Promise<void> {
    const { method, message, lane, metadata } = parcel
    while (session.usable) {
      const oneWay = this.#laneWithPlace(session, lane)
      await new Promise<void>((resolve) => oneWay.whenOpen(resolve, session.connection.writes))
      if (session.usable && session.caller.sendNow(method, message, lane, metadata)) return
    }
    return this.#send(parcel)
  }

  #sendWhenRoom(session: Session, parcel: Parcel): Promise<void> {
    const { method, message, lane, metadata } = parcel
    const oneWay = this.#laneWithPlace(session, lane)
    return new Promise((resolve, reject) => {
      oneWay.whenRoom(() => {
        try {
          // Closed, or leaving: the message was never taken, and goes elsewhere.
          if (!session.usable) resolve(Promise.resolve(parcel).then((moved) => this.#send(moved)))
          else {
            session.caller.send(method, message, lane, metadata, true)
            resolve()
          }
        } catch (error) {
          reject(error)
        }
      })
    })
  }

  /** The lane, unless too many senders wait there. */
  #laneWithPlace({ connection }: Session, lane: number): OneWayLane {
    const oneWay = connection.writes.oneWay(lane)
    if (oneWay.waiting < this.#environment.limits.maxQueuedCalls) return oneWay
    throw this.#refusal('too many senders')
  }

  /** Counted. */
  #refusal(what: string): TransportError {
    this.#environment.counters.oneWayRefused += 1
    return this.#outbound.queueFull(what)
  }
}
