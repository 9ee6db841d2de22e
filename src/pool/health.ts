import type { EjectionOptions } from './options.js'

export type HealthState = 'in-use' | 'ejected' | 'probing'

/** A probe that has no outcome by then does not keep the next one waiting: it may have been a message without one. */
const PROBE_MS = 1_000

/**
 * How well an endpoint has served calls, by two counts that only rise. It is a score and not a share of a window: what
 * answered ten thousand calls and then fails all is noticed at the fifth failure, without a timer and without a clock.
 */
export class Health {
  readonly #options: EjectionOptions
  #state: HealthState = 'in-use'
  /** Failures more than answers, since there were as many of both. */
  #score = 0
  #answered = 0
  #faults = 0
  /** Ejections since it last was well for long. */
  #ejections = 0
  #returnedAt = Number.NEGATIVE_INFINITY
  #ejectedUntil = 0
  #passes = 0
  #probedAt = Number.NEGATIVE_INFINITY

  constructor(options: EjectionOptions) {
    this.#options = options
  }

  get state(): HealthState {
    return this.#state
  }

  get ejectedUntil(): number {
    return this.#ejectedUntil
  }

  /** Failing for long enough to be put out. */
  get failing(): boolean {
    const { failures } = this.#options
    return failures > 0 && this.#score >= failures
  }

  /** On the way there. */
  get doubtful(): boolean {
    return this.#score * 2 >= this.#options.failures
  }

  /** A probe has failed. */
  get relapsed(): boolean {
    return this.#state === 'probing' && this.#score > 0
  }

  /** Takes note of both counts as they stand. */
  look(answered: number, faults: number): void {
    const well = answered - this.#answered
    this.#answered = answered
    this.#score = Math.max(0, this.#score - well) + faults - this.#faults
    this.#faults = faults
    if (this.#state === 'probing' && well > 0) {
      // One after the other: also where several were answered, it was one that was tried.
      this.#passes += 1
      this.#probedAt = Number.NEGATIVE_INFINITY
    }
  }

  /** `chance`, from 0 to 1, spreads the end over half of the time: what was put out together comes back one by one. */
  eject(now: number, chance: number): void {
    const { minMs, maxMs } = this.#options
    if (this.#state === 'in-use' && now - this.#returnedAt >= maxMs) this.#ejections = 0
    const fullMs = Math.min(maxMs, minMs * 2 ** this.#ejections)
    this.#ejections += 1
    this.#state = 'ejected'
    this.#ejectedUntil = now + fullMs * (0.5 + chance / 2)
  }

  /** Its time is over: a few calls show whether it is well. */
  probe(): void {
    this.#state = 'probing'
    this.#score = 0
    this.#passes = 0
    this.#probedAt = Number.NEGATIVE_INFINITY
  }

  /** Whether a probe may be sent now. Whoever asks sends it. */
  mayProbe(now: number): boolean {
    if (now - this.#probedAt < PROBE_MS) return false
    this.#probedAt = now
    return true
  }

  /** All probes were answered. */
  get passed(): boolean {
    return this.#state === 'probing' && this.#passes >= this.#options.probes
  }

  restore(now: number): void {
    this.#state = 'in-use'
    this.#score = 0
    this.#returnedAt = now
  }
}
