import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LANE } from '../../src/mailbox/lane.js'
import { LoopPressure, maxWaitOf } from '../../src/rpc/load-shedding.js'

const LANES = [LANE.high, LANE.normal, LANE.low, LANE.bulk]
const OPTIONS = { maxWaitMs: 5_000, intervalMs: 100, maxLoopDelayMs: 200 }

describe('how long a call may wait', () => {
  it('is a part of the time its caller has, more of it in the higher lanes, and never more than overload.maxWaitMs', () => {
    expect(LANES.map((lane) => maxWaitOf(lane, 1_000, OPTIONS))).toEqual([800, 500, 300, 200])
    expect(LANES.map((lane) => maxWaitOf(lane, 60_000, OPTIONS))).toEqual([5_000, 5_000, 5_000, 5_000])
    expect(maxWaitOf(LANE.bulk, Number.POSITIVE_INFINITY, OPTIONS)).toBe(5_000)
    expect(maxWaitOf(LANE.bulk, 1_000, { ...OPTIONS, maxWaitMs: 0 })).toBe(Number.POSITIVE_INFINITY)
  })
})

/** How many of a hundred calls are taken. */
function taken(pressure: LoopPressure, lane: number): number {
  return Array.from({ length: 100 }, () => pressure.admits(lane)).filter(Boolean).length
}

describe('calls while the event loop is late', () => {
  it('are all taken at the limit, and after one late round', () => {
    const pressure = new LoopPressure(200)
    for (let round = 0; round < 50; round += 1) pressure.note(200)
    pressure.note(5_000)
    expect(LANES.map((lane) => taken(pressure, lane))).toEqual([100, 100, 100, 100])
    pressure.note(201)
    expect(pressure.share).toBe(0.8)
  })

  it('are taken less and less, low before normal and high never, and all again within five seconds', () => {
    const pressure = new LoopPressure(200)
    for (let round = 0; round < 4; round += 1) pressure.note(300)
    const [high, normal, low, bulk] = LANES.map((lane) => taken(pressure, lane))
    expect(high).toBe(100)
    expect(normal).toBeGreaterThan(45)
    expect(normal).toBeLessThan(55)
    expect(low).toBeLessThan(30)
    expect(bulk).toBe(low)
    for (let round = 0; round < 200; round += 1) pressure.note(300)
    expect(taken(pressure, LANE.normal)).toBeGreaterThanOrEqual(4)
    // A round is looked at twenty times a second.
    for (let round = 0; round < 100; round += 1) pressure.note(0)
    expect(pressure.share).toBe(1)
  })

  it('keep a share between a twentieth and all, whatever happens; and where the limit is 0 nothing does', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(1_000)), (delays) => {
        const pressure = new LoopPressure(200)
        const off = new LoopPressure(0)
        for (const delay of delays) {
          pressure.note(delay)
          off.note(delay)
          expect(pressure.share).toBeGreaterThanOrEqual(0.05)
          expect(pressure.share).toBeLessThanOrEqual(1)
          expect(off.share).toBe(1)
        }
      }),
    )
  })
})
