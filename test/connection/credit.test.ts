import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { COST_BYTES, MAX_CREDIT, ReceiveCredit, SendCredit } from '../../src/connection/credit.js'
import { ByteBudget } from '../../src/memory/byte-budget.js'

/** Each grant is a round trip after the last: every reader that keeps up is fast. */
let now = 0
beforeEach(() => {
  now = 0
})
function next(): readonly [now: number, roundTripMs: number] {
  now += 1
  return [now, 1]
}

describe('what the peer lets us send', () => {
  test('is open above zero, and the last message may take it below', () => {
    const credit = new SendCredit(10)
    credit.spend(9)
    expect([credit.open, credit.available]).toEqual([true, 1])
    credit.spend(COST_BYTES + 500)
    expect([credit.open, credit.available]).toEqual([false, 1 - 512])
    expect(credit.add(511)).toBe(true)
    expect(credit.open).toBe(false)
    expect(credit.add(1)).toBe(true)
    expect(credit.open).toBe(true)
  })

  test('is not added to by nothing, nor beyond the bound, and a refused grant changes nothing', () => {
    const credit = new SendCredit(100)
    expect([credit.add(0), credit.available]).toEqual([false, 100])
    expect([credit.add(MAX_CREDIT - 99), credit.available]).toEqual([false, 100])
    expect([credit.add(2 ** 32 - 1), credit.available]).toEqual([false, 100])
    expect([credit.add(MAX_CREDIT - 100), credit.available]).toEqual([true, MAX_CREDIT])
    expect([credit.add(1), credit.available]).toEqual([false, MAX_CREDIT])
  })

  test('is what was granted less what was spent, and never above the bound', () => {
    const step = fc.oneof(
      fc.record({ spend: fc.nat(2 ** 24) }),
      fc.record({ grant: fc.oneof(fc.nat(2 ** 24), fc.integer({ min: 0, max: 2 ** 32 - 1 })) }),
    )
    fc.assert(
      fc.property(fc.nat(MAX_CREDIT), fc.array(step, { maxLength: 60 }), (initial, steps) => {
        const credit = new SendCredit(initial)
        let available = initial
        for (const one of steps) {
          if ('spend' in one) {
            if (!credit.open) continue
            credit.spend(one.spend)
            available -= one.spend
          } else {
            const right = one.grant > 0 && available + one.grant <= MAX_CREDIT
            expect(credit.add(one.grant)).toBe(right)
            if (right) available += one.grant
          }
          expect([credit.available, credit.open]).toEqual([available, available > 0])
          expect(available).toBeLessThanOrEqual(MAX_CREDIT)
        }
      }),
    )
  })
})

/** A reader that is done with each message at once. */
function readAll(credit: ReceiveCredit, cost: number): boolean {
  expect(credit.receive(cost)).toBe(true)
  return credit.consume(cost)
}

/** Lets `count` grants pass at each of which the reader still holds something. */
function fallBehind(credit: ReceiveCredit, count: number): number[] {
  return Array.from({ length: count }, () => {
    const half = Math.ceil(credit.window / 2)
    if (credit.held === 0) expect(credit.receive(half)).toBe(true)
    // Once the window is halved, what the reader holds may be all of it.
    if (credit.granted > 0) credit.receive(half)
    credit.consume(half)
    return credit.grant(...next())
  })
}

