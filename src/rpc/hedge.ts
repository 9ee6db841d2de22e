import { failure, type Processed, processed, type TransportError } from '../base/errors.js'
import { WheelTimer } from '../base/timer-wheel.js'
import type { Environment } from '../connection/environment.js'
import type { Abortable } from './abort.js'
import { type CallRepeater, withAttempts } from './call-repeater.js'
import type { CallKeeper, PendingCall } from './pending-call.js'
import { furthest, moreTelling, neverLeft, type Remedy, remedyFor } from './retry.js'
import type { Repeats } from './service.js'

type Hedge = NonNullable<Repeats['hedge']>

interface HedgeParts {
  readonly environment: Pick<Environment, 'wheel' | 'counters'>
  /** Of the budget, which hedges and retries share. */
  readonly repeater: CallRepeater
  /** Puts an attempt on a connection, another than the last where there is one. */
  readonly start: (attempt: PendingCall) => void
}

/**
 * A call with several attempts at once: another follows each time that there was no answer for a while, or at once when
 * one has failed in a way that may pass. The first answer counts, and the others are cancelled. What a handler that ran
 * says for good is an answer as well; any other failure of an attempt leaves the others alone.
 */
export class HedgedCall implements CallKeeper, Abortable {
  unwatch: (() => void) | null = null
  readonly #hedge: Hedge
  readonly #parts: HedgeParts
  readonly #timer: WheelTimer
  readonly #open = new Set<PendingCall>()
  #last: PendingCall
  #made = 1
  /** Attempts of which a leaving server has said that it will not run them. They cost nothing, as for other calls. */
  #moves = 0
  #ran: Processed = 'no'
  /** What is told if no attempt is answered: of the failures so far the one that says most. */
  #told: TransportError | null = null
  #over = false

  constructor(first: PendingCall, hedge: Hedge, parts: HedgeParts) {
    this.#hedge = hedge
    this.#parts = parts
    this.#last = first
    this.#timer = new WheelTimer(() => this.#onSlow())
    this.#keep(first)
    this.#arm()
  }

  onFailed(attempt: PendingCall, error: TransportError): TransportError | null {
    attempt.unwatch = null
    this.#open.delete(attempt)
    this.#ran = furthest(this.#ran, error.processed)
    if (this.#over) return null
    const told = this.#told === null ? error : moreTelling(this.#told, error)
    this.#told = told
    const { repeater } = this.#parts
    repeater.noteOverload(error)
    const remedy = remedyFor(error, true)
    if (remedy === 'move' && !repeater.closed && repeater.movesFreely(attempt, this.#moves)) {
      this.#moves += 1
      this.#parts.environment.counters.callsMoved += 1
      this.#startNext(attempt)
      return null
    }
    if (remedy !== 'none' && this.#mayMakeMore() && (neverLeft(error) || repeater.spend())) {
      this.#makeAnother()
      return null
    }
    const decided = decides(error, remedy)
    if (!decided && this.#open.size > 0) return null
    this.#end()
    const final = processed(decided ? error : told, this.#ran)
    return this.#made === 1 ? final : withAttempts(final, this.#made)
  }

  giveUp(error: (processed: Processed) => TransportError): void {
    // The first of them takes the others along.
    for (const attempt of this.#open) {
      attempt.giveUp(error)
      return
    }
  }

  #onSlow(): void {
    // Where it waits for a connection, so would another.
    if (this.#last.place !== null) {
      if (!this.#mayMakeMore() || !this.#parts.repeater.spend()) return
      this.#parts.environment.counters.callsHedged += 1
      this.#makeAnother()
    }
    // What was started may have failed, and ended all of it.
    if (!this.#over && this.#made < this.#hedge.maxAttempts) this.#arm()
  }

  #mayMakeMore(): boolean {
    return this.#made < this.#hedge.maxAttempts && !this.#parts.repeater.closed
  }

  #makeAnother(): void {
    this.#made += 1
    this.#startNext(this.#last)
  }

  #startNext({ place }: PendingCall): void {
    const next = this.#last.again({ made: this.#made, moves: this.#moves, processed: this.#ran, place })
    this.#last = next
    this.#keep(next)
    this.#parts.start(next)
  }

  #keep(attempt: PendingCall): void {
    attempt.keeper = this
    attempt.unwatch = () => this.#onAnswered(attempt)
    this.#open.add(attempt)
  }

  #arm(): void {
    this.#parts.environment.wheel.arm(this.#timer, this.#hedge.delayMs)
  }

  #onAnswered(attempt: PendingCall): void {
    this.#open.delete(attempt)
    this.#end()
  }

  /** Nobody waits for the other attempts. */
  #end(): void {
    this.#over = true
    this.#parts.environment.wheel.disarm(this.#timer)
    this.unwatch?.()
    for (const attempt of [...this.#open]) {
      attempt.giveUp((ran) => failure('cancelled', 'another attempt was answered first', { processed: ran }))
    }
  }
}

/** Whether a failure is one of the whole call, and not of an attempt: its handler said so, or its caller waits no more. */
function decides({ origin, reason, processed: ran }: TransportError, remedy: Remedy): boolean {
  if (remedy !== 'none') return false
  return ran === 'yes' || (origin !== 'peer' && (reason === 'deadline' || reason === 'cancelled'))
}
