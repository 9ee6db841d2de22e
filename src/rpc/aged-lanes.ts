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
 * and one that does empties by itself (after "Fail at Scale", Maurer, 2015). The last one is never refused: it costs
 * nobody anything to run it.
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

  offer(job: Job): Offer {
    if (job.aging !== null && this.#lanes.length === 0) this.#emptyUntil = job.aging.queuedAt
    return this.#lanes.offer(job.lane, job)
  }

  /** Takes out what is to run next. */
  next(): Job | undefined {
    for (let job = this.#lanes.next(); job !== undefined; job = this.#lanes.next()) {
      if (job.stale) job.drop()
      else if (job.aging !== null && this.#tooOld(job.aging)) job.aging.refuse()
      else return job
    }
    return undefined
  }

  #tooOld({ queuedAt, waitedMs, maxWaitMs }: Aging): boolean {
    if (this.#lanes.length === 0) return false
    return waitedMs > maxWaitMs && queuedAt + waitedMs - this.#emptyUntil > this.#intervalMs
  }
}