describe('what we let the peer send', () => {
  test('is the window less what the reader holds or has not been granted again', () => {
    const credit = new ReceiveCredit(100, 100, new ByteBudget(0))
    expect(credit.receive(70)).toBe(true)
    expect([credit.granted, credit.held]).toEqual([30, 70])
    expect(credit.consume(49)).toBe(false)
    expect(credit.consume(1)).toBe(true)
    expect([credit.granted, credit.held]).toEqual([30, 20])
    expect([credit.grant(...next()), credit.granted, credit.held]).toEqual([50, 80, 20])
  })

  test('is none once it is used up: the next message broke the rule', () => {
    const credit = new ReceiveCredit(100, 100, new ByteBudget(0))
    expect(credit.receive(99)).toBe(true)
    expect(credit.receive(5_000)).toBe(true)
    expect(credit.receive(1)).toBe(false)
    expect([credit.granted, credit.held]).toEqual([-4_999, 5_099])
  })

  test('may be nothing to grant', () => {
    expect(new ReceiveCredit(100, 100, new ByteBudget(0)).grant(...next())).toBe(0)
  })

  test('doubles for a reader that keeps up, to the cap and not beyond', () => {
    const credit = new ReceiveCredit(100, 1_000, new ByteBudget(10_000))
    const windows = Array.from({ length: 6 }, () => {
      readAll(credit, credit.window / 2)
      credit.grant(...next())
      return credit.window
    })
    expect(windows).toEqual([200, 400, 800, 1_000, 1_000, 1_000])
  })

  test('does not grow for a reader that is behind', () => {
    const credit = new ReceiveCredit(100, 1_000, new ByteBudget(10_000))
    fallBehind(credit, 20)
    expect(credit.window).toBe(100)
  })

  test('halves at the fourth grant in a row at which the reader was behind, and never below where it began', () => {
    const budget = new ByteBudget(10_000)
    const credit = new ReceiveCredit(100, 1_000, budget)
    for (let round = 0; round < 3; round += 1) {
      readAll(credit, credit.window / 2)
      credit.grant(...next())
    }
    expect([credit.window, budget.left]).toEqual([800, 9_300])
    expect(fallBehind(credit, 3).every((bytes) => bytes > 0)).toBe(true)
    expect(credit.window).toBe(800)
    fallBehind(credit, 1)
    expect([credit.window, budget.left]).toEqual([400, 9_700])
    fallBehind(credit, 40)
    expect([credit.window, budget.left]).toEqual([100, 10_000])
  })

  test('keeps back no more than was consumed, where it is granted early', () => {
    const credit = new ReceiveCredit(100, 200, new ByteBudget(100))
    readAll(credit, 50)
    credit.grant(...next())
    credit.receive(100)
    const granted = Array.from({ length: 5 }, () => {
      credit.consume(1)
      return credit.grant(...next())
    })
    expect(granted).toEqual([1, 1, 1, 0, 1])
    expect([credit.window, credit.granted, credit.held]).toEqual([199, 104, 95])
  })

  test('counts the grants at which it was behind anew for a reader that caught up', () => {
    const credit = new ReceiveCredit(100, 400, new ByteBudget(10_000))
    const catchUp = () => {
      credit.consume(credit.held)
      credit.grant(...next())
    }
    catchUp()
    for (let round = 0; round < 5; round += 1) {
      readAll(credit, credit.window / 2)
      catchUp()
      fallBehind(credit, 3)
    }
    expect(credit.window).toBe(400)
  })

  test('grows by no more than the budget of all windows has left', () => {
    const budget = new ByteBudget(150)
    const [one, other] = [new ReceiveCredit(100, 1_000, budget), new ReceiveCredit(100, 1_000, budget)]
    for (const credit of [one, other]) {
      readAll(credit, 50)
      credit.grant(1, 1)
    }
    expect([one.window, other.window, budget.left]).toEqual([200, 150, 0])
    one.close()
    one.close()
    expect(budget.left).toBe(100)
    readAll(other, 75)
    expect([other.grant(2, 1), other.window, budget.left]).toEqual([175, 250, 0])
  })

  test('does not grow again once nobody reads: what comes late is granted, and no more', () => {
    const budget = new ByteBudget(1_000)
    const credit = new ReceiveCredit(100, 1_000, budget)
    credit.close()
    readAll(credit, 60)
    expect([credit.grant(...next()), credit.window, budget.left]).toEqual([60, 100, 1_000])
  })

  test('is no smaller than it begins where the cap is', () => {
    const budget = new ByteBudget(1_000)
    const credit = new ReceiveCredit(100, 50, budget)
    readAll(credit, 60)
    expect([credit.grant(...next()), credit.window, budget.left]).toEqual([60, 100, 1_000])
  })
})

