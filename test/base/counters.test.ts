import { describe, expect, test } from 'vitest'
import { Counters, snapshot } from '../../src/base/counters.js'
import { REASONS, type Reason } from '../../src/base/errors.js'

describe('counters', () => {
  test('all start at zero', () => {
    const { failures, ...numbers } = snapshot(new Counters())
    for (const value of [...Object.values(numbers), ...Object.values(failures)]) expect(value).toBe(0)
  })

  test('have one counter for every reason of the error table', () => {
    expect(Object.keys(new Counters().failures)).toEqual(Object.keys(REASONS))
  })

  test('count a failure under its reason and nowhere else', () => {
    for (const reason of Object.keys(REASONS) as Reason[]) {
      const counters = new Counters()
      counters.failed(reason)
      counters.failed(reason)
      expect(counters.failures[reason]).toBe(2)
      expect(Object.values(counters.failures).reduce((sum, count) => sum + count)).toBe(2)
    }
  })

  test('are not shared between two owners', () => {
    const one = new Counters()
    one.failed('deadline')
    expect(new Counters().failures.deadline).toBe(0)
  })
})

describe('a snapshot', () => {
  test('has every counter and does not move any more', () => {
    const counters = new Counters()
    counters.callsStarted += 3
    counters.failed('deadline')
    const metrics = snapshot(counters)
    counters.callsStarted += 1
    counters.failed('deadline')
    expect(metrics.callsStarted).toBe(3)
    expect(metrics.failures.deadline).toBe(1)
    expect(Object.keys(metrics).sort()).toEqual(Object.keys(counters).sort())
  })

  test('can travel as JSON', () => {
    const counters = new Counters()
    counters.bytesSent = 12
    expect(JSON.parse(JSON.stringify(snapshot(counters)))).toEqual(snapshot(counters))
  })
})
