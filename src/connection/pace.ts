// Hot path: `sent` is asked for every message of a source.
import type { Clock } from '../base/clock.js'
import { ClockLooks } from './clock-looks.js'

/**
 * What leaves on its connection in a turn before a source lets others have theirs: some hundred microseconds' worth. The
 * system hands buffers back between turns, so this is also how many of them a source without an end keeps.
 */
const TURN_BYTES = 256 * 1024
/** The same for messages that compression makes nearly nothing of, and that take their time all the same. */
const TURN_MESSAGES = 4_096
/** The same for messages that take long to make, or to work on. */
const TURN_MS = 4

const LOOK_MS = TURN_MS / 8
const MOST_PER_LOOK = 64

/** What is given to a connection, as far as its speed is concerned. */
interface Handed {
  readonly handedBytes: number
}

/** The speed of something that takes one message after the other and would never end its turn by itself. */
export class Pace {
  readonly #writes: Handed | null
  readonly #clock: Clock
  #began: number
  #messages = 0
  #endsAt: number
  readonly #looks: ClockLooks
  /** The turn began after the last look. */
  #fresh = false

  /** `writes`: null where nothing is sent. */
  constructor(writes: Handed | null, clock: Clock) {
    this.#writes = writes
    this.#clock = clock
    this.#began = writes === null ? 0 : writes.handedBytes
    const now = clock.now()
    this.#looks = new ClockLooks(LOOK_MS, MOST_PER_LOOK, now)
    this.#endsAt = now + TURN_MS
  }

  /** Counts a message. Whether it is time to `rest`. */
  sent(): boolean {
    this.#messages += 1
    this.#looks.count()
    if (this.#messages >= TURN_MESSAGES) return true
    if (this.#writes !== null && this.#writes.handedBytes - this.#began >= TURN_BYTES) return true
    return this.#looks.due && this.#look()
  }

  /** There was a turn without asking for it. Costs no reading of the clock. */
  restart(): void {
    this.#messages = 0
    this.#fresh = true
  }

  /** Resolves in a later turn. */
  rest(): Promise<void> {
    return new Promise((resolve) => {
      this.#clock.nextTurn(() => {
        if (this.#writes !== null) this.#began = this.#writes.handedBytes
        this.#messages = 0
        const now = this.#clock.now()
        this.#looks.resume(now)
        this.#endsAt = now + TURN_MS
        resolve()
      })
    })
  }

  #look(): boolean {
    const now = this.#clock.now()
    this.#looks.looked(now)
    if (this.#fresh) this.#endsAt = now + TURN_MS
    this.#fresh = false
    return now >= this.#endsAt
  }
}