describe('a window that yields to others', () => {
  test('has no more than it is told, and what it began with again as soon as nobody is in a hurry', () => {
    const credit = new ReceiveCredit(1_000, 4_000, new ByteBudget(10_000))
    expect(readAll(credit, 1_000)).toBe(true)
    expect([credit.yieldTo(0, 1, 200), credit.window, credit.granted]).toEqual([200, 200, 200])
    expect(readAll(credit, 150)).toBe(true)
    expect([credit.yieldTo(0, 1, 200), credit.window, credit.granted]).toEqual([150, 200, 200])
    expect(readAll(credit, 150)).toBe(true)
    expect([credit.grant(0, 1), credit.window, credit.granted]).toEqual([150 + 800, 1_000, 1_000])
  })

  test('grows up to that where it is smaller, as it would alone', () => {
    const credit = new ReceiveCredit(100, 4_000, new ByteBudget(10_000))
    const windows = Array.from({ length: 4 }, () => {
      readAll(credit, credit.granted)
      credit.yieldTo(...next(), 300)
      return credit.window
    })
    expect(windows).toEqual([200, 300, 300, 300])
  })

  test('is at least what it began with or may have, as soon as that is more', () => {
    const credit = new ReceiveCredit(1_000, 1_000, new ByteBudget(0))
    readAll(credit, 1_000)
    credit.yieldTo(0, 1, 200)
    readAll(credit, 200)
    expect([credit.yieldTo(0, 1, 600), credit.window]).toEqual([600, 600])
    readAll(credit, 600)
    expect([credit.yieldTo(0, 1, 5_000), credit.window]).toEqual([1_000, 1_000])
  })

  test('keeps back what was consumed, and nothing that was granted or is held', () => {
    const credit = new ReceiveCredit(1_000, 1_000, new ByteBudget(0))
    credit.receive(700)
    credit.consume(500)
    expect([credit.yieldTo(0, 1, 200), credit.window, credit.granted, credit.held]).toEqual([0, 500, 300, 200])
    credit.receive(300)
    credit.consume(500)
    expect([credit.yieldTo(0, 1, 200), credit.window, credit.granted, credit.held]).toEqual([200, 200, 200, 0])
  })

  test('gives back to the others what it had grown by, and no more', () => {
    const budget = new ByteBudget(1_000)
    const credit = new ReceiveCredit(100, 1_000, budget)
    readAll(credit, 100)
    expect(credit.grant(...next())).toBe(200)
    expect(budget.left).toBe(900)
    readAll(credit, 200)
    expect([credit.yieldTo(now, 1, 50), credit.window, budget.left]).toEqual([50, 50, 1_000])
    credit.close()
    expect(budget.left).toBe(1_000)
  })
})

/** Both ends of one direction, with the messages and grants that are between them. */
class Flowing {
  readonly receives: ReceiveCredit
  readonly sends: SendCredit
  readonly #messages: number[] = []
  readonly #grants: number[] = []
  closed = false

  constructor(initial: number, most: number, budget: ByteBudget) {
    this.receives = new ReceiveCredit(initial, most, budget)
    this.sends = new SendCredit(initial)
  }

  send(cost: number): void {
    if (!this.sends.open) return
    this.sends.spend(cost)
    this.#messages.push(cost)
  }

  arrive(): void {
    const cost = this.#messages.shift()
    if (cost !== undefined) expect(this.receives.receive(cost)).toBe(true)
  }

  consume(part: number, yieldTo: number | null = null): void {
    const cost = Math.ceil((this.receives.held * part) / 4)
    if (cost <= 0 || !this.receives.consume(cost)) return
    const bytes = yieldTo === null ? this.receives.grant(...next()) : this.receives.yieldTo(...next(), yieldTo)
    expect(bytes).toBeGreaterThanOrEqual(0)
    if (bytes > 0) this.#grants.push(bytes)
  }

  granted(): void {
    const bytes = this.#grants.shift()
    if (bytes !== undefined) expect(this.sends.add(bytes)).toBe(true)
  }

  /** Everything on the way arrives, and the reader takes it all. */
  settle(): void {
    for (let round = 0; round < 200; round += 1) {
      this.arrive()
      this.consume(4)
      this.granted()
    }
  }

