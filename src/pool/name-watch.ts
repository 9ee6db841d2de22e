import { failure, TransportError } from '../base/errors.js'
import { WheelTimer } from '../base/timer-wheel.js'
import type { Network } from '../socket/network.js'
import type { NameAnswer } from '../socket/resolve.js'
import { formatTarget, type NameTarget } from '../socket/target.js'
import type { PoolParts } from './ejection.js'
import type { PoolOptions } from './options.js'

/** A tenth either way: clients that began together must not ask together. */
const JITTER = 0.1

export interface NameParts extends PoolParts {
  readonly network: Network
}

export interface NameOptions extends PoolOptions {
  /** For one look-up. */
  readonly connectTimeoutMs: number
}

export interface NameOwner {
  /** `tookMs` is how long somebody who needs a connection has waited for this. */
  onAnswer(answer: NameAnswer, tookMs: number): void
  onFailed(error: TransportError): void
  /** Whether anybody uses what it finds: it asks by itself only then. */
  used(): boolean
}

/**
 * Keeps the answer for one name fresh. It asks when there is none, when the last one is old, and soon after connections
 * were lost, but one question at a time, and once it had an answer never sooner than `resolveGapMs` after the last time.
 * What it found last stays in force while asking fails.
 */
export class NameWatch {
  readonly #target: NameTarget
  readonly #parts: NameParts
  readonly #options: NameOptions
  readonly #owner: NameOwner
  readonly #timer: WheelTimer
  #attempt: AbortController | null = null
  #startedAt = Number.NEGATIVE_INFINITY
  /** Since when somebody waits for the first answer. */
  #wantedAt = Number.POSITIVE_INFINITY
  /** When the timer fires, or would if anybody used the answer. */
  #dueAt = Number.NEGATIVE_INFINITY
  #failures = 0
  #answered = false
  #closed = false

  constructor(target: NameTarget, parts: NameParts, options: NameOptions, owner: NameOwner) {
    this.#target = target
    this.#parts = parts
    this.#options = options
    this.#owner = owner
    this.#timer = new WheelTimer(() => this.#onTime())
  }

  /** A question is under way. */
  get asking(): boolean {
    return this.#attempt !== null
  }

  /** Somebody needs a connection and has none, or has lost one. */
  wake(): void {
    if (this.#closed) return
    const now = this.#parts.clock.now()
    if (!this.#answered) this.#wantedAt = Math.min(this.#wantedAt, now)
    if (this.#attempt !== null) return
    // After a failure its own pause holds, which is shorter at first.
    const soonest = this.#failures > 0 ? this.#dueAt : Math.max(now, this.#startedAt + this.#options.resolveGapMs)
    this.#dueAt = Math.min(Math.max(this.#dueAt, now), soonest)
    if (this.#dueAt <= now) this.#ask()
    else this.#parts.wheel.arm(this.#timer, this.#dueAt - now)
  }

  close(): void {
    this.#closed = true
    this.#parts.wheel.disarm(this.#timer)
    this.#attempt?.abort(failure('closed', 'the look-up was given up'))
    this.#attempt = null
  }

  #onTime(): void {
    const attempt = this.#attempt
    if (attempt !== null) {
      const error = this.#timeout()
      attempt.abort(error)
      // Also of a network that takes no notice.
      this.#onFailed(attempt, error)
    } else if (this.#owner.used()) this.#ask()
  }

  /** The same timer limits a question and waits for the next one. */
  #ask(): void {
    const { clock, wheel, counters, network } = this.#parts
    const now = clock.now()
    const attempt = new AbortController()
    this.#attempt = attempt
    this.#startedAt = now
    counters.lookUpsStarted += 1
    const waitedMs = Math.max(0, now - this.#wantedAt)
    wheel.arm(this.#timer, Math.max(1, this.#options.connectTimeoutMs - waitedMs))
    const { name, port } = this.#target
    const query = { name, records: port === null ? 'service' : 'address' } as const
    network.resolve(query, attempt.signal).then(
      (answer) => this.#onAnswer(attempt, answer),
      (error: unknown) => this.#onFailed(attempt, this.#asFailure(error)),
    )
  }

  #onAnswer(attempt: AbortController, answer: NameAnswer): void {
    if (this.#attempt !== attempt) return
    if (answer.records.length === 0) {
      this.#onFailed(attempt, this.#asFailure(new Error('no records')))
      return
    }
    const now = this.#parts.clock.now()
    const { resolveMs, resolveGapMs } = this.#options
    const tookMs = Math.max(0, now - this.#wantedAt)
    this.#attempt = null
    this.#failures = 0
    this.#answered = true
    this.#wantedAt = Number.POSITIVE_INFINITY
    this.#schedule(Math.min(resolveMs, Math.max(answer.ttlMs ?? resolveMs, resolveGapMs)))
    this.#owner.onAnswer(answer, tookMs)
  }

  #onFailed(attempt: AbortController, error: TransportError): void {
    if (this.#attempt !== attempt) return
    this.#attempt = null
    this.#failures += 1
    this.#wantedAt = Number.POSITIVE_INFINITY
    this.#parts.counters.failed(error.reason ?? 'resolve-failed')
    const { minBackoffMs, maxBackoffMs, resolveMs, resolveGapMs } = this.#options
    // Without any answer there is nothing to work with, and as much haste as with a dead endpoint.
    const [least, most] = this.#answered ? [resolveGapMs, resolveMs] : [minBackoffMs, maxBackoffMs]
    this.#schedule(Math.min(most, least * 2 ** (this.#failures - 1)))
    this.#owner.onFailed(error)
  }

  #schedule(delayMs: number): void {
    const { clock, wheel, random } = this.#parts
    const jittered = delayMs * (1 - JITTER + 2 * JITTER * random.next())
    this.#dueAt = clock.now() + jittered
    wheel.arm(this.#timer, jittered)
  }

  #asFailure(error: unknown): TransportError {
    if (error instanceof TransportError) return error
    return failure('resolve-failed', `cannot look up ${this.#target.name}`, { cause: error })
  }

  #timeout(): TransportError {
    const { connectTimeoutMs } = this.#options
    const address = formatTarget(this.#target)
    return failure('connect-timeout', `the name in ${address} was not looked up within ${connectTimeoutMs} ms`, {
      details: { address, connectTimeoutMs },
    })
  }
}
