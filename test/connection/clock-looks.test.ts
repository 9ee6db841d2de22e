import { describe, expect, it } from 'vitest'
import { ClockLooks } from '../../src/connection/clock-looks.js'

/** How many messages lie between the looks at a clock, for messages that take as long as given. */
function between(looks: ClockLooks, fromMs: number, perMessageMs: readonly number[]): number[] {
  const found: number[] = []
  let now = fromMs
  let count = 0
  for (const tookMs of perMessageMs) {
    now += tookMs
    count += 1
    looks.count()
    if (!looks.due) continue
    looks.looked(now)
    found.push(count)
    count = 0
  }
  return found
}

const many = (count: number, ms: number): number[] => new Array<number>(count).fill(ms)

describe('the clock', () => {
  it('is read after each message that takes as long as lies between two looks, or longer', () => {
    expect(between(new ClockLooks(0.5, 64, 0), 0, [0.5, 0.7, 5, 0.5])).toEqual([1, 1, 1, 1])
  })

  it('is read ever less often while messages are quick, down to once in the most', () => {
    expect(between(new ClockLooks(0.5, 16, 0), 0, many(63, 0.001))).toEqual([1, 2, 4, 8, 16, 16, 16])
  })

  it('is read less often for messages that take no time that can be measured', () => {
    expect(between(new ClockLooks(0.5, 4, 0), 0, many(7, 0))).toEqual([1, 2, 4])
  })

  it('is read as often as messages fit into the time between two looks', () => {
    expect(between(new ClockLooks(0.5, 64, 0), 0, many(12, 0.125))).toEqual([1, 2, 4, 4])
  })

  it('is read after each message again at the first look at slow ones', () => {
    expect(between(new ClockLooks(0.5, 4, 0), 0, [...many(7, 0.001), ...many(7, 5)])).toEqual([1, 2, 4, 4, 1, 1, 1])
  })

  it('is not thought to have run for messages while something else was done', () => {
    const looks = new ClockLooks(0.5, 64, 0)
    expect(between(looks, 0, many(7, 0.01))).toEqual([1, 2, 4])
    looks.count()
    looks.resume(1_000)
    expect(between(looks, 1_000, many(24, 0.01))).toEqual([8, 16])
  })
})
