// Hot path where it is used: `offer` runs for every message that is merged.
import { failure, type TransportError } from '../base/errors.js'
import type { Environment } from '../connection/environment.js'
import { Coalescer, type CoalescerOptions } from '../mailbox/coalescer.js'
import type { Offer } from '../mailbox/mailbox.js'
import { Ring } from '../memory/ring.js'
import { asError } from './codec-error.js'
import type { Outbound } from './outbound.js'
import type { AnyMethod } from './service.js'
import type { Session } from './session.js'

/** Someone whose message has to wait for what was before it. */
interface WaitingSender {
  /** The message leaves by itself: what comes later must not be merged into what is before it. */
  readonly alone: boolean
  start(): void
  fail(error: TransportError): void
}

/**
 * The messages of one method and lane that are merged on their way. What was merged takes its place in the mailbox when
 * it is due. As long as it finds none it stays here, and is merged with what comes; a message that would be one more
 * waits in the meantime, is refused or is dropped, as if it had found the mailbox full itself. So there are never more
 * than the `maxItems` of its method beside those in the mailbox, and never more than one for each key.
 */
export class MergedLane {
  readonly lane: number
  readonly #method: AnyMethod
  readonly #environment: Environment
  readonly #outbound: Outbound
  readonly #coalescer: Coalescer<unknown>
  /** In order. There is somebody only while something before them is late. */
  readonly #senders = new Ring<WaitingSender>()
  /** How many of them send alone. */
  #alone = 0
  /** Somebody will call `#goOn`. */
  #waits = false
  /** Where the next one leaves, or waits for room; null where it waits for a connection. */
  #session: Session | null = null
  /** The connection that has told us that it has room. */
  #told: Session | null = null
  #closed = false

