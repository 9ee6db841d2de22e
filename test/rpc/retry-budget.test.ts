import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RetryBudget } from '../../src/rpc/retry-budget.js'

describe('the budget of retries', () => {
  it('is ten tokens at first, and one more for ten calls that succeed', () => {
    const budget = new RetryBudget({ budgetTokens: 10, successesPerToken: 10 })
    const taken = Array.from({ length: 12 }, () => budget.take(0))
    expect(taken.filter(Boolean)).toHaveLength(10)
    expect([budget.take(9), budget.take(10), budget.take(10), budget.take(19), budget.take(20)]).toEqual([
      false,
      true,
      false,
      false,
      true,
    ])
  })

  it('saves no more than it began with', () => {
    const budget = new RetryBudget({ budgetTokens: 2, successesPerToken: 10 })
    const taken = Array.from({ length: 4 }, () => budget.take(1_000_000))
    expect(taken).toEqual([true, true, false, false])
  })

  it('never gives more than it began with and what successes have brought, and gives what a naive count has', () => {
    const sizes = fc.record({
      budgetTokens: fc.integer({ min: 1, max: 20 }),
      successesPerToken: fc.integer({ min: 1, max: 20 }),
    })
    fc.assert(
      fc.property(sizes, fc.array(fc.integer({ min: 0, max: 60 })), (size, steps) => {
        const budget = new RetryBudget(size)
        let successes = 0
        let parts = size.budgetTokens * size.successesPerToken
        let given = 0
        for (const step of steps) {
          successes += step
          for (let one = 0; one < step; one += 1)
            parts = Math.min(size.budgetTokens * size.successesPerToken, parts + 1)
          const expected = parts >= size.successesPerToken
          if (expected) parts -= size.successesPerToken
          expect(budget.take(successes)).toBe(expected)
          given += Number(expected)
        }
        expect(given).toBeLessThanOrEqual(size.budgetTokens + successes / size.successesPerToken)
      }),
    )
  })
})
