// Hot path: one of these per call.
import type { Counters } from '../base/counters.js'
import type { Processed, TransportError } from '../base/errors.js'
import type { Turn } from '../base/turns.js'
import type { Ticket } from '../connection/ticket.js'
import type { Abortable, OuterCall } from './abort.js'
import { type CallOptions, NO_OPTIONS } from './options.js'
import type { AnyMethod } from './service.js'

/** A connection, as far as a call on it is concerned. */
export interface CallPlace {
  /** It takes no calls any more. */
  readonly leaving: boolean
  giveUp(call: PendingCall, error: TransportError): void
  /** The call leaves now, after it waited. Returns its id. */
  leave(call: PendingCall): number
  /** What is left of its time. */
  leftMs(call: PendingCall): number
}

/** Who can make a call again. */
export interface CallKeeper {
  /**
   * An attempt has failed, and is off its connection. Returns the error to fail the call with, or null: the call goes on
   * in another attempt.
   */
  onFailed(attempt: PendingCall, error: TransportError): TransportError | null
}

/** What became of the attempts before this one. */
export interface Attempts {
  readonly made: number
  readonly moves: number
  /** Whether the handler ran for any of them. */
  readonly processed: Processed
  /** Where the last of them failed. */
  readonly place: CallPlace | null
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
  /** What it takes to make it again: borrowed from the caller until it has an outcome. */
  request: unknown = undefined
  options: CallOptions = NO_OPTIONS
  /** The call that it is made for, and ends with. */
  outer: OuterCall | null = null
  /** Null for a call that is made once. */
  keeper: CallKeeper | null = null
  /** Null for the first attempt. */
  before: Attempts | null = null
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
    const final = this.keeper === null ? error : this.keeper.onFailed(this, error)
    if (this.unwatch !== null) this.unwatch()
    // A call that was given up keeps its place for a while, and need not keep its request.
    this.request = undefined
    if (final === null) return
    this.#counters.callsFailed += 1
    this.#reject(final)
  }

  /** The next attempt of the same call, with the same promise and the same deadline. */
  again(before: Attempts): PendingCall {
    const next = new PendingCall(this.method, this.turn, this.timeoutMs, this.#counters, this.#resolve, this.#reject)
    next.request = this.request
    next.options = this.options
    next.outer = this.outer
    next.keeper = this.keeper
    next.before = before
    return next
  }
}
