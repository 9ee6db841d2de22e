// Hot path: `spend` runs for every message received.
import type { Clock } from '../base/clock.js'

/** The clock is asked once in this many messages: asking costs about as much as parsing a small frame. */
const MESSAGES_PER_LOOK = 16

/** How much one connection may deliver before others get their turn: a number of messages, and a time. */
export class TurnBudget {
  readonly #clock: Clock
  readonly #maxMessages: number
  readonly #maxMs: number
  #left = 0
  #endsAt = 0

  constructor(clock: Clock, maxMessages: number, maxMs: number) {
    this.#clock = clock
    this.#maxMessages = maxMessages
    this.#maxMs = maxMs
  }

  begin(): void {
    this.#left = this.#maxMessages
    this.#endsAt = this.#clock.now() + this.#maxMs
  }

  /** Accounts for one message. Returns false when the turn is over. */
  spend(): boolean {
    this.#left -= 1
    if (this.#left <= 0) return false
    return this.#left % MESSAGES_PER_LOOK !== 0 || this.#clock.now() < this.#endsAt
  }
}
