// Hot path: `send` runs for every one-way message of a client.
import { failure, type TransportError } from '../base/errors.js'
import type { Environment } from '../connection/environment.js'
import type { OneWayLane } from '../connection/one-way-lane.js'
import { Pace } from '../connection/pace.js'
import { Coalescer } from '../mailbox/coalescer.js'
import type { AckedSender } from './acked-sender.js'
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
  /** Made of many, whose senders were told that they are accepted: what cannot be sent is dropped, not refused. */
  readonly merged: boolean
}

/** What is merged leaves later: a turn ends by the number of messages. */
const NO_WRITES = { handedBytes: 0 }

/** Where a batch was interrupted: the last message taken out of it waits on this connection, or others get their turn. */
interface Pumped {
  readonly session: Session
  readonly sent: Promise<void>
}

/** Sends messages without an answer. Where the queue of their lane is full, their sender waits, or is told. */
export class OneWaySender {
  readonly #environment: Environment
  readonly #outbound: Outbound
  readonly #acked: AckedSender
  /** Of methods whose messages are merged, by lane. */
  readonly #coalescers = new Map<AnyMethod, Map<number, Coalescer<unknown>>>()

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
    return this.#sendOne({ method, message, lane, metadata, merged: false })
  }

  /** The same where there is room now. Returns false where there is none, or no connection. */
  trySend(method: AnyMethod, message: unknown, options: SendOptions): boolean {
    if (ackOf(options) !== null) {
      throw failure('option-range', 'trySend waits for nothing: option ack is for send', { details: { option: 'ack' } })
    }
    const lane = laneOf(options.priority)
    const metadata = this.#outbound.metadata(options.metadata)
    if (this.#coalesce(method, message, lane, metadata)) return true
    const session = this.#outbound.ready(lane)
    const offer =
      session === null || this.#outbound.overfull(session)
        ? 'wait'
        : session.caller.send(method, message, lane, metadata, false)
    if (offer === 'accepted' || offer === 'dropped') return true
    this.#environment.counters.oneWayRefused += 1
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
    if (method.coalescing !== null) {
      const pace = new Pace(NO_WRITES, this.#environment.clock)
      for (const message of messages) {
        await this.#sendOne({ method, message, lane, metadata, merged: false })
        if (pace.sent()) await pace.rest()
      }
      return
    }
    const rest = messages[Symbol.iterator]()
    const pump = (ready: Session): Pumped | null => this.#pump(ready, rest, { method, lane, metadata })
    try {
      for (let session = this.#outbound.ready(lane); ; ) {
        const pumped = session === null ? await this.#outbound.whenReady(pump, lane) : pump(session)
        if (pumped === null) return
        await pumped.sent
        // It may be closed or leased meanwhile.
        session = this.#outbound.offers(pumped.session) ? pumped.session : this.#outbound.ready(lane)
      }
    } catch (error) {
      rest.return?.()
      throw error
    }
  }

  /** Sends what waits for company. */
  flush(): void {
    for (const lanes of this.#coalescers.values()) for (const coalescer of lanes.values()) coalescer.close()
    this.#coalescers.clear()
  }

  /** Merges the message with others, where its method says so. What has metadata of its own leaves by itself. */
  #coalesce(method: AnyMethod, message: unknown, lane: number, metadata: Uint8Array | null): boolean {
    if (method.coalescing === null || metadata !== null || this.#outbound.closed) return false
    const lanes = this.#coalescers.get(method) ?? new Map<number, Coalescer<unknown>>()
    this.#coalescers.set(method, lanes)
    let coalescer = lanes.get(lane)
    if (coalescer === undefined) {
      // Its senders were told that it is accepted: what cannot be sent now is counted as dropped.
      const lost = (): void => {
        this.#environment.counters.oneWayDropped += 1
      }
      coalescer = new Coalescer(method.coalescing, this.#environment.wheel, (merged) => {
        try {
          this.#send({ method, message: merged, lane, metadata: null, merged: true }).catch(lost)
        } catch {
          lost()
        }
      })
      lanes.set(lane, coalescer)
    }
    coalescer.add(message)
    this.#environment.counters.oneWayCoalesced += 1
    return true
  }

  #sendOne(parcel: Parcel): Promise<void> {
    const { method, message, lane, metadata } = parcel
    return this.#coalesce(method, message, lane, metadata) ? ACCEPTED : this.#send(parcel)
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
    if (this.#outbound.overfull(session)) {
      throw this.#refusal(parcel, `more than ${this.#environment.limits.maxQueuedBytes} bytes`)
    }
    const offer = session.caller.send(method, message, lane, metadata, false)
    if (offer === 'accepted' || offer === 'dropped') return ACCEPTED
    if (offer === 'wait') return this.#sendWhenRoom(session, parcel)
    throw this.#refusal(parcel, 'too many messages of this lane')
  }

  /** Sends all that is left, as long as nothing has to wait. Returns null when nothing is left. */
  #pump(session: Session, rest: Iterator<unknown>, route: Route): Pumped | null {
    const { method, lane, metadata } = route
    const pace = new Pace(session.connection.writes, this.#environment.clock)
    for (let next = rest.next(); next.done !== true; next = rest.next()) {
      // The iterator of the user may close what it likes.
      if (session.usable && session.caller.sendNow(method, next.value, lane, metadata)) {
        if (pace.sent()) return { session, sent: pace.rest() }
      } else return { session, sent: this.#sendWhenOpen(session, { ...route, message: next.value, merged: false }) }
    }
    return null
  }

  /**
   * A batch waits in its source rather than in the mailbox: encoded where it leaves from, a message costs a third. Where
   * nobody is to wait, the mailbox decides what is refused or dropped.
   */
  async #sendWhenOpen(session: Session, parcel: Parcel): Promise<void> {
    const { method, message, lane, metadata } = parcel
    if (this.#environment.mailbox.overflow !== 'wait') return this.#sendOn(session, parcel)
    while (session.usable) {
      const oneWay = this.#laneWithPlace(session, parcel)
      await new Promise<void>((resolve) => oneWay.whenOpen(resolve, session.connection.writes))
      if (session.usable && session.caller.sendNow(method, message, lane, metadata)) return
    }
    return this.#send(parcel)
  }

  #sendWhenRoom(session: Session, parcel: Parcel): Promise<void> {
    const { method, message, lane, metadata } = parcel
    const oneWay = this.#laneWithPlace(session, parcel)
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
  #laneWithPlace({ connection }: Session, parcel: Parcel): OneWayLane {
    const oneWay = connection.writes.oneWay(parcel.lane)
    if (oneWay.waiting < this.#environment.limits.maxQueuedCalls) return oneWay
    throw this.#refusal(parcel, 'too many senders')
  }

  /** Counted once: a message that is refused to its sender is not dropped as well. */
  #refusal(parcel: Parcel, what: string): TransportError {
    if (!parcel.merged) this.#environment.counters.oneWayRefused += 1
    return this.#outbound.queueFull(what)
  }
}
