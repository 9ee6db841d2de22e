import type { Clock } from '../base/clock.js'
import type { Random } from '../base/random.js'
import { type TimerWheel, WheelTimer } from '../base/timer-wheel.js'
import type { PoolOptions } from './options.js'

interface Waiting {
  readonly resolve: () => void
}

/** What the gate needs of the world. */
export interface GateParts {
  readonly clock: Clock
  readonly random: Random
  readonly wheel: TimerWheel
}

/**
 * Lets dials to one endpoint through: all at once while the last one succeeded, otherwise one at a time, with a
 * doubling pause between failures. A dead endpoint so sees one probe per pause however many connections are wanted,
 * and at most 5 dials in its first second with the default pauses.
 */
export class DialGate {
  readonly #parts: GateParts
  readonly #options: PoolOptions
  readonly #pause: WheelTimer
  readonly #waiting: Waiting[] = []
  /** Unknown is not healthy: the first dial is a probe. */
  #healthy = false
  #probing = false
  #failures = 0
  #closed = false

  constructor(parts: GateParts, options: PoolOptions) {
    this.#parts = parts
    this.#options = options
    this.#pause = new WheelTimer(() => this.#admitOne())
  }

  /** Failures since the last success. */
  get failures(): number {
    return this.#failures
  }

  /** Resolves when a dial may begin. Each one is followed by `succeeded` or `failed`. Never resolves after `close`. */
  enter(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#closed) return
      this.#waiting.push({ resolve })
      this.#admit()
    })
  }

  succeeded(): void {
    this.#healthy = true
    this.#probing = false
    this.#failures = 0
    this.#admit()
  }

  failed(): void {
    this.#healthy = false
    this.#probing = false
    this.#failures += 1
    if (!this.#closed) this.#parts.wheel.arm(this.#pause, this.#pauseMs())
  }

  /** A connection was lost: the next dial is a probe again. */
  doubt(): void {
    this.#healthy = false
  }

  close(): void {
    this.#closed = true
    this.#waiting.length = 0
    this.#parts.wheel.disarm(this.#pause)
  }

  #admit(): void {
    while (this.#healthy) {
      const next = this.#waiting.shift()
      if (next === undefined) return
      next.resolve()
    }
    if (!this.#pause.armed) this.#admitOne()
  }

  #admitOne(): void {
    if (this.#probing) return
    const next = this.#waiting.shift()
    if (next === undefined) return
    this.#probing = true
    next.resolve()
  }

  /** Between half and all of the pause, so that many clients of one server do not come back in step. */
  #pauseMs(): number {
    const { minBackoffMs, maxBackoffMs } = this.#options
    const full = Math.min(maxBackoffMs, minBackoffMs * 2 ** (this.#failures - 1))
    return full * (0.5 + this.#parts.random.next() / 2)
  }
}
