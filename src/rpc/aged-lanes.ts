import { Lanes } from '../mailbox/lanes.js'
import type { MailboxBounds, Offer } from '../mailbox/mailbox.js'

/** A call, a message or a stream that waits for its handler. */
export interface Job {
  readonly lane: number
  readonly bytes: number
  /** Null for what may wait as long as it takes. */
  readonly aging: Aging | null
  /** Nobody waits for it any more. */
  readonly stale: boolean
  /** Runs it; whoever does says `settled` in the end. */
  start(): void
  /** It will not run: it is stale, or made room for another. */
  drop(): void
}

/** How long something has waited, and may. */
export interface Aging {
  /** When it began to wait, on the clock. */
  readonly queuedAt: number
  readonly waitedMs: number
  readonly maxWaitMs: number
  /** It will not run: it has waited too long, and so would those behind it. */
  refuse(): void
}

/**
 * Jobs by priority, each lane in order. While something has waited here for an interval without a break, what has waited
 * longer than it may is refused for those behind it: so a queue that never empties holds work that is still worth doing,
 * and one that does empties by itself (after "Fail at Scale", Maurer, 2015). Where all are too old one is run all the
 * same: that costs nobody anything.
 */
export class AgedLanes {
  readonly #intervalMs: number
  readonly #lanes: Lanes<Job>
  /** When the queue was last empty. */
  #emptyUntil = 0

  constructor(bounds: MailboxBounds, intervalMs: number) {
    this.#intervalMs = intervalMs
    this.#lanes = new Lanes<Job>(bounds, (job) => job.drop())
  }

  get length(): number {
    return this.#lanes.length
  }

  /** How many go before one that came now. */
  aheadOf(lane: number): number {
    let ahead = 0
    for (let above = 0; above <= lane; above += 1) ahead += this.#lanes.lengthOf(above)
    return ahead
  }

  offer(job: Job): Offer {
    if (job.aging !== null && this.#lanes.length === 0) this.#emptyUntil = job.aging.queuedAt
    return this.#lanes.offer(job.lane, job)
  }

  /** Takes out what is to run next. */
  next(): Job | undefined {
    let old: Job | undefined
    for (let job = this.#lanes.next(); job !== undefined; job = this.#lanes.next()) {
      if (job.stale) job.drop()
      else if (job.aging === null || !this.#tooOld(job.aging)) {
        old?.aging?.refuse()
        return job
      } else if (old === undefined || job.lane <= old.lane) {
        // Of those that are too old one is kept for now: the highest, and the newest of its lane.
        old?.aging?.refuse()
        old = job
      } else job.aging.refuse()
    }
    return old
  }

  #tooOld({ queuedAt, waitedMs, maxWaitMs }: Aging): boolean {
    return waitedMs > maxWaitMs && queuedAt + waitedMs - this.#emptyUntil > this.#intervalMs
  }
}
