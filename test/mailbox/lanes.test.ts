import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { LANE, LANE_COUNT } from '../../src/mailbox/lane.js'
import { LaneTurns } from '../../src/mailbox/lane-turns.js'
import { Lanes } from '../../src/mailbox/lanes.js'
import { type MailboxBounds, OVERFLOWS } from '../../src/mailbox/mailbox.js'

interface Item {
  readonly name: number
  readonly bytes: number
}

function stage(bounds: Partial<MailboxBounds> = {}, onDropped: (item: Item) => void = () => {}) {
  const lanes = new Lanes<Item>({ maxMessages: 3, maxBytes: 1_000, overflow: 'wait', ...bounds }, onDropped)
  const offer = (lane: number, name: number, bytes = 1) => lanes.offer(lane, { name, bytes })
  const rest = () => {
    const names: number[] = []
    for (let item = lanes.next(); item !== undefined; item = lanes.next()) names.push(item.name)
    return names
  }
  return { lanes, offer, rest }
}

describe('lanes', () => {
  test('are empty at first and give nothing', () => {
    const { lanes } = stage()
    expect([lanes.length, lanes.next(), lanes.length]).toEqual([0, undefined, 0])
  })

  test('are emptied by priority, each in its own order', () => {
    const { offer, rest } = stage()
    offer(LANE.bulk, 31)
    offer(LANE.low, 21)
    offer(LANE.high, 1)
    offer(LANE.bulk, 32)
    offer(LANE.normal, 11)
    offer(LANE.high, 2)
    expect(rest()).toEqual([1, 2, 11, 21, 31, 32])
  })

  test('have a bound each: a full one is no trouble to the others', () => {
    const { lanes, offer } = stage()
    for (const name of [1, 2, 3]) offer(LANE.bulk, name)
    expect([offer(LANE.bulk, 4), offer(LANE.high, 5)]).toEqual(['wait', 'accepted'])
    expect([lanes.length, lanes.lane(LANE.bulk).full, lanes.lane(LANE.high).full]).toEqual([4, true, false])
  })

  test('let nobody starve', () => {
    const { lanes, offer } = stage()
    offer(LANE.bulk, 99)
    const taken: number[] = []
    for (let name = 0; name < 16; name += 1) {
      offer(LANE.high, name)
      taken.push(lanes.next()?.name ?? -1)
    }
    expect(taken.at(-1)).toBe(99)
  })

  test('are no more than there are', () => {
    const { lanes } = stage()
    for (const lane of [-1, LANE_COUNT, Number.NaN]) expect(() => lanes.lane(lane)).toThrow(RangeError)
  })

  test('keep their account where a mailbox is emptied from elsewhere', () => {
    const { lanes, offer } = stage()
    offer(LANE.high, 1)
    offer(LANE.low, 2)
    lanes.lane(LANE.high).next()
    expect(lanes.length).toBe(1)
    expect(lanes.next()?.name).toBe(2)
    expect([lanes.length, lanes.next()]).toEqual([0, undefined])
  })

  test('keep their account where whoever is told of a drop takes something out', () => {
    const taken: number[] = []
    const made = stage({ maxMessages: 1, overflow: 'drop-oldest' }, () => {
      taken.push(made.lanes.next()?.name ?? -1)
    })
    made.offer(LANE.low, 9)
    made.offer(LANE.high, 1)
    made.offer(LANE.high, 2)
    expect([taken, made.lanes.length, made.rest()]).toEqual([[9], 1, [2]])
  })
})

describe('whatever is offered and taken', () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ lane: fc.nat(LANE_COUNT - 1), bytes: fc.nat(60) }) },
    { weight: 2, arbitrary: fc.constant('next' as const) },
    { weight: 1, arbitrary: fc.nat(LANE_COUNT - 1) },
  )
  const bounds = fc.record({ maxMessages: fc.integer({ min: 1, max: 4 }), maxBytes: fc.integer({ min: 1, max: 120 }) })

  test.each(OVERFLOWS)('lanes of policy %s do as their model', (overflow) => {
    fc.assert(
      fc.property(bounds, fc.array(step, { maxLength: 120 }), (most, steps) => {
        const gone: number[] = []
        const { lanes, offer, rest } = stage({ ...most, overflow }, ({ name }) => gone.push(name))
        const model: Item[][] = Array.from({ length: LANE_COUNT }, () => [])
        const turns = new LaneTurns()
        let accepted = 0
        let taken = 0
        steps.forEach((one, name) => {
          if (typeof one === 'object') {
            const before = gone.length
            const queue = model[one.lane] as Item[]
            if (offer(one.lane, name, one.bytes) === 'accepted') {
              accepted += 1
              for (const dropped of gone.slice(before)) expect(queue.shift()?.name).toBe(dropped)
              queue.push({ name, bytes: one.bytes })
            }
          } else if (one === 'next') {
            const waiting = model.reduce((bits, { length }, lane) => (length > 0 ? bits | (1 << lane) : bits), 0)
            const expected = model[turns.next(waiting)]?.shift()
            expect(lanes.next()?.name).toBe(expected?.name)
            if (expected !== undefined) taken += 1
          } else {
            const expected = model[one]?.shift()
            expect(lanes.lane(one).next()?.name).toBe(expected?.name)
            if (expected !== undefined) taken += 1
          }
          expect(lanes.length).toBe(model.flat().length)
        })
        expect(rest().length + taken + gone.length).toBe(accepted)
        expect(lanes.length).toBe(0)
      }),
      { numRuns: 300 },
    )
  })
})
