import { describe, expect, it } from 'vitest'
import { Counters } from '../../src/base/counters.js'
import { group } from '../../src/base/options.js'
import { connectionRules } from '../../src/connection/options.js'
import { QueueBudget } from '../../src/connection/turn-budget.js'
import { VirtualClock } from '../support/virtual-clock.js'

const MAX_MS = 4

/** Counts how often it is asked. */
class AskedClock extends VirtualClock {
  asked = 0

  override now(): number {
    this.asked += 1
    return super.now()
  }
}

/** A queue that never ends, of messages that take the same time each. */
class Endless {
  readonly clock = new AskedClock({ turns: 'manual' })
  readonly counters = new Counters()
  readonly #budget: QueueBudget
  perMessageMs = 0
  perJob = 1
  turns = 0
  started = 0

  constructor(maxMessagesPerTurn = 1_000_000) {
    const limits = group(connectionRules).parse({ limits: { maxMessagesPerTurn, maxTurnMs: MAX_MS } }, '').limits
    this.#budget = new QueueBudget({ clock: this.clock, counters: this.counters, limits }, () => {
      this.turns += 1
    })
  }

  /** How many may be started in this turn. It never ends by itself where they take no time. */
  run(most = 1_000_000): number {
    this.started = 0
    while (this.started < most && this.#budget.mayStart()) {
      this.#budget.started(this.perJob)
      this.started += 1
      this.clock.stall(this.perMessageMs)
    }
    return this.started
  }
}

describe('what is delivered from a queue in a turn', () => {
  it('is so many messages, however often it is asked, and as many in the next', () => {
    const queue = new Endless(1_024)
    for (let turn = 0; turn < 3; turn += 1) {
      expect(queue.run()).toBe(1_024)
      expect(queue.run()).toBe(0)
      queue.clock.turn()
    }
    expect(queue.turns).toBe(3)
  })

  it('is measured by messages where many run at once, and the last may pass it', () => {
    const queue = new Endless(1_024)
    queue.perJob = 400
    expect(queue.run()).toBe(3)
  })

  it('is what there is time for: of messages of a millisecond no more than four', () => {
    const queue = new Endless()
    queue.perMessageMs = 1
    for (let turn = 0; turn < 3; turn += 1) {
      expect(queue.run()).toBe(MAX_MS)
      queue.clock.turn()
    }
  })

  it('is little more than that when messages grow slow that were quick', () => {
    const queue = new Endless()
    queue.run(100)
    queue.perMessageMs = 1
    // Sixteen quick ones went by without a look at the clock: so many slow ones do once.
    expect(queue.run()).toBeLessThanOrEqual(16)
    queue.clock.turn()
    expect(queue.run()).toBe(MAX_MS)
  })

  it('has the clock asked once for sixteen messages where they are quick', () => {
    const queue = new Endless(16_000)
    queue.run()
    expect(queue.clock.asked).toBeLessThan(1_010)
  })

  it('goes on through all of its time when it is started little by little in one turn', () => {
    const queue = new Endless()
    queue.perMessageMs = 1
    expect([queue.run(1), queue.run(1), queue.run()]).toEqual([1, 1, 2])
  })

  it('is counted as a turn that was yielded only where something was left', () => {
    const queue = new Endless(8)
    queue.run(8)
    queue.clock.turn()
    expect(queue.counters.turnsYielded).toBe(0)
    queue.run(9)
    queue.run(9)
    expect(queue.counters.turnsYielded).toBe(1)
  })

  it('asks for a turn only where something was started in the one before', () => {
    const queue = new Endless()
    queue.clock.turn()
    queue.run(1)
    queue.clock.turn()
    queue.clock.turn()
    expect(queue.turns).toBe(1)
  })
})
