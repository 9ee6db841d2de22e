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
