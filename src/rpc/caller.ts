// Hot path: `call`, `send` and `onAnswer` run for every message.
// Long: calls and messages leave here, and calls come to their one end here, in each way that there is.
import { failure, processed, type TransportError } from '../base/errors.js'
import type { Connection } from '../connection/connection.js'
import { sendCancel } from '../connection/control-frames.js'
import type { Environment } from '../connection/environment.js'
import { ExchangeTable } from '../connection/exchange.js'
import type { Agreement } from '../connection/hello.js'
import type { InboundMessage } from '../connection/inbound.js'
import { flagsOf } from '../connection/message-flags.js'
import { reentrant } from '../connection/reentrant.js'
import type { OneWayTicket } from '../connection/ticket.js'
import type { Offer } from '../mailbox/mailbox.js'
import { asError } from './codec-error.js'
import { DeadlineWatch } from './deadline.js'
import { isFault } from './faults.js'
import type { MethodNumbers } from './method-numbers.js'
import type { CallPlace, PendingCall } from './pending-call.js'
import type { AnyMethod } from './service.js'

/**
 * Half of the open calls to a write, so that the peer works on one half while the other is made. At 64 in flight this is
 * worth 1.5x against one write per turn, and 1.1 against a quarter to a write, which takes more calls of the system.
 */
const LEAST_FLUSH_MESSAGES = 8
const FLUSH_SHIFT = 1

/** The calls that this side makes on one connection. */
export class Caller implements CallPlace {
  readonly #connection: Connection
  readonly #environment: Environment
  readonly #numbers: MethodNumbers
  readonly #table: ExchangeTable<PendingCall>
  readonly #limit: number
  readonly #deadlines: DeadlineWatch
  /** Calls and streams that show that the peer works, and those that failed in a way that may be its fault. */
  answered = 0
  faults = 0
  readonly #onFault: () => void
  /** Calls that were given up and whose handler has not settled. */
  #abandoned = 0
  /** Since the peer's GO_AWAY: the first id that it does not run. */
  #refusedFrom: number | null = null

  /** `onFault` is told of what `faults` counts, and of nothing else: answers cost an addition. */
  constructor(
    connection: Connection,
    agreement: Agreement,
    environment: Environment,
    numbers: MethodNumbers,
    onFault: () => void,
  ) {
    const { limits } = environment
    this.#connection = connection
    this.#environment = environment
    this.#numbers = numbers
    this.#onFault = onFault
    this.#limit = Math.min(limits.maxOpenCalls, agreement.maxOpenCalls)
    this.#table = new ExchangeTable(this.#limit)
    this.#deadlines = new DeadlineWatch(environment, (now) => this.#expire(now))
  }

  /** Calls whose handler has not settled, those that were given up included. */
  get open(): number {
    return this.#table.size
  }

  get leaving(): boolean {
    return this.#connection.state !== 'ready'
  }

  /** Calls whose caller still waits. */
  get waiting(): number {
    return this.#table.size - this.#abandoned
  }

  /** Rises with every call. */
  get lastId(): number {
    return this.#table.lastId
  }

  get full(): boolean {
    return this.#table.size >= this.#limit
  }

