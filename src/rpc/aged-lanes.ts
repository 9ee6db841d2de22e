import { LANE_COUNT } from '../mailbox/lane.js'
import { Lanes } from '../mailbox/lanes.js'
import type { MailboxBounds, Offer } from '../mailbox/mailbox.js'

/** A call, a message or a stream that waits for its handler. */
export interface Job {
  readonly lane: number
  readonly bytes: number
  /** Null for what may wait as long as it takes. */
  readonly aging: Aging | null
  /** Left out where it is one message. */
  readonly parts?: JobParts | undefined
  /** Nobody waits for it any more. */
  readonly stale: boolean
  /** Of the lanes: it has a place in them. One that lies there without is passed over when its turn comes. */
  waits: boolean
  /** Of the queue of a handler, for messages: their connection is gone. */
  orphaned?: boolean
  /** Runs it; whoever does says `settled` in the end. */
  start(): void
  /** It will not run: it is stale, or made room for another. */
  drop(): void
}

/** The messages that run as one job. Each counts: what waits is bounded by messages. */
export interface JobParts {
  /** Their bytes, in order. */
  readonly costs: readonly number[]
  /** So many of them from that place on will not run: they find no room, or made it for others. */
  shed(from: number, count: number): void
}

/** How many messages a job is. */
export function messagesOf({ parts }: Job): number {
  return parts === undefined ? 1 : parts.costs.length
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

/** What an offer comes to where there is no room for it, or, with `drop-oldest`, for anything. */
const REFUSED = { wait: 'wait', reject: 'rejected', 'drop-newest': 'dropped', 'drop-oldest': 'dropped' } as const

/** What lies in the lanes is counted here, by messages: a mailbox would count jobs. */
const UNBOUNDED: MailboxBounds = {
  maxMessages: Number.POSITIVE_INFINITY,
  maxBytes: Number.POSITIVE_INFINITY,
  overflow: 'wait',
}

/**
 * Jobs by priority, each lane in order. While something has waited here for an interval without a break, what has waited
 * longer than it may is refused for those behind it: so a queue that never empties holds work that is still worth doing,
 * and one that does empties by itself (after "Fail at Scale", Maurer, 2015). Where all are too old one is run all the
 * same: that costs nobody anything.
 *
 * The bounds are those of a mailbox, of each lane: it is full at either of them, and the last message taken may pass the
 * bound of bytes.
 */
export class AgedLanes {
  readonly #bounds: MailboxBounds
  readonly #intervalMs: number
  readonly #lanes = new Lanes<Job>(UNBOUNDED)
  /** Of the backlog: they have a place in its line. */
  inLine = false
  #length = 0
  /** Jobs that lie here still and have given their place back. */
  #empty = 0
  /** What waits, by lane. */
  readonly #messages = new Array<number>(LANE_COUNT).fill(0)
  readonly #bytes = new Array<number>(LANE_COUNT).fill(0)
  /** When the queue was last empty. */
  #emptyUntil = 0

  constructor(bounds: MailboxBounds, intervalMs: number) {
    this.#bounds = bounds
    this.#intervalMs = intervalMs
  }

  /** How many jobs wait. Kept beside the lanes, where it would be a sum: it is asked for each that is run. */
  get length(): number {
    return this.#length
  }

  /** How many messages go before one that came now. */
  aheadOf(lane: number): number {
    let ahead = 0
    for (let above = 0; above <= lane; above += 1) ahead += this.#messages[above] ?? 0
    return ahead
  }

  /** Takes a job in, or those of its messages for which there is room. With room for none it is still its owner's. */
  offer(job: Job): Offer {
    const { overflow, maxMessages } = this.#bounds
    const { lane, parts } = job
    const dropsOldest = overflow === 'drop-oldest' && maxMessages > 0
    if (!dropsOldest) {
      const room = this.#roomFor(job)
      if (room === 0) return REFUSED[overflow]
      if (parts !== undefined && room < parts.costs.length) parts.shed(room, parts.costs.length - room)
    }
    if (job.aging !== null && this.#length === 0) this.#emptyUntil = job.aging.queuedAt
    this.#lanes.offer(lane, job)
    job.waits = true
    this.#length += 1
    this.#count(lane, messagesOf(job), job.bytes)
    if (dropsOldest) this.#makeRoom(lane, parts?.costs.at(-1) ?? job.bytes)
    return 'accepted'
  }

  /** Takes out what is to run next. */
  next(): Job | undefined {
    let old: Job | undefined
    for (let job = this.#lanes.next(); job !== undefined; job = this.#lanes.next()) {
      if (!job.waits) {
        this.#empty -= 1
        continue
      }
      this.#takeOut(job)
      if (job.stale) job.drop()
      else if (job.aging === null || !this.#tooOld(job.aging)) {
        if (old === undefined) return job
        old.aging?.refuse()
        old = undefined
        // Telling the one may have closed the connection of the other.
        if (!job.stale) return job
        job.drop()
      } else if (old === undefined || job.lane <= old.lane) {
        // Of those that are too old one is kept for now: the highest, and the newest of its lane.
        old?.aging?.refuse()
        old = job
      } else job.aging.refuse()
    }
    if (old?.stale !== true) return old
    old.drop()
    return undefined
  }

  /** What a job takes up is free at once, since it will not run. Whoever waited for it is told by who says so. */
  withdraw(job: Job): void {
    if (!job.waits) return
    this.#empty += 1
    this.#takeOut(job)
  }

  /** So many of the first messages of a job will not run. */
  shed(job: Job, count: number): void {
    const { lane, parts } = job
    if (parts === undefined || count === parts.costs.length) {
      this.withdraw(job)
      job.drop()
      return
    }
    let bytes = 0
    for (let index = 0; index < count; index += 1) bytes += parts.costs[index] ?? 0
    this.#count(lane, -count, -bytes)
    parts.shed(0, count)
  }

  /** How many messages of a job find room, the first ones first. */
  #roomFor({ lane, bytes: ofJob, parts }: Job): number {
    const { maxMessages, maxBytes } = this.#bounds
    let bytes = this.#bytes[lane] ?? 0
    const places = maxMessages - (this.#messages[lane] ?? 0)
    const count = parts === undefined ? 1 : parts.costs.length
    let room = 0
    while (room < count && room < places && bytes < maxBytes) {
      bytes += parts?.costs[room] ?? ofJob
      room += 1
    }
    return room
  }

  /** Drops the oldest messages until the newest, of so many bytes, has room. It is never dropped itself. */
  #makeRoom(lane: number, newest: number): void {
    const { maxMessages, maxBytes } = this.#bounds
    const mailbox = this.#lanes.lane(lane)
    let over = true
    while (over) {
      const oldest = mailbox.peek()
      if (oldest === undefined) return
      if (!oldest.waits) {
        mailbox.next()
        this.#empty -= 1
        continue
      }
      const costs = oldest.parts?.costs
      const count = messagesOf(oldest)
      let messages = this.#messages[lane] ?? 0
      let bytes = this.#bytes[lane] ?? 0
      let gone = 0
      for (; gone < count; gone += 1) {
        over = messages > maxMessages || (messages > 1 && bytes - newest >= maxBytes)
        if (!over) break
        messages -= 1
        bytes -= costs?.[gone] ?? oldest.bytes
      }
      this.#messages[lane] = messages
      this.#bytes[lane] = bytes
      if (gone < count) {
        if (gone > 0) oldest.parts?.shed(0, gone)
      } else {
        mailbox.next()
        oldest.waits = false
        this.#length -= 1
        oldest.drop()
      }
    }
  }

  /** A job gives its place back. */
  #takeOut(job: Job): void {
    job.waits = false
    this.#length -= 1
    this.#count(job.lane, -messagesOf(job), -job.bytes)
    if (this.#empty > this.#length) this.#sweep()
  }

  /** Takes out what has given its place back, once there is more of it than what waits: so it costs each the same. */
  #sweep(): void {
    for (let lane = 0; lane < LANE_COUNT; lane += 1) {
      for (let left = this.#lanes.lengthOf(lane); left > 0; left -= 1) {
        const job = this.#lanes.lane(lane).next()
        if (job?.waits === true) this.#lanes.offer(lane, job)
      }
    }
    this.#empty = 0
  }

  #count(lane: number, messages: number, bytes: number): void {
    this.#messages[lane] = (this.#messages[lane] ?? 0) + messages
    this.#bytes[lane] = (this.#bytes[lane] ?? 0) + bytes
  }

  #tooOld({ queuedAt, waitedMs, maxWaitMs }: Aging): boolean {
    return waitedMs > maxWaitMs && queuedAt + waitedMs - this.#emptyUntil > this.#intervalMs
  }
}
