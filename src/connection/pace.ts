// Hot path: `sent` is asked for every message of a source.
import type { Clock } from '../base/clock.js'

/**
 * What leaves on its connection in a turn before a source lets others have theirs: some hundred microseconds' worth. The
 * system hands buffers back between turns, so this is also how many of them a source without an end keeps.
 */
const TURN_BYTES = 256 * 1024
/** The same for messages that compression makes nearly nothing of, and that take their time all the same. */
const TURN_MESSAGES = 4_096
/** The same for messages that take long to make, or to work on. */
const TURN_MS = 4

/**
 * The clock is read about once in half a millisecond: it costs 40 to 100 ns, a tenth of a small message. Quick messages
 * have it read once in many, slow ones each time.
 */
const MOST_BETWEEN_LOOKS = 64
const LONG_LOOK_MS = 1
const SHORT_LOOK_MS = 0.25

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
  #lookedAt: number
  #betweenLooks = 1
  #untilLook = 1
  /** The turn began after the last look. */
  #fresh = false

  /** `writes`: null where nothing is sent. */
  constructor(writes: Handed | null, clock: Clock) {
    this.#writes = writes
    this.#clock = clock
    this.#began = writes === null ? 0 : writes.handedBytes
    this.#lookedAt = clock.now()
    this.#endsAt = this.#lookedAt + TURN_MS
  }

  /** Counts a message. Whether it is time to `rest`. */
  sent(): boolean {
    this.#messages += 1
    this.#untilLook -= 1
    if (this.#messages >= TURN_MESSAGES) return true
    if (this.#writes !== null && this.#writes.handedBytes - this.#began >= TURN_BYTES) return true
    return this.#untilLook <= 0 && this.#look()
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
        this.#lookedAt = this.#clock.now()
        this.#endsAt = this.#lookedAt + TURN_MS
        resolve()
      })
    })
  }

  #look(): boolean {
    const now = this.#clock.now()
    const tookMs = now - this.#lookedAt
    this.#lookedAt = now
    if (tookMs > LONG_LOOK_MS) this.#betweenLooks = 1
    else if (tookMs < SHORT_LOOK_MS) this.#betweenLooks = Math.min(MOST_BETWEEN_LOOKS, this.#betweenLooks * 2)
    this.#untilLook = this.#betweenLooks
    if (this.#fresh) this.#endsAt = now + TURN_MS
    this.#fresh = false
    return now >= this.#endsAt
  }
}
