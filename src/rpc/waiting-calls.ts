import { failure, type TransportError } from '../base/errors.js'
import type { Turn, Turns } from '../base/turns.js'
import type { Environment } from '../connection/environment.js'
import { Ring } from '../memory/ring.js'
import { expired } from './caller.js'
import { DeadlineWatch } from './deadline.js'
import type { Session } from './session.js'

/** A call, or anything else, that needs a connection. */
export interface Waiter {
  readonly settled: boolean
  /** On the clock; Infinity while the turn in which it began goes on. */
  readonly expiresAt: number
  readonly timeoutMs: number
  fail(error: TransportError): void
}

export interface WaitingCall {
  readonly waiter: Waiter
  /** Puts it on a connection. */
  readonly start: (session: Session) => void
}

/** Calls that wait for a connection, in order, `limits.maxQueuedCalls` of them at most. None of them was processed. */
export class WaitingCalls {
  readonly #limit: number
  readonly #counters: Environment['counters']
  readonly #ring = new Ring<WaitingCall>()
  readonly #turns: Turns
  readonly #deadlines: DeadlineWatch
  /** The turn in which the queue was last searched for places to free. */
  #sweptIn: Turn | null = null

  constructor(environment: Environment) {
    this.#limit = environment.limits.maxQueuedCalls
    this.#counters = environment.counters
    this.#turns = environment.turns
    this.#deadlines = new DeadlineWatch(environment, (now) => this.#expire(now))
  }

  get length(): number {
    return this.#ring.length
  }

  /** Queues the call, or settles it when the queue is full. */
  add(waiting: WaitingCall): void {
    if (this.#ring.length >= this.#limit) this.#makeRoom()
    if (this.#ring.length >= this.#limit) {
      this.#counters.failed('queue-full')
      waiting.waiter.fail(failure('queue-full', `${this.#limit} calls wait for a connection already`))
      return
    }
    this.#ring.push(waiting)
    const { expiresAt, timeoutMs } = waiting.waiter
    // A call that was on a connection before has less than all of its time left.
    if (expiresAt < Number.POSITIVE_INFINITY) this.#deadlines.note(expiresAt)
    else this.#deadlines.noteTimeout(timeoutMs)
  }

  /** The oldest call that still waits. */
  next(): WaitingCall | undefined {
    for (let waiting = this.#ring.shift(); waiting !== undefined; waiting = this.#ring.shift()) {
      if (this.#ring.length === 0) this.#deadlines.stop()
      if (!waiting.waiter.settled) return waiting
    }
    return undefined
  }

  /** Settles all of them. */
  failAll(error: TransportError): void {
    for (let waiting = this.next(); waiting !== undefined; waiting = this.next()) waiting.waiter.fail(error)
  }

  /** Frees the places of calls that were given up. Once a turn: a full queue is not searched for every refusal. */
  #makeRoom(): void {
    const turn = this.#turns.current()
    if (turn === this.#sweptIn) return
    this.#sweptIn = turn
    this.#sweep()
  }

  #sweep(): void {
    for (let left = this.#ring.length; left > 0; left -= 1) {
      const waiting = this.#ring.shift()
      if (waiting !== undefined && !waiting.waiter.settled) this.#ring.push(waiting)
    }
  }

  #expire(now: number): number {
    let next = Number.POSITIVE_INFINITY
    this.#ring.forEach(({ waiter }) => {
      if (waiter.settled) return
      if (waiter.expiresAt > now) next = Math.min(next, waiter.expiresAt)
      else waiter.fail(expired(waiter.timeoutMs, 'no'))
    })
    this.#sweep()
    return next
  }
}