  /** What is granted is what the sender has, and what is on the way to it or from it. */
  check(most: number): void {
    const { granted, held, window } = this.receives
    const sum = (costs: readonly number[]) => costs.reduce((all, cost) => all + cost, 0)
    expect(this.sends.available + sum(this.#messages) + sum(this.#grants)).toBe(granted)
    expect(held).toBeGreaterThanOrEqual(0)
    // What is left of the window is consumed and not granted again: less than half of it, or it would have been.
    const consumed = window - granted - held
    expect(consumed).toBeGreaterThanOrEqual(0)
    expect(consumed * 2 < window || consumed === 0).toBe(true)
    expect(window).toBeLessThanOrEqual(most)
    expect(granted).toBeLessThanOrEqual(window)
  }
}

describe('whatever is sent, read and granted, and whenever it arrives', () => {
  const actions = ['send', 'arrive', 'consume', 'granted', 'yield', 'close'] as const
  const step = fc.record({
    who: fc.nat(2),
    what: fc.constantFrom(...actions.slice(0, 5), ...actions.slice(0, 5), ...actions.slice(0, 5), ...actions),
    cost: fc.integer({ min: 1, max: 400 }),
    part: fc.integer({ min: 1, max: 4 }),
  })
  const windows = fc.record({
    initial: fc.integer({ min: 1, max: 200 }),
    most: fc.integer({ min: 1, max: 2_000 }),
    budgetBytes: fc.nat(3_000),
  })

  test('a sender that obeys is never without credit, windows keep their bounds, and no byte of credit is lost', () => {
    fc.assert(
      fc.property(windows, fc.array(step, { maxLength: 150 }), ({ initial, most, budgetBytes }, steps) => {
        const budget = new ByteBudget(budgetBytes)
        const all = [0, 1, 2].map(() => new Flowing(initial, most, budget))
        for (const { who, what, cost, part } of steps) {
          const flowing = all[who] as Flowing
          if (flowing.closed) continue
          if (what === 'send') flowing.send(cost)
          else if (what === 'consume') flowing.consume(part)
          else if (what === 'yield') flowing.consume(part, cost)
          else if (what === 'close') {
            flowing.receives.close()
            flowing.closed = true
          } else flowing[what]()
          if (!flowing.closed) flowing.check(Math.max(initial, most))
          const grown = all.reduce((sum, { receives }) => sum + Math.max(0, receives.window - initial), 0)
          expect(budget.left + grown).toBe(budgetBytes)
          expect(budget.left).toBeGreaterThanOrEqual(0)
        }
        for (const flowing of all) {
          if (flowing.closed) continue
          flowing.settle()
          // Nothing is on the way and nothing is held: who obeyed may send again.
          expect(flowing.sends.open).toBe(true)
          flowing.receives.close()
        }
        expect(budget.left).toBe(budgetBytes)
      }),
      { numRuns: 400 },
    )
  })
})

describe('a window whose reader keeps up', () => {
  /** Has everything consumed at once that the window allows, and granted again, at these times. */
  function windowsAt(roundTripMs: number, times: readonly number[]): number[] {
    const credit = new ReceiveCredit(100, 1_000, new ByteBudget(1_000))
    return times.map((at) => {
      const cost = credit.granted
      credit.receive(cost)
      credit.consume(cost)
      credit.grant(at, roundTripMs)
      return credit.window
    })
  }

  test('grows while it is less than twice what a round trip takes', () => {
    // 100 bytes in 100 ms are 50 in a round trip.
    expect(windowsAt(50, [5_000, 5_100])).toEqual([100, 200])
    expect(windowsAt(50, [5_000, 5_101])).toEqual([100, 100])
  })

  test('does not take for speed what came at once', () => {
    expect(windowsAt(50, [5_000, 5_001, 5_002, 5_049])).toEqual([100, 100, 100, 100])
  })

  test('shrinks to where it began when it is eight times as much', () => {
    expect(windowsAt(50, [5_000, 5_050, 5_100, 5_400, 9_000, 15_000])).toEqual([100, 200, 400, 400, 200, 100])
  })

  test('stays as it is while the round trip is not known', () => {
    expect(windowsAt(0, [5_000, 5_001, 5_002])).toEqual([100, 100, 100])
  })
})
