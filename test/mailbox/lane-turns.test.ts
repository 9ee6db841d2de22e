import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ALL_LANES, LANE_COUNT } from '../../src/mailbox/lane.js'
import { LaneTurns, PATIENCE } from '../../src/mailbox/lane-turns.js'

/** What the comment of `PATIENCE` promises to a lane, whatever the others do. */
const BOUND = PATIENCE + LANE_COUNT - 2

function take(count: number, waiting: number, turns = new LaneTurns()): number[] {
  return Array.from({ length: count }, () => turns.next(waiting))
}

describe('turns', () => {
  test('are nobody’s where nobody waits', () => {
    expect(new LaneTurns().next(0)).toBe(-1)
  })

  test.each([0, 1, 2, 3])('all go to lane %d where it waits alone', (lane) => {
    expect(new Set(take(100, 1 << lane))).toEqual(new Set([lane]))
  })

  test('go to the highest lane that waits', () => {
    for (let waiting = 1; waiting <= ALL_LANES; waiting += 1) {
      expect(new LaneTurns().next(waiting)).toBe(31 - Math.clz32(waiting & -waiting))
    }
  })

  test.each([
    [0, 1],
    [0, 3],
    [1, 2],
    [2, 3],
  ])('between lanes %d and %d go to the lower one once in sixteen', (above, below) => {
    const sixteen = [...new Array<number>(PATIENCE - 1).fill(above), below]
    expect(take(3 * PATIENCE, (1 << above) | (1 << below))).toEqual([...sixteen, ...sixteen, ...sixteen])
  })

  test('go to the lanes that were passed over too often one after another, the higher first', () => {
    const first = take(BOUND, ALL_LANES)
    expect(first).toEqual([...new Array<number>(PATIENCE - 1).fill(0), 1, 2, 3])
  })

  test('leave thirteen of sixteen to the highest lane where all wait', () => {
    const turns = new LaneTurns()
    take(BOUND, ALL_LANES, turns)
    const served = take(PATIENCE * 100, ALL_LANES, turns)
    expect(served.filter((lane) => lane === 0)).toHaveLength(1_300)
    for (const lane of [1, 2, 3]) expect(served.filter((one) => one === lane)).toHaveLength(100)
  })

  test('are counted anew for a lane that did not wait meanwhile', () => {
    const turns = new LaneTurns()
    take(PATIENCE - 1, 0b0011, turns)
    expect(turns.next(0b0001)).toBe(0)
    expect(take(PATIENCE, 0b0011, turns)).toEqual([...new Array<number>(PATIENCE - 1).fill(0), 1])
  })
})

describe('whoever waits and whenever', () => {
  /** Runs of one mask: a lane is starved by lanes that wait for long, which masks drawn one by one do not give. */
  const masks = fc
    .array(fc.tuple(fc.nat(ALL_LANES), fc.integer({ min: 1, max: 20 })), { maxLength: 30 })
    .map((runs) => runs.flatMap(([mask, length]) => new Array<number>(length).fill(mask)))

  test('the turn is of a lane that waits, and no lane waits longer than the bound', () => {
    fc.assert(
      fc.property(masks, (all) => {
        const turns = new LaneTurns()
        const waited = new Array<number>(LANE_COUNT).fill(0)
        for (const waiting of all) {
          const chosen = turns.next(waiting)
          if (waiting === 0) expect(chosen).toBe(-1)
          else expect(waiting & (1 << chosen)).not.toBe(0)
          for (let lane = 0; lane < LANE_COUNT; lane += 1) {
            const before = waited[lane] as number
            if ((waiting & (1 << lane)) === 0) waited[lane] = 0
            else if (lane === chosen) {
              expect(before + 1).toBeLessThanOrEqual(BOUND)
              // A lane goes before a higher one that waits only because it was passed over too often.
              if ((waiting & ((1 << lane) - 1)) !== 0) expect(before).toBeGreaterThanOrEqual(PATIENCE - 1)
              waited[lane] = 0
            } else waited[lane] = before + 1
            expect(waited[lane]).toBeLessThan(BOUND)
          }
        }
      }),
      { numRuns: 200 },
    )
  })
})
