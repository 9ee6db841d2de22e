// Hot path: `sent` is asked for every message of a source.
import type { Clock } from '../base/clock.js'

/**
 * What leaves on its connection in a turn before a source lets others have theirs: some hundred microseconds' worth. The
 * system hands buffers back between turns, so this is also how many of them a source without an end keeps.
 */
const TURN_BYTES = 256 * 1024
/** The same for messages that compression makes nearly nothing of, and that take their time all the same. */
const TURN_MESSAGES = 4_096

/** The speed of something that sends one message after the other and would never end its turn by itself. */
export class Pace {
  readonly #writes: { readonly handedBytes: number }
  readonly #clock: Clock
  #began: number
  #messages = 0

  constructor(writes: { readonly handedBytes: number }, clock: Clock) {
    this.#writes = writes
    this.#clock = clock
    this.#began = writes.handedBytes
  }

  /** Counts a message. Whether it is time to `rest`. */
  sent(): boolean {
    this.#messages += 1
    return this.#messages >= TURN_MESSAGES || this.#writes.handedBytes - this.#began >= TURN_BYTES
  }

  /** Resolves in a later turn. */
  rest(): Promise<void> {
    return new Promise((resolve) => {
      this.#clock.nextTurn(() => {
        this.#began = this.#writes.handedBytes
        this.#messages = 0
        resolve()
      })
    })
  }
}
