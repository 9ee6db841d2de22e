// Hot path where it is used: `tryStart` and `settled` run for every call of a handler that has one.
import { failure } from '../base/errors.js'
import { group, type InputOf, integer, type OutputOf, oneOf, optional } from '../base/options.js'
import { QueueBudget, type QueueEnvironment } from '../connection/turn-budget.js'
import { type Offer, OVERFLOWS, type Overflow } from '../mailbox/mailbox.js'
import { AgedLanes, type Job, messagesOf } from './aged-lanes.js'
import { Orphans } from './orphans.js'
import type { MethodKind } from './service.js'

export const handlerRules = group({
  /** How many of this handler run at once, over all connections. */
  concurrency: integer(1_024, 1, 1_000_000),
  /**
   * How many more wait for it, of each priority, each message of a batch; with `wait`, what senders have credit for, and
   * so many of senders that are gone.
   */
  maxQueued: integer(1_024, 0, 10_000_000),
  maxQueuedBytes: integer(16 * 1024 * 1024, 1_024, 1024 * 1024 * 1024),
  /** What happens to one more: one-way messages `wait` with their sender, all others are refused (`reject`). */
  overflow: optional(oneOf<Overflow>('reject', OVERFLOWS)),
})

/** How much of a handler runs and waits. */
export type HandlerOptions = InputOf<typeof handlerRules>

/**
 * Holds a handler to its concurrency. What is over it waits by priority, or is refused. Of what waits no more is run in a
 * turn of the event loop than a connection may deliver in one: handlers that settle in the turn in which they started
 * would go on until none is left, and nothing else would be heard meanwhile.
 */
export class HandlerQueue {
  readonly #concurrency: number
  readonly #lanes: AgedLanes
  /** Null where what waits is bounded whoever sent it. */
  readonly #orphans: Orphans | null
  /** Made when something has to wait. */
  #budget: QueueBudget | null = null
  #running = 0
  #starting = false

  /** `intervalMs`: a queue that has not been empty for so long refuses what has waited too long. */
  constructor(
    { concurrency, maxQueued, maxQueuedBytes, overflow }: OutputOf<typeof handlerRules>,
    kind: MethodKind,
    intervalMs: number,
  ) {
    if (overflow === 'wait' && kind !== 'oneWay') {
      throw failure('option-range', 'option overflow cannot be wait for what has an answer: its caller is told', {
        details: { option: 'overflow' },
      })
    }
    const policy = overflow ?? (kind === 'oneWay' ? 'wait' : 'reject')
    this.#concurrency = concurrency
    // Who waits with its sender is bounded by the credit of that sender, while that is there.
    const unbounded = policy === 'wait'
    const bounds = {
      maxMessages: unbounded ? Number.POSITIVE_INFINITY : maxQueued,
      maxBytes: unbounded ? Number.POSITIVE_INFINITY : maxQueuedBytes,
      overflow: policy,
    }
    this.#lanes = new AgedLanes(bounds, intervalMs)
    this.#orphans = unbounded ? new Orphans(this.#lanes, maxQueued, maxQueuedBytes) : null
  }

  /** Who comes now has to wait. */
  get busy(): boolean {
    return this.#running >= this.#concurrency || this.#starting || this.#lanes.length > 0
  }

  /** Takes a place if there is one and nobody waits for it. */
  tryStart(): boolean {
    if (this.busy) return false
    this.#running += 1
    return true
  }

  /** Takes a job in that found no place. `environment`: of the connection it came on. */
  offer(job: Job, environment: QueueEnvironment): Offer {
    // One for all connections: they are of one server, or of one client.
    this.#budget ??= new QueueBudget(environment, () => this.#startSome())
    return this.#lanes.offer(job)
  }

  /** Nobody waits for a job any more: what it took up is free at once. */
  withdraw(job: Job): void {
    this.#lanes.withdraw(job)
  }

  /** The connection of a message is gone. It waits on, within the bounds of the handler. */
  orphan(job: Job): void {
    this.#orphans?.add(job)
  }

  /** A handler has settled: its place is free. */
  settled(): void {
    this.#running -= 1
    // A handler that settles at once comes back here before the loop that started it goes on.
    if (!this.#starting) this.#startSome()
  }

  /** Fills the places that are free. What this turn has no time for is started in the next. */
  #startSome(): void {
    this.#starting = true
    while (this.#running < this.#concurrency && this.#lanes.length > 0) {
      if (this.#budget?.mayStart() === false) break
      const job = this.#lanes.next()
      if (job === undefined) break
      this.#running += 1
      this.#orphans?.ran(job)
      this.#budget?.started(messagesOf(job))
      job.start()
    }
    this.#starting = false
  }
}
