// Hot path: `receive` and `consume` run for every one-way message.
import { LANE, LANE_COUNT } from '../mailbox/lane.js'
import { ByteBudget } from '../memory/byte-budget.js'
import { ReceiveCredit } from './credit.js'
import type { Environment } from './environment.js'
import type { Heartbeat } from './heartbeat.js'
import type { WriteLoop } from './write-loop.js'

/** Reading the clock in each turn would cost more than the turn of one message. */
const LOOK_EVERY_TURNS = 16

/**
 * High and normal: for both event loops to come round, however short the link is. A window that lasts for less has them
 * wait for each other.
 */
const LOOPS_MS = 2
/**
 * Low and bulk: half a gigabit a second on any link, and no more, because what they have on its way stands in front of
 * what is urgent. On loopback, 128 KiB of bulk leave an urgent call its 0.15 ms and carry 480 MB/s; 1 MiB make it 0.45
 * ms and carry twice that.
 */
const YIELDING_BYTES_PER_MS = 64 * 1024
/**
 * And so much for as long as something urgent came lately, a message or two of 16 KiB. With one urgent call after the
 * other beside bulk on loopback, 128 KiB made their p99 2 to 4 ms, 24 KiB 0.3 ms, and 16 KiB 0.2 ms; alone it is 0.14.
 */
const HURRIED_BYTES_PER_MS = 16 * 1024
const HURRIED_BYTES = 16 * 1024
const LATELY_MS = 20

/** What we let the peer send on one connection: one-way messages by lane, and the growth of all its windows. */
export class Flow {
  /** By which they may grow beyond where they began, all of them together. */
  readonly budget: ByteBudget
  readonly #environment: Environment
  readonly #writes: WriteLoop
  readonly #heartbeat: Heartbeat
  #turns = 0
  /** Messages of the lanes above low, as far as they were looked at. */
  #urgent = 0
  #hurriedUntil = Number.NEGATIVE_INFINITY
  readonly #lanes = new Array<ReceiveCredit | null>(LANE_COUNT).fill(null)

  constructor(environment: Environment, writes: WriteLoop, heartbeat: Heartbeat) {
    this.#environment = environment
    this.#writes = writes
    this.#heartbeat = heartbeat
    this.budget = new ByteBudget(environment.flow.windowBudgetBytes)
  }

  /** One-way messages came. Returns false when the peer had no credit for them. */
  receive(lane: number, cost: number): boolean {
    return this.#lane(lane).receive(cost)
  }

  /** We are done with them. */
  consume(lane: number, cost: number): void {
    const credit = this.#lane(lane)
    if (credit.consume(cost)) this.grant(credit, lane, 0)
  }

  /** Lets the peer send more of a lane, or of a stream whose frames have this priority. */
  grant(credit: ReceiveCredit, priority: number, id: number): void {
    const now = this.#environment.clock.now()
    const ms = this.#heartbeat.roundTripMs
    let bytes: number
    if (priority <= LANE.normal) bytes = credit.grant(now, ms > 0 ? Math.max(ms, LOOPS_MS) : 0)
    else if (now < this.#hurriedUntil) bytes = credit.yieldTo(now, ms, hurriedBytes(ms))
    else bytes = credit.grant(now, ms, Math.ceil(ms * YIELDING_BYTES_PER_MS))
    if (bytes > 0) this.#writes.credit(id === 0 ? priority : 0, id, bytes)
  }

  /** The connection is ready, and nobody busy yet. */
  start(): void {
    this.#heartbeat.measure()
  }

  /**
   * A turn of reading that began at this time has ended; so many messages of the lanes above low came since the
   * connection began. The round trip is measured now and then, while there is traffic.
   */
  onTurnEnd(urgent: number, beganAt: number): void {
    if (urgent !== this.#urgent) this.#hurriedUntil = beganAt + LATELY_MS
    this.#urgent = urgent
    this.#turns += 1
    if (this.#turns % LOOK_EVERY_TURNS === 0) this.#heartbeat.measure()
  }

  #lane(lane: number): ReceiveCredit {
    const known = this.#lanes[lane]
    if (known !== null && known !== undefined) return known
    const { laneWindowBytes, maxWindowBytes } = this.#environment.flow
    const made = new ReceiveCredit(laneWindowBytes, maxWindowBytes, this.budget)
    this.#lanes[lane] = made
    return made
  }
}

function hurriedBytes(roundTripMs: number): number {
  return Math.max(HURRIED_BYTES, Math.ceil(roundTripMs * HURRIED_BYTES_PER_MS))
}
