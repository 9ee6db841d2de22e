import { LANE_COUNT } from '../mailbox/lane.js'
import { Ring } from '../memory/ring.js'
import { type AgedLanes, type Job, messagesOf } from './aged-lanes.js'

/**
 * Messages that wait for their handler and whose connection is gone, and with it the credit that bounded them: their
 * sender may come again as often as it likes. So there are no more of them, of each lane, than the bounds of the handler:
 * the oldest are dropped. One of more bytes than that may wait alone, as in any mailbox.
 */
export class Orphans {
  readonly #queue: AgedLanes
  readonly #maxMessages: number
  readonly #maxBytes: number
  /** In the order in which they were orphaned; those that have run meanwhile are passed over. */
  readonly #lanes = Array.from({ length: LANE_COUNT }, () => new Ring<Job>())
  readonly #messages = new Array<number>(LANE_COUNT).fill(0)
  readonly #bytes = new Array<number>(LANE_COUNT).fill(0)

  constructor(queue: AgedLanes, maxMessages: number, maxBytes: number) {
    this.#queue = queue
    this.#maxMessages = maxMessages
    this.#maxBytes = maxBytes
  }

  add(job: Job): void {
    if (!job.waits || job.orphaned === true) return
    job.orphaned = true
    this.#lanes[job.lane]?.push(job)
    this.#count(job.lane, messagesOf(job), job.bytes)
    this.#makeRoom(job.lane)
  }

  /** One that may be of them is run. */
  ran(job: Job): void {
    if (job.orphaned !== true) return
    this.#count(job.lane, -messagesOf(job), -job.bytes)
    this.#oldest(job.lane)
  }

  #makeRoom(lane: number): void {
    for (let job = this.#oldest(lane); job !== undefined; job = this.#oldest(lane)) {
      const costs = job.parts?.costs
      const count = messagesOf(job)
      let gone = 0
      for (; gone < count && this.#over(lane); gone += 1) this.#count(lane, -1, -(costs?.[gone] ?? job.bytes))
      if (gone === 0) return
      this.#queue.shed(job, gone)
    }
  }

  #over(lane: number): boolean {
    const messages = this.#messages[lane] ?? 0
    return messages > this.#maxMessages || (messages > 1 && (this.#bytes[lane] ?? 0) > this.#maxBytes)
  }

  #oldest(lane: number): Job | undefined {
    const jobs = this.#lanes[lane]
    while (jobs?.peek()?.waits === false) jobs.shift()
    return jobs?.peek()
  }

  #count(lane: number, messages: number, bytes: number): void {
    this.#messages[lane] = (this.#messages[lane] ?? 0) + messages
    this.#bytes[lane] = (this.#bytes[lane] ?? 0) + bytes
  }
}