  /**
   * Puts a call on the wire, with what is left of its time. Settles the call and nothing else when the peer does not
   * take the method or the value cannot be encoded.
   */
  call(pending: PendingCall, value: unknown, lane: number, metadata: Uint8Array | null, timeoutMs: number): void {
    const { writes } = this.#connection
    const { method } = pending
    if (writes.encoding) {
      pending.fail(reentrant())
      return
    }
    let number = this.#numbers.get(method)
    if (number === 0) {
      try {
        number = this.#numbers.introduce(method)
      } catch (error) {
        pending.fail(asError(error))
        return
      }
    }
    if (writes.blocked) this.#connection.readOn()
    const id = this.#table.open(pending)
    writes.flushMessages = Math.max(LEAST_FLUSH_MESSAGES, this.#table.size >> FLUSH_SHIFT)
    pending.id = id
    pending.place = this
    try {
      writes.beginCall(flagsOf(method.requestCodec, lane, metadata !== null), number, id, timeoutMs)
      if (metadata !== null) writes.putMetadata(metadata)
      method.request.encode(value, writes.out)
      writes.endMessage(pending)
    } catch (error) {
      writes.abandon()
      this.#table.close(id)
      pending.fail(asError(error))
      return
    }
    this.#deadlines.noteTimeout(timeoutMs)
  }

  /**
   * Sends a one-way message, or queues it in its lane. Throws what is wrong with the value. `inTurn`: its sender has
   * waited for room, and goes before those that still do.
   */
  send(
    method: AnyMethod,
    value: unknown,
    lane: number,
    metadata: Uint8Array | null,
    inTurn: boolean,
    ticket: OneWayTicket | null = null,
  ): Offer {
    const { writes } = this.#connection
    const oneWay = writes.oneWay(lane)
    const held = writes.mustWait || oneWay.holding
    if (held) {
      const offer = oneWay.admit(inTurn)
      if (offer !== 'accepted') return offer
    }
    this.#encode(method, value, lane, metadata, held, ticket)
    return 'accepted'
  }

  /** Sends a one-way message without a queue. Returns false where something holds it back. Throws as `send` does. */
  sendNow(method: AnyMethod, value: unknown, lane: number, metadata: Uint8Array | null): boolean {
    const { writes } = this.#connection
    if (writes.mustWait || writes.oneWay(lane).holding) return false
    this.#encode(method, value, lane, metadata, false, null)
    return true
  }

  /** Settles a call before its answer. Its place is kept until the peer says that the handler has settled. */
  giveUp(pending: PendingCall, error: TransportError): void {
    if (pending.settled) return
    if (pending.held) {
      // It never leaves, and so takes no place with the peer.
      this.#table.close(pending.id)
      pending.fail(error)
      return
    }
    this.#abandoned += 1
    pending.fail(error)
    const { cancels, writes } = this.#connection
    const { id } = pending
    const wanted = (): boolean => this.#table.get(id) === pending
    // The peer keeps the deadline by itself.
    cancels.say({ wanted, tell: () => sendCancel(writes, id, error.code) }, error.code === 'DEADLINE_EXCEEDED')
  }

  /** Ids rise in the order in which calls leave, which is not always the one in which they were made. */
  leave(pending: PendingCall): number {
    this.#table.close(pending.id)
    pending.id = this.#table.open(pending)
    return pending.id
  }

  leftMs(pending: PendingCall): number {
    return Math.max(1, Math.min(pending.timeoutMs, Math.ceil(pending.expiresAt - this.#environment.clock.now())))
  }

  onAnswer(message: InboundMessage): void {
    const pending = this.#table.close(message.id)
    if (pending === undefined) {
      this.#connection.fail(failure('answer-unknown', `an answer to call ${message.id}, which is not open`))
      return
    }
    // Given up before: this only gives its place back.
    if (pending.settled) {
      this.#abandoned -= 1
      return
    }
    this.answered += 1
    const { response, responseCodec } = pending.method
    let value: unknown
    try {
      if (message.codec !== responseCodec) throw wrongCodec(message.codec, response.name)
      value = response.decode(message.bytes, message.start, message.end, message.owned, this.#environment.limits)
    } catch (error) {
      const failed = processed(asError(error), 'yes')
      if (failed.reason !== undefined) this.#environment.counters.failed(failed.reason)
      pending.fail(failed)
      this.#connection.strike()
      return
    }
    pending.succeed(value)
  }

  onError(id: number, error: TransportError): void {
    const pending = this.#table.close(id)
    if (pending === undefined) {
      // A call that crossed the GO_AWAY is refused by both: the GO_AWAY has settled it.
      if (this.#refusedFrom !== null && ((id - this.#refusedFrom) | 0) >= 0) return
      this.#connection.fail(failure('answer-unknown', `an error for call ${id}, which is not open`))
    } else if (pending.settled) this.#abandoned -= 1
    else {
      pending.fail(error)
      this.#judge(isFault(error))
    }
  }

  /** A stream is over. */
  onStreamOver(error: unknown): void {
    if (error === null || isFault(error)) this.#judge(error !== null)
  }

  /** The peer runs no call with an id above this one. */
  onGoAway(lastAcceptedId: number, error: TransportError): void {
    this.#refusedFrom = (lastAcceptedId + 1) | 0
    this.#table.forEach((pending, id) => {
      if (((id - lastAcceptedId) | 0) <= 0 && !pending.held) return
      this.#table.close(id)
      if (pending.settled) this.#abandoned -= 1
      else pending.fail(processed(error, 'no'))
    })
  }

  /** Settles every open call: those whose bytes never reached the socket were not processed. */
  onClosed(error: TransportError, handedBytes: number): void {
    this.#deadlines.stop()
    this.#table.forEach((pending, id) => {
      this.#table.close(id)
      if (pending.settled) this.#abandoned -= 1
      else pending.fail(processed(error, pending.endPosition <= handedBytes ? 'maybe' : 'no'))
    })
  }

  #judge(fault: boolean): void {
    if (!fault) {
      this.answered += 1
      return
    }
    this.faults += 1
    this.#onFault()
  }

  #encode(
    method: AnyMethod,
    value: unknown,
    lane: number,
    metadata: Uint8Array | null,
    held: boolean,
    ticket: OneWayTicket | null,
  ): void {
    const { writes } = this.#connection
    if (writes.encoding) throw reentrant()
    const number = this.#numbers.get(method) || this.#numbers.introduce(method)
    const flags = flagsOf(method.requestCodec, lane, metadata !== null)
    try {
      if (held) writes.beginHeldOneWay(flags, number)
      else writes.beginOneWay(flags, number, ticket)
      if (metadata !== null) writes.putMetadata(metadata)
      method.request.encode(value, writes.out)
      if (held) writes.holdOneWay(flags, number, writes.oneWay(lane), ticket)
      else writes.endOneWay(ticket)
    } catch (error) {
      writes.abandon()
      throw asError(error)
    }
    // One that is held is counted when it leaves.
    if (!held) this.#environment.counters.oneWaySent += 1
  }

  /** Settles what is due; returns the earliest deadline left. */
  #expire(now: number): number {
    let next = Number.POSITIVE_INFINITY
    this.#table.forEach((pending) => {
      if (pending.settled) return
      if (pending.expiresAt > now) next = Math.min(next, pending.expiresAt)
      else {
        this.giveUp(pending, expired(pending.timeoutMs, pending.held ? 'no' : 'maybe'))
        this.#judge(true)
      }
    })
    return this.#connection.state === 'closed' ? Number.POSITIVE_INFINITY : next
  }
}

export function expired(timeoutMs: number, ran: TransportError['processed']): TransportError {
  return failure('deadline', `the call had no outcome within ${timeoutMs} ms`, {
    processed: ran,
    details: { timeoutMs },
  })
}

function wrongCodec(got: number, expected: string): TransportError {
  return failure('codec-not-agreed', `the answer is in codec number ${got}, the method uses ${expected}`)
}
