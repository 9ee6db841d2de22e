import { describe, expect, it } from 'vitest'
import { ByteBudget } from '../../src/memory/byte-budget.js'

describe('a budget of bytes', () => {
  it('gives what there is, and no more than it has', () => {
    const budget = new ByteBudget(100)
    expect([budget.take(60), budget.take(60), budget.take(1)]).toEqual([60, 40, 0])
    expect(budget.left).toBe(0)
  })

  it('gives all of it or nothing where that is asked for', () => {
    const budget = new ByteBudget(100)
    expect([budget.takeWhole(60), budget.takeWhole(41), budget.takeWhole(40)]).toEqual([true, false, true])
    expect(budget.left).toBe(0)
  })

  it('has what it is given back', () => {
    const budget = new ByteBudget(100)
    budget.take(100)
    budget.giveBack(30)
    expect([budget.left, budget.takeWhole(31), budget.takeWhole(30)]).toEqual([30, false, true])
  })
})
