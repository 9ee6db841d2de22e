// Hot path: `spend` runs for every message received, `mayStart` and `started` for every one that had to wait.
import type { Clock } from '../base/clock.js'
import { ClockLooks } from './clock-looks.js'
import type { Environment } from './environment.js'

/** The clock is asked once in this many messages: asking costs about as much as parsing a small frame. */
const MESSAGES_PER_LOOK = 16

/** How much one connection may deliver before others get their turn: a number of messages, and a time. */
export class TurnBudget {
  readonly #clock: Clock
  readonly #maxMessages: number
  readonly #maxMs: number
  #left = 0
  #untilLook = MESSAGES_PER_LOOK
  /** When the last bytes came. */
  beganAt = 0
  #endsAt = Number.NEGATIVE_INFINITY

  constructor(clock: Clock, maxMessages: number, maxMs: number) {
    this.#clock = clock
    this.#maxMessages = maxMessages
    this.#maxMs = maxMs
  }

  /**
   * More bytes came. The time goes on where it has not passed: in one turn a socket is read up to 32 times, and nobody
   * else is heard in between.
   */
  begin(): void {
    this.#left = this.#maxMessages
    const now = this.#clock.now()
    this.beganAt = now
    if (now < this.#endsAt) return
    this.#endsAt = now + this.#maxMs
    this.#untilLook = MESSAGES_PER_LOOK
  }

  /** Accounts for one message. Returns false when the turn is over. */
  spend(): boolean {
    this.#left -= 1
    this.#untilLook -= 1
    if (this.#left > 0 && this.#untilLook > 0) return true
    return this.#look()
  }

  #look(): boolean {
    this.#untilLook = MESSAGES_PER_LOOK
    if (this.#left > 0 && this.#clock.now() < this.#endsAt) return true
    // What follows comes in another turn, with all of its time.
    this.#endsAt = Number.NEGATIVE_INFINITY
    return false
  }
}

/** The clock of a queue is asked so many times in a turn, where that is no more often than once in 16 messages. */
const LOOKS_PER_TURN = 8

/** What a queue needs to know of where it is. */
export type QueueEnvironment = Pick<Environment, 'clock' | 'counters' | 'limits'>

/**
 * The same for what is delivered from a queue, where the end of each message sets off the next, in microtasks as well. Its
 * turn begins with the first message and ends when the event loop has come round. What waits may take any time, so the
 * clock is asked as often as the last few messages make it worth.
 */
export class QueueBudget {
  readonly #environment: QueueEnvironment
  readonly #onNextTurn: () => void
  #began = false
  #over = false
  #left = 0
  #endsAt = 0
  readonly #looks: ClockLooks

  /** `onTurn` goes on with what was left: it is called in the turn after each in which something was delivered. */
  constructor(environment: QueueEnvironment, onTurn: () => void) {
    this.#environment = environment
    this.#looks = new ClockLooks(environment.limits.maxTurnMs / LOOKS_PER_TURN, MESSAGES_PER_LOOK, 0)
    this.#onNextTurn = () => {
      this.#began = false
      onTurn()
    }
  }

  /** Whether what waits next may be started in this turn. Ask only where something waits. */
  mayStart(): boolean {
    if (!this.#began) this.#begin()
    else if (this.#left <= 0 || this.#looks.due) this.#look()
    return !this.#over
  }

  /** Accounts for what is started as one, and the messages in it. */
  started(messages: number): void {
    this.#left -= messages
    this.#looks.count()
  }

  #begin(): void {
    const { clock, limits } = this.#environment
    this.#began = true
    this.#over = false
    this.#left = limits.maxMessagesPerTurn
    const now = clock.now()
    this.#looks.resume(now)
    this.#endsAt = now + limits.maxTurnMs
    clock.nextTurn(this.#onNextTurn)
  }

  #look(): void {
    if (this.#over) return
    const { clock, counters } = this.#environment
    const now = clock.now()
    this.#looks.looked(now)
    if (this.#left > 0 && now < this.#endsAt) return
    this.#over = true
    counters.turnsYielded += 1
  }
}