  constructor(
    method: AnyMethod,
    coalescing: CoalescerOptions<unknown>,
    lane: number,
    environment: Environment,
    outbound: Outbound,
  ) {
    this.#method = method
    this.lane = lane
    this.#environment = environment
    this.#outbound = outbound
    this.#coalescer = new Coalescer(
      coalescing,
      environment.wheel,
      (merged) => this.#emit(merged),
      () => this.#ready(),
    )
  }

  /** How many senders wait. */
  get waiting(): number {
    return this.#senders.length
  }

  /** What becomes of a message. Throws what `key` and `merge` throw. Counts it, unless it is to wait or refused. */
  offer(message: unknown): Offer {
    const taken =
      this.#senders.length === 0 ? this.#coalescer.add(message) : this.#alone === 0 && this.#coalescer.merge(message)
    if (!taken) return this.#late()
    this.#environment.counters.oneWayCoalesced += 1
    return 'accepted'
  }

  /** The same for a message that leaves by itself: it is accepted, and not sent, where all that was before it has left. */
  offerAlone(): Offer {
    this.flush()
    return this.#coalescer.held ? this.#late() : 'accepted'
  }

  /** Emits what is pending, as far as there is room. */
  flush(): void {
    this.#coalescer.flush()
  }

  /** Resolves when the message was taken after all. */
  wait(message: unknown): Promise<void> {
    return this.#wait(false, () => {
      this.#coalescer.add(message)
      this.#environment.counters.oneWayCoalesced += 1
    })
  }

  /** Sends a message by itself as soon as all that was before it has left. */
  waitAlone(send: () => Promise<void>): Promise<void> {
    return this.#wait(true, send)
  }

  /** Emits what is pending and takes nothing more. What finds no room leaves while the connection is drained. */
  close(): void {
    this.#closed = true
    this.#coalescer.close()
    this.#failSenders(closedError())
  }

  #wait(alone: boolean, start: () => Promise<void> | void): Promise<void> {
    if (this.#closed) return Promise.reject(closedError())
    return new Promise((resolve, reject) => {
      if (alone) this.#alone += 1
      const startNow = (): void => {
        try {
          resolve(start())
        } catch (error) {
          reject(error)
        }
      }
      this.#senders.push({ alone, start: startNow, fail: reject })
    })
  }

  /** What the mailbox would say. Counts what is dropped. */
  #late(): Offer {
    const session = this.#session
    // Who has no connection waits for one, whatever the mailbox is told to do.
    if (session === null) return 'wait'
    if (this.#outbound.overfull(session)) return 'rejected'
    const { mailbox, counters } = this.#environment
    if (mailbox.overflow === 'reject') return 'rejected'
    if (mailbox.overflow !== 'drop-newest') return 'wait'
    counters.oneWayDropped += 1
    return 'dropped'
  }

  /** Whether the next one has a place. Where it has none it waits for that, once for all of them. */
  #ready(): boolean {
    if (this.#waits) return false
    const told = this.#told !== null && this.#takes(this.#told)
    const session = told ? this.#told : this.#outbound.ready(this.lane)
    if (session === null) {
      this.#awaitConnection()
      return false
    }
    const { writes } = session.connection
    // Of a getter or toJSON that sends something; or the connection is being closed just now.
    if (writes.encoding || !this.#takes(session)) {
      this.#awaitEndOfTurn()
      return false
    }
    const oneWay = writes.oneWay(this.lane)
    this.#session = session
    const overfull = this.#outbound.overfull(session)
    if (!overfull && ((!writes.mustWait && !oneWay.holding) || oneWay.open(told))) return true
    this.#waits = true
    const goOn = (): void => this.#goOn(session)
    if (overfull) oneWay.whenOpen(goOn, writes)
    else oneWay.whenRoom(goOn)
    return false
  }

  /** A connection that is drained because the client is closed takes what was accepted before. */
  #takes(session: Session): boolean {
    return session.usable || (this.#closed && session.connection.state !== 'closed')
  }

  #awaitConnection(): void {
    this.#session = null
    this.#waits = true
    this.#outbound.whenReady((session) => this.#goOn(session), this.lane).catch((error) => this.#giveUp(asError(error)))
  }

  #awaitEndOfTurn(): void {
    this.#session = null
    this.#waits = true
    this.#environment.turns.whenEnds(() => this.#goOn(null))
  }

  /** There is room on this connection, or reason to look for one. */
  #goOn(told: Session | null): void {
    this.#waits = false
    if (told !== null && !this.#takes(told)) {
      // Lost or leaving. Where the next one is, is known when that is done.
      if (this.#closed) this.#giveUp(closedError())
      else this.#awaitEndOfTurn()
      return
    }
    this.#told = told
    this.#coalescer.flush()
    this.#letIn()
    this.#told = null
  }

  /** Senders that waited go on, until something is late again. */
  #letIn(): void {
    for (let sender = this.#senders.peek(); sender !== undefined; sender = this.#senders.peek()) {
      if (sender.alone) this.#coalescer.flush()
      if (this.#coalescer.held) return
      this.#senders.shift()
      if (sender.alone) this.#alone -= 1
      sender.start()
    }
  }

  /** The senders of what is merged were told that it is accepted: what cannot be sent is counted as dropped. */
  #emit(message: unknown): void {
    try {
      const offer = this.#session?.caller.send(this.#method, message, this.lane, null, this.#session === this.#told)
      if (offer === 'accepted' || offer === 'dropped') return
    } catch {
      // Its values cannot be encoded, or are too large together.
    }
    this.#environment.counters.oneWayDropped += 1
  }

  /** There is no connection to be had. Those who wait for the same are told. */
  #giveUp(error: TransportError): void {
    this.#waits = false
    this.#environment.counters.oneWayDropped += this.#coalescer.clear()
    this.#failSenders(error)
  }

  #failSenders(error: TransportError): void {
    this.#alone = 0
    for (let sender = this.#senders.shift(); sender !== undefined; sender = this.#senders.shift()) sender.fail(error)
  }
}

function closedError(): TransportError {
  return failure('closed', 'the client is closed')
}
