import { processed, type TransportError } from '../base/errors.js'
import { WheelTimer } from '../base/timer-wheel.js'
import type { Environment } from '../connection/environment.js'
import { watchCall } from './abort.js'
import type { CallKeeper, PendingCall } from './pending-call.js'
import { furthest, neverLeft, pauseMs, type Remedy, remedyFor, saysOverload } from './retry.js'
import { RetryBudget, type RetryOptions } from './retry-budget.js'
import type { Throttle } from './throttle.js'

/**
 * So often is a call taken to another connection without a token: from a server that leaves to one that leaves in the
 * same moment, and on. Servers that leave whenever they are asked are a failure like others, and so is the third move.
 */
const FREE_MOVES = 2

type Parts = Pick<Environment, 'clock' | 'random' | 'wheel' | 'counters'>

/** Makes calls again that failed, where that is safe: within their deadline and the budget of the client. */
export class CallRepeater implements CallKeeper {
  readonly #parts: Parts
  readonly #options: RetryOptions
  readonly #budget: RetryBudget
  readonly #throttle: Throttle
  readonly #start: (attempt: PendingCall) => void
  /** Between two attempts. Each holds a token or waited for a connection that was lost, so that they are few. */
  readonly #pausing = new Map<PendingCall, WheelTimer>()
  #closed = false

  /** `start` puts an attempt on a connection. */
  constructor(parts: Parts, options: RetryOptions, throttle: Throttle, start: (attempt: PendingCall) => void) {
    this.#parts = parts
    this.#options = options
    this.#budget = new RetryBudget(options)
    this.#throttle = throttle
    this.#start = start
  }

  /** Calls between two attempts. */
  get pausing(): number {
    return this.#pausing.size
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Of the client: nothing is made again any more. */
  close(error: TransportError): void {
    this.#closed = true
    for (const attempt of [...this.#pausing.keys()]) attempt.fail(error)
  }

  onFailed(attempt: PendingCall, error: TransportError): TransportError | null {
    const timer = this.#pausing.get(attempt)
    if (timer !== undefined) {
      this.#parts.wheel.disarm(timer)
      this.#pausing.delete(attempt)
    }
    this.noteOverload(error)
    return this.#goesOn(attempt, error) ? null : finalError(attempt, error)
  }

  /** Takes a token for one attempt more. */
  spend(): boolean {
    const { counters } = this.#parts
    if (this.#budget.take(counters.callsSucceeded)) return true
    counters.retriesRefused += 1
    return false
  }

  /**
   * Whether a call is moved for nothing after so many moves: what a peer refuses because it leaves, and then stays, has
   * failed like any other call.
   */
  movesFreely({ place }: PendingCall, moves: number): boolean {
    return moves < FREE_MOVES && (place === null || place.leaving)
  }

  noteOverload(error: TransportError): void {
    if (saysOverload(error)) this.#throttle.refused(this.#parts.clock.now())
  }

  #goesOn(attempt: PendingCall, error: TransportError): boolean {
    const { made = 1, moves = 0, processed: ran = 'no' } = attempt.before ?? {}
    const remedy: Remedy = this.#closed ? 'none' : remedyFor(error, mayRunTwice(attempt))
    if (remedy === 'none') return false
    const before = { processed: furthest(ran, error.processed), place: attempt.place }
    if (remedy === 'move' && this.movesFreely(attempt, moves)) {
      this.#parts.counters.callsMoved += 1
      const next = attempt.again({ ...before, made, moves: moves + 1 })
      if (watched(next)) this.#start(next)
      return true
    }
    if (made >= this.#options.maxAttempts) return false
    const delayMs = pauseMs(made + 1, this.#options, error.retryAfterMs ?? 0, this.#parts.random.next())
    // Whoever waits is told now, and not when there is no time left to do anything else.
    if (delayMs >= this.#leftMs(attempt) || !(neverLeft(error) || this.spend())) return false
    this.#parts.counters.callsRetried += 1
    this.#pause(attempt.again({ ...before, made: made + 1, moves }), delayMs)
    return true
  }

  #pause(next: PendingCall, delayMs: number): void {
    const timer = new WheelTimer(() => {
      this.#pausing.delete(next)
      this.#start(next)
    })
    this.#pausing.set(next, timer)
    this.#parts.wheel.arm(timer, delayMs)
    watched(next)
  }

  #leftMs({ expiresAt, timeoutMs }: PendingCall): number {
    return Math.min(timeoutMs, expiresAt - this.#parts.clock.now())
  }
}

export function mayRunTwice({ method, options }: PendingCall): boolean {
  return options.idempotent ?? method.repeats.idempotent
}

/** Returns false where the call was cancelled meanwhile, and has failed. */
function watched(next: PendingCall): boolean {
  return watchCall(next, next.options.signal, next.outer)
}

/** The last error, with what is known from the attempts before it. */
function finalError({ before }: PendingCall, error: TransportError): TransportError {
  if (before === null) return error
  const all = processed(error, furthest(before.processed, error.processed))
  return before.made === 1 ? all : withAttempts(all, before.made)
}

export function withAttempts(error: TransportError, attempts: number): TransportError {
  return processed(error, error.processed, { ...error.details, attempts })
}
