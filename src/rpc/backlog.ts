import { failure, type TransportError } from '../base/errors.js'
import { WheelTimer } from '../base/timer-wheel.js'
import { type EncodedRefusal, refusalOf } from '../connection/control-frames.js'
import type { Environment } from '../connection/environment.js'
import type { Offer } from '../mailbox/mailbox.js'
import { Ring } from '../memory/ring.js'
import type { AgedLanes, Job } from './aged-lanes.js'
import { LoopPressure, maxWaitOf, type OverloadOptions } from './load-shedding.js'

/** Handlers that take longer than this on average are better queued: a queued call costs a tenth of it. */
const SLOW_MS = 0.05
/**
 * So long are calls run before the event loop looks at its sockets again, `limits.maxTurnMs` at most. Whoever asks little
 * waits for one such run to be read, and for one more until its answer is written; a round of the loop costs a few
 * hundredths of it.
 */
const RUN_MS = 1
/** Of a turn in the average time of a job. */
const AVERAGE_WEIGHT = 0.1
/** How often the lateness of the event loop is looked at while calls come. */
const LOOK_MS = 50

/**
 * Calls for handlers that keep the processor busy. Where each ran as it was read, the others would wait in the buffers
 * of the system, where nobody sees how old they are, and by the time they are read their callers have gone. So when a
 * turn of a connection took long for the few calls it ran, calls are only read, and run from here: a millisecond of
 * them a turn, one of each connection after the other, until none is left.
 */
export class Backlog {
  /** Calls are to wait here. */
  active = false
  readonly options: OverloadOptions
  /** What calls that wait too long are told. */
  readonly refusal: EncodedRefusal
  readonly #environment: Pick<Environment, 'clock' | 'limits' | 'wheel'>
  /** Connections of which something waits, in turn. */
  readonly #queues = new Ring<AgedLanes>()
  readonly #pressure: LoopPressure
  readonly #look: WheelTimer
  readonly #run: () => void
  #running = false
  #activeSince = 0
  /** How long a job takes, by the last few dozen, what was refused beside them included. */
  #jobMs = 0
  #lookDueAt = 0
  #calls = false

  constructor(environment: Pick<Environment, 'clock' | 'limits' | 'wheel'>, options: OverloadOptions) {
    this.options = options
    this.refusal = refusalOf(this.overloaded())
    this.#environment = environment
    this.#pressure = new LoopPressure(options.maxLoopDelayMs)
    this.#look = new WheelTimer(() => this.#onLook())
    this.#run = () => this.#runSome()
  }

  /** What is said to those that are not taken. */
  overloaded(): TransportError {
    const details = { retryAfterMs: this.options.intervalMs }
    return failure('overloaded', 'calls wait too long here', { details })
  }

  /** Whether a call of this lane is taken, for the lateness of the event loop. */
  admits(lane: number): boolean {
    return this.#pressure.share === 1 || this.#pressure.admits(lane)
  }

  /**
   * Whether a call would wait longer than it may: connections take turns, so that behind each of those in front of it there
   * is one of every other connection. Only where calls have been waiting for an interval already.
   */
  hopeless(queue: AgedLanes, lane: number, timeoutMs: number): boolean {
    const { options } = this
    const ahead = queue.aheadOf(lane)
    if (ahead === 0 || options.maxWaitMs === 0) return false
    if (ahead * this.#queues.length * this.#jobMs <= maxWaitOf(lane, timeoutMs, options)) return false
    return this.#environment.clock.now() - this.#activeSince > options.intervalMs
  }

  /** A turn of a connection took so long, and ran so many handlers. */
  noteTurn(tookMs: number, handlers: number): void {
    this.#calls = true
    if (!this.#look.armed && this.options.maxLoopDelayMs > 0) this.#arm()
    if (tookMs < this.#environment.limits.maxTurnMs || tookMs < handlers * SLOW_MS) return
    if (this.options.maxWaitMs > 0 && handlers > 0) this.#begin()
  }

  /** Has a call wait in the queue of its connection. */
  offer(queue: AgedLanes, job: Job): Offer {
    const offer = queue.offer(job)
    // One whose calls were all given up keeps its place until its turn comes: it would get a second one here.
    if (offer === 'accepted' && !queue.inLine) {
      queue.inLine = true
      this.#queues.push(queue)
    }
    this.#begin()
    return offer
  }

  /** No connection is left. */
  close(): void {
    this.#environment.wheel.disarm(this.#look)
  }

  #begin(): void {
    this.active = true
    if (this.#running) return
    this.#running = true
    this.#activeSince = this.#environment.clock.now()
    this.#environment.clock.nextTurn(this.#run)
  }

  #runSome(): void {
    const { clock, limits } = this.#environment
    const beganAt = clock.now()
    const endsAt = beganAt + Math.min(RUN_MS, limits.maxTurnMs)
    let now = beganAt
    let jobs = 0
    do {
      const queue = this.#queues.shift()
      if (queue === undefined) {
        this.active = false
        this.#running = false
        return
      }
      const job = queue.next()
      queue.inLine = queue.length > 0
      if (queue.inLine) this.#queues.push(queue)
      if (job !== undefined) {
        jobs += 1
        job.start()
      }
      now = clock.now()
    } while (now < endsAt)
    if (jobs > 0) this.#jobMs += ((now - beganAt) / jobs - this.#jobMs) * AVERAGE_WEIGHT
    clock.nextTurn(this.#run)
  }

  #onLook(): void {
    this.#pressure.note(this.#environment.clock.now() - this.#lookDueAt)
    // Without calls there is nothing to refuse, and no reason to wake up.
    if (this.#calls || this.#pressure.share < 1) this.#arm()
  }

  #arm(): void {
    this.#calls = false
    this.#lookDueAt = this.#environment.clock.now() + LOOK_MS
    this.#environment.wheel.arm(this.#look, LOOK_MS)
  }
}
