import { failure, type TransportError } from '../base/errors.js'
import type { Environment } from '../connection/environment.js'
import { Pace } from '../connection/pace.js'
import { watchSignal } from './abort.js'
import { AckedMessage, type AckedMessageOwner, type WaitingPlace } from './acked-message.js'
import { BatchSource } from './batch-source.js'
import { expired } from './caller.js'
import { asError } from './codec-error.js'
import { DeadlineWatch } from './deadline.js'
import type { Metadata } from './metadata.js'
import { type Ack, checkSignal, checkTimeout, laneOf, type SendOptions } from './options.js'
import type { Outbound } from './outbound.js'
import type { AnyMethod } from './service.js'
import type { Session } from './session.js'

/** Under this key of the metadata a message that may be sent again has an id, the same each time. */
const MESSAGE_ID = 'message-id'
const LIFE_BYTES = 8

/** What a message has waited for on its connection: who has goes before those who still do. */
type Waited = 'new' | 'for-acks' | 'for-lane'

/** Sends one-way messages whose sender waits for an acknowledgement. */
export class AckedSender implements AckedMessageOwner {
  readonly #environment: Environment
  readonly #outbound: Outbound
  readonly #timeoutMs: number
  readonly #deadlines: DeadlineWatch
  readonly #open = new Set<AckedMessage>()
  /** A peer may have the same id in its next life, and so may others that share its certificate. Made when it is needed. */
  #life: string | null = null
  #count = 0

  /** `timeoutMs` is for messages that name none. */
  constructor(environment: Environment, outbound: Outbound, timeoutMs: number) {
    this.#environment = environment
    this.#outbound = outbound
    this.#timeoutMs = timeoutMs
    this.#deadlines = new DeadlineWatch(environment, (now) => this.#expire(now))
  }

  /** Resolves when the peer has acknowledged the message. `ack` is what `options` say. */
  send(method: AnyMethod, message: unknown, ack: Ack, options: SendOptions): Promise<void> {
    const { clock, counters } = this.#environment
    if (method.coalescing !== null) {
      throw failure('option-range', `messages of ${method.name} are merged: option ack is not for them`, {
        details: { option: 'ack' },
      })
    }
    const timeoutMs = options.timeoutMs === undefined ? this.#timeoutMs : checkTimeout(options.timeoutMs)
    const { resend = false, signal } = options
    if (signal !== undefined) checkSignal(signal)
    const parcel = {
      method,
      message,
      lane: laneOf(options.priority),
      metadata: this.#outbound.metadata(resend ? this.#named(options.metadata) : options.metadata),
      ack,
      resend,
      timeoutMs,
      expiresAt: clock.now() + timeoutMs,
    }
    return new Promise((resolve, reject) => {
      const acked = new AckedMessage(parcel, this, resolve, reject)
      counters.oneWayAcksAsked += 1
      this.#open.add(acked)
      this.#deadlines.note(parcel.expiresAt)
      if (signal === undefined || watchSignal(acked, signal)) this.#start(acked)
    })
  }

  /** Sends many, in order as far as one connection carries them. Rejects with the first that failed. */
  async sendBatch(method: AnyMethod, messages: Iterable<unknown>, ack: Ack, options: SendOptions): Promise<void> {
    const { maxUnackedMessages } = this.#environment.limits
    const batch = new BatchSource(messages)
    // Most of them wait for their acknowledgement rather than for the socket.
    const pace = new Pace(null, this.#environment.clock)
    let failed: { readonly error: unknown } | null = null
    let open = 0
    let wake: () => void = () => {}
    const onAcked = (): void => {
      batch.accepted += 1
      open -= 1
      wake()
    }
    const onFailed = (error: unknown): void => {
      failed ??= { error }
      open -= 1
      wake()
    }
    try {
      while (failed === null && batch.next()) {
        this.send(method, batch.value, ack, options).then(onAcked, onFailed)
        open += 1
        while (open >= maxUnackedMessages && failed === null) {
          await new Promise<void>((resolve) => {
            wake = resolve
          })
        }
        if (pace.sent()) await pace.rest()
      }
    } catch (error) {
      throw batch.fail(error)
    }
    batch.leave()
    while (open > 0) {
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
    // Assigned in a callback, which the compiler does not see.
    const outcome = failed as { readonly error: unknown } | null
    if (outcome !== null) throw batch.fail(outcome.error)
  }

  onAgain(message: AckedMessage): void {
    // Its connection is about to close: where the next one is, is known when that is done.
    this.#environment.turns.whenEnds(() => this.#start(message))
  }

  onSettled(message: AckedMessage, acked: boolean): void {
    const { counters } = this.#environment
    this.#open.delete(message)
    if (acked) counters.oneWayAcked += 1
    else counters.oneWayUnacked += 1
    if (this.#open.size === 0) this.#deadlines.stop()
  }

  #named(metadata: Metadata = {}): Metadata {
    this.#count += 1
    this.#life ??= Buffer.from(this.#environment.random.bytes(LIFE_BYTES)).toString('hex')
    return { [MESSAGE_ID]: `${this.#environment.peerId}-${this.#life}-${this.#count}`, ...metadata }
  }

  #start(message: AckedMessage): void {
    if (message.settled) return
    const session = this.#outbound.ready(message.parcel.lane)
    if (session !== null) this.#sendOn(session, message, 'new')
    else
      this.#outbound.wait(
        { waiter: message, start: (ready) => this.#sendOn(ready, message, 'new') },
        message.parcel.lane,
      )
  }

  #sendOn(session: Session, message: AckedMessage, waited: Waited): void {
    if (message.settled) return
    if (!session.usable) {
      this.onAgain(message)
      return
    }
    try {
      this.#give(session, message, waited)
    } catch (error) {
      session.unacked.forget(message)
      message.fail(asError(error))
    }
  }

  #give(session: Session, message: AckedMessage, waited: Waited): void {
    const { unacked, caller } = session
    if (!session.agreement.acks) throw failure('ack-unsupported', 'the peer acknowledges no one-way messages')
    if (waited === 'new' && unacked.full) {
      this.#waitFor(unacked, message, () => this.#sendOn(session, message, 'for-acks'))
      return
    }
    if (this.#outbound.overfull(session)) throw this.#full(`more than ${this.#environment.limits.maxQueuedBytes} bytes`)
    const { method, message: value, lane, metadata } = message.parcel
    message.board(unacked)
    unacked.expect(message)
    const offer = caller.send(method, value, lane, metadata, waited === 'for-lane', message)
    if (offer === 'accepted') return
    if (offer !== 'wait') throw this.#full('too many messages of this lane')
    this.#waitFor(session.connection.writes.oneWay(lane), message, () => this.#sendOn(session, message, 'for-lane'))
    // Now, that it has its place in the lane: who gets its place here may come to wait there as well, behind it.
    unacked.forget(message)
  }

  #waitFor(place: WaitingPlace, message: AckedMessage, goOn: () => void): void {
    const { limits, mailbox } = this.#environment
    if (mailbox.overflow !== 'wait') throw this.#full('too many messages without an acknowledgement')
    if (place.waiting >= limits.maxQueuedCalls) throw this.#full('too many senders')
    message.wait(place, goOn)
  }

  #full(what: string): TransportError {
    this.#environment.counters.oneWayRefused += 1
    return this.#outbound.queueFull(what)
  }

  #expire(now: number): number {
    let next = Number.POSITIVE_INFINITY
    for (const message of [...this.#open]) {
      if (message.expiresAt > now) next = Math.min(next, message.expiresAt)
      else message.giveUp((ran) => expired(message.timeoutMs, ran))
    }
    return next
  }
}
