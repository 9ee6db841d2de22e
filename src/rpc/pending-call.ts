// Hot path: one of these per call.
import type { Counters } from '../base/counters.js'
import type { Processed, TransportError } from '../base/errors.js'
import type { Turn } from '../base/turns.js'
import type { Ticket } from '../connection/ticket.js'
import type { Abortable } from './abort.js'
import type { AnyMethod } from './service.js'

/** A connection, as far as a call on it is concerned. */
export interface CallPlace {
  giveUp(call: PendingCall, error: TransportError): void
  /** The call leaves now, after it waited. Returns its id. */
  leave(call: PendingCall): number
  /** What is left of its time. */
  leftMs(call: PendingCall): number
}

/**
 * A call that waits for its answer. The promise is settled once; a call that was given up keeps its place in the
 * table until the peer says that the handler has settled, because so long the peer holds a slot for it.
 */
export class PendingCall implements Ticket, Abortable {
  readonly method: AnyMethod
  /** The turn in which it was made; its time begins when that ends. */
  readonly turn: Turn
  readonly timeoutMs: number
  settled = false
  /** Where the call is, once it is on a connection. */
  place: CallPlace | null = null
  id = 0
  /** Behind the call's frame in the stream of bytes: handed to the socket once `handedBytes` has reached it. */
  endPosition = Number.POSITIVE_INFINITY
  /** Ends the watch over the caller's signal. */
  unwatch: (() => void) | null = null
  readonly #counters: Counters
  readonly #resolve: (value: unknown) => void
  readonly #reject: (error: unknown) => void

  constructor(
    method: AnyMethod,
    turn: Turn,
    timeoutMs: number,
    counters: Counters,
    resolve: (value: unknown) => void,
    reject: (error: unknown) => void,
  ) {
    this.method = method
    this.turn = turn
    this.timeoutMs = timeoutMs
    this.#counters = counters
    this.#resolve = resolve
    this.#reject = reject
  }

  get expiresAt(): number {
    return this.turn.endedAt + this.timeoutMs
  }

  get withdrawn(): boolean {
    return this.settled
  }

  get leftMs(): number {
    return this.place === null ? this.timeoutMs : this.place.leftMs(this)
  }

  leave(): number {
    return this.place === null ? this.id : this.place.leave(this)
  }

  /** It waits for the socket on our side: nothing of it counts for the peer. */
  get held(): boolean {
    return this.endPosition === Number.POSITIVE_INFINITY
  }

  succeed(value: unknown): void {
    this.settled = true
    if (this.unwatch !== null) this.unwatch()
    this.#counters.callsSucceeded += 1
    this.#resolve(value)
  }

  /** Settles before there is an outcome: a call that is on a connection is cancelled there. */
  giveUp(error: (processed: Processed) => TransportError): void {
    if (this.settled) return
    if (this.place === null) this.fail(error('no'))
    else this.place.giveUp(this, error(this.held ? 'no' : 'maybe'))
  }

  fail(error: TransportError): void {
    this.settled = true
    if (this.unwatch !== null) this.unwatch()
    this.#counters.callsFailed += 1
    this.#reject(error)
  }
}
