import type { Clock } from '../base/clock.js'
import type { Random } from '../base/random.js'
import { type TimerWheel, WheelTimer } from '../base/timer-wheel.js'
import type { PoolOptions } from './options.js'

/** With what a dial was let through: as the one probe, or among as many as there are while all is well. */
export type DialPass = 'probe' | 'free'

/** What the endpoint is taken for: well, known to be out of reach, or tried by a probe. */
export type Circuit = 'closed' | 'open' | 'half-open'

interface Waiting {
  readonly resolve: (pass: DialPass) => void
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
  /** Failures and connections that were lost at once, since one lasted: what the pause grows with. */
  #setbacks = 0
  /** When the last dial succeeded, until it is judged by what became of it. */
  #openedAt = Number.POSITIVE_INFINITY
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

  get circuit(): Circuit {
    if (this.#pause.armed) return 'open'
    return this.#probing && this.#setbacks > 0 ? 'half-open' : 'closed'
  }

  /**
   * Resolves when a dial may begin. Each one is followed by `succeeded` or `failed`, with what it got. Never resolves
   * after `close`.
   */
  enter(): Promise<DialPass> {
    return new Promise((resolve) => {
      if (this.#closed) return
      this.#waiting.push({ resolve })
      this.#admit()
    })
  }

  succeeded(pass: DialPass): void {
    this.#healthy = true
    this.#settle(pass)
    this.#failures = 0
    this.#openedAt = this.#parts.clock.now()
    this.#admit()
  }

  failed(pass: DialPass): void {
    this.#healthy = false
    this.#settle(pass)
    this.#failures += 1
    this.#judgeLast()
    this.#setbacks += 1
    this.#armPause()
  }

  /**
   * A connection was lost: the next dial is a probe again. An endpoint that takes connections and drops them at once
   * is dialled as seldom as one that takes none, from the second time on.
   */
  doubt(): void {
    this.#healthy = false
    if (!this.#judgeLast()) return
    this.#setbacks += 1
    if (this.#setbacks > 1) this.#armPause()
  }

  close(): void {
    this.#closed = true
    this.#waiting.length = 0
    this.#parts.wheel.disarm(this.#pause)
  }

  /** One that was let through while all was well may end beside a probe, and makes no room for another. */
  #settle(pass: DialPass): void {
    if (pass === 'probe') this.#probing = false
  }

  #admit(): void {
    // One that succeeds says little while they are lost as soon as they are ready: the pause is kept.
    if (this.#pause.armed && this.#setbacks > 1) return
    while (this.#healthy) {
      const next = this.#waiting.shift()
      if (next === undefined) return
      next.resolve('free')
    }
    if (!this.#pause.armed) this.#admitOne()
  }

  #admitOne(): void {
    if (this.#probing) return
    const next = this.#waiting.shift()
    if (next === undefined) return
    this.#probing = true
    next.resolve('probe')
  }

  /** Whether the last connection was lost before the longest pause was over. One that lasted starts the count anew. */
  #judgeLast(): boolean {
    const lastedMs = this.#parts.clock.now() - this.#openedAt
    this.#openedAt = Number.POSITIVE_INFINITY
    if (lastedMs >= this.#options.maxBackoffMs) this.#setbacks = 0
    return lastedMs >= 0 && lastedMs < this.#options.maxBackoffMs
  }

  #armPause(): void {
    if (!this.#closed) this.#parts.wheel.arm(this.#pause, this.#pauseMs())
  }

  /** Between half and all of the pause, so that many clients of one server do not come back in step. */
  #pauseMs(): number {
    const { minBackoffMs, maxBackoffMs } = this.#options
    const full = Math.min(maxBackoffMs, minBackoffMs * 2 ** (this.#setbacks - 1))
    return full * (0.5 + this.#parts.random.next() / 2)
  }
}
