import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { TimerWheel } from '../../src/base/timer-wheel.js'
import { Coalescer, type CoalescerOptions } from '../../src/mailbox/coalescer.js'
import { VirtualClock } from '../support/virtual-clock.js'

interface Hashes {
  readonly topic: string
  readonly all: readonly number[]
}

/** The wheel fires at most a tick late. */
const TICK_MS = 2
function stage(options: Partial<CoalescerOptions<Hashes>> = {}, emit?: (item: Hashes) => void, ready?: () => boolean) {
  const clock = new VirtualClock({ turns: 'manual' })
  const wheel = new TimerWheel(clock)
  const emitted: [at: number, topic: string, ...all: number[]][] = []
  const coalescer = new Coalescer<Hashes>(
    {
      key: ({ topic }) => topic,
      merge: (older, newer) => ({ topic: older.topic, all: [...older.all, ...newer.all] }),
      maxDelayMs: 10,
      maxItems: 5_000,
      ...options,
    },
    wheel,
    (item) => {
      emitted.push([clock.now(), item.topic, ...item.all])
      emit?.(item)
    },
    ready,
  )
  const add = (topic: string, ...all: number[]) => coalescer.add({ topic, all })
  /** What came out, without when. */
  const said = () => emitted.map(([, ...what]) => what)
  const armed = () => [wheel.armed, clock.timers]
  return { clock, wheel, coalescer, emitted, add, said, armed }
}

describe('a coalescer', () => {
  test('makes one item of a thousand that come within ten milliseconds, and loses or doubles none', () => {
    const { clock, coalescer, emitted, add, armed } = stage()
    const numbers = Array.from({ length: 1_000 }, (_, index) => index)
    for (const number of numbers) {
      if (number > 0 && number % 125 === 0) clock.advance(1)
      expect(add('tx', number)).toBe(true)
    }
    expect([coalescer.pending, ...armed()]).toEqual([1, 1, 1])
    clock.advance(10)
    expect(emitted.map(([, ...what]) => what)).toEqual([['tx', ...numbers]])
    expect([coalescer.pending, ...armed()]).toEqual([0, 0, 0])
    clock.advance(60_000)
    expect(emitted).toHaveLength(1)
  })

  test('waits from the first of what is pending, however often others follow', () => {
    const { clock, emitted, add } = stage()
    clock.advance(101)
    for (let number = 0; number < 40; number += 1) {
      add('tx', number)
      clock.advance(1)
    }
    const [first] = emitted
    expect(first?.[0]).toBeGreaterThanOrEqual(111)
    expect(first?.[0]).toBeLessThanOrEqual(111 + TICK_MS)
    clock.advance(20)
    expect(emitted.flatMap(([, , ...all]) => all)).toEqual(Array.from({ length: 40 }, (_, index) => index))
    for (const [, , ...all] of emitted) expect(all.length).toBeLessThanOrEqual(10 + 2 * TICK_MS)
  })

  test('keeps the keys apart, in the order in which each came first', () => {
    const { clock, coalescer, add, said } = stage()
    add('b', 1)
    add('a', 2)
    add('b', 3)
    add('c', 4)
    add('a', 5)
    expect(coalescer.pending).toBe(3)
    clock.advance(10 + TICK_MS)
    expect(said()).toEqual([
      ['b', 1, 3],
      ['a', 2, 5],
      ['c', 4],
    ])
  })

  test('has one key for all where none is said', () => {
    const clock = new VirtualClock({ turns: 'manual' })
    const sums: number[] = []
    const options = { merge: (a: number, b: number) => a + b, maxDelayMs: 5, maxItems: 100 }
    const coalescer = new Coalescer<number>(options, new TimerWheel(clock), (sum) => sums.push(sum))
    for (const number of [1, 2, 3]) coalescer.add(number)
    clock.advance(10)
    expect([sums, clock.timers]).toEqual([[6], 0])
  })

  test('takes undefined for an item like any other', () => {
    const clock = new VirtualClock({ turns: 'manual' })
    const emitted: unknown[] = []
    const options = { merge: () => 'merged', maxDelayMs: 5, maxItems: 100 }
    const coalescer = new Coalescer<string | undefined>(options, new TimerWheel(clock), (item) => emitted.push(item))
    coalescer.add(undefined)
    coalescer.flush()
    coalescer.add(undefined)
    coalescer.add(undefined)
    coalescer.close()
    expect(emitted).toEqual([undefined, 'merged'])
  })

  test('emits with the addition that reaches maxItems, additions counted and not keys', () => {
    const { coalescer, add, said, armed } = stage({ maxItems: 4 })
    for (const number of [1, 2, 3]) add('tx', number)
    expect(said()).toEqual([])
    add('tx', 4)
    expect([said(), ...armed()]).toEqual([[['tx', 1, 2, 3, 4]], 0, 0])
    // It counts from the beginning.
    for (const number of [5, 6, 7]) add(`${number}`, number)
    expect([coalescer.pending, said().length]).toEqual([3, 1])
    add('8', 8)
    expect([coalescer.pending, said().length]).toEqual([0, 5])
  })

  test('of one item at a time arms no timer', () => {
    const { add, said, armed } = stage({ maxItems: 1 })
    add('tx', 1)
    add('tx', 2)
    expect([said(), ...armed()]).toEqual([
      [
        ['tx', 1],
        ['tx', 2],
      ],
      0,
      0,
    ])
  })

  test('emits at once when it is told to', () => {
    const { clock, coalescer, add, said, armed } = stage()
    coalescer.flush()
    add('tx', 1)
    coalescer.flush()
    coalescer.flush()
    expect([said(), ...armed()]).toEqual([[['tx', 1]], 0, 0])
    // The time of the next begins anew.
    clock.advance(9)
    add('tx', 2)
    clock.advance(9)
    expect(said()).toHaveLength(1)
    clock.advance(1 + TICK_MS)
    expect(said()).toHaveLength(2)
  })

  test('emits what is pending when it is closed, and takes nothing more', () => {
    const { coalescer, add, said, armed } = stage()
    add('tx', 1)
    coalescer.close()
    expect(add('tx', 2)).toBe(false)
    coalescer.close()
    expect([said(), coalescer.pending, ...armed()]).toEqual([[['tx', 1]], 0, 0, 0])
  })

  test.each([
    ['maxItems', { maxItems: 0 }, 'option-range'],
    ['maxItems', { maxItems: 10_000_001 }, 'option-range'],
    ['maxItems', { maxItems: Number.NaN }, 'option-type'],
    ['maxDelayMs', { maxDelayMs: -1 }, 'option-range'],
    ['maxDelayMs', { maxDelayMs: 86_400_001 }, 'option-range'],
    ['maxDelayMs', { maxDelayMs: '10' as unknown as number }, 'option-type'],
    // Without its key, everything would become one.
    ['kye', { kye: () => 1 } as object, 'option-unknown'],
  ])('is not made with a wrong %s', (option, options, reason) => {
    const details = expect.objectContaining({ option })
    expect(() => stage(options)).toThrow(expect.objectContaining({ reason, details }))
  })
})

describe('where there is no room for what is due', () => {
  const blocked = (options: Partial<CoalescerOptions<Hashes>> = {}) => {
    const door = { room: 0 }
    const ready = () => {
      door.room -= 1
      return door.room >= 0
    }
    const made = stage(options, undefined, ready)
    const flush = (room: number) => {
      door.room = room
      made.coalescer.flush()
    }
    return { ...made, flush }
  }

  test('it stays and is merged with what comes, and nothing joins it that would be one more', () => {
    const { clock, coalescer, add, said, armed, flush } = blocked()
    add('a', 1)
    add('b', 2)
    clock.advance(10 + TICK_MS)
    expect([coalescer.held, coalescer.pending, ...armed()]).toEqual([true, 2, 0, 0])
    expect([add('c', 3), add('a', 4), coalescer.merge({ topic: 'c', all: [5] })]).toEqual([false, true, false])
    expect([said(), coalescer.pending, ...armed()]).toEqual([[], 2, 0, 0])
    flush(1)
    expect([said(), coalescer.held]).toEqual([[['a', 1, 4]], true])
    // It has left, and would be one more.
    expect([add('a', 6), add('b', 7)]).toEqual([false, true])
    flush(2)
    expect([said(), coalescer.held, coalescer.pending]).toEqual([
      [
        ['a', 1, 4],
        ['b', 2, 7],
      ],
      false,
      0,
    ])
    expect([add('a', 8), ...armed()]).toEqual([true, 1, 1])
    coalescer.clear()
  })

  test('merges are not additions: however many there are, none is emitted before its time', () => {
    const { coalescer, add, said, armed, flush } = blocked({ maxItems: 3 })
    for (const number of [1, 2, 3]) add('a', number)
    for (const number of [4, 5, 6, 7]) expect(add('a', number)).toBe(true)
    flush(1)
    expect(said()).toEqual([['a', 1, 2, 3, 4, 5, 6, 7]])
    for (const number of [8, 9]) add('b', number)
    expect([said().length, coalescer.pending]).toEqual([1, 1])
    expect([coalescer.clear(), coalescer.pending, ...armed()]).toEqual([1, 0, 0, 0])
  })

  test('it may leave after it was closed, and is forgotten when it is told so', () => {
    const { coalescer, add, said, armed, flush } = blocked()
    for (const topic of ['a', 'b', 'c']) add(topic, 1)
    coalescer.close()
    expect([add('a', 2), coalescer.merge({ topic: 'a', all: [2] })]).toEqual([false, false])
    flush(1)
    expect([said(), coalescer.clear(), coalescer.held, ...armed()]).toEqual([[['a', 1]], 2, false, 0, 0])
    flush(1)
    expect(said()).toHaveLength(1)
  })

  test('whatever comes and whenever there is room, what was taken comes out once, and in order by key', () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom('a', 'b', 'c', 'd') },
      { weight: 2, arbitrary: fc.integer({ min: 1, max: 12 }) },
      { weight: 2, arbitrary: fc.record({ room: fc.nat(3) }) },
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), fc.integer({ min: 1, max: 9 }), (steps, maxItems) => {
        const { clock, coalescer, emitted, add, armed, flush } = blocked({ maxItems })
        const byTopic = new Map<string, number[]>()
        steps.forEach((one, index) => {
          if (typeof one === 'number') clock.advance(one)
          else if (typeof one === 'object') flush(one.room)
          else if (add(one, index)) byTopic.set(one, [...(byTopic.get(one) ?? []), index])
          else expect(coalescer.held).toBe(true)
          expect(coalescer.pending).toBeLessThanOrEqual(maxItems)
          expect(armed()).toEqual(coalescer.pending > 0 && !coalescer.held ? [1, 1] : [0, 0])
        })
        flush(maxItems)
        expect([coalescer.pending, ...armed()]).toEqual([0, 0, 0])
        for (const [topic, numbers] of byTopic) {
          expect(emitted.flatMap(([, one, ...all]) => (one === topic ? all : []))).toEqual(numbers)
        }
      }),
      { numRuns: 200 },
    )
  })
})

describe('where merging fails', () => {
  const merge = (older: Hashes, newer: Hashes): Hashes => {
    if (newer.all.includes(13)) throw new Error('unlucky')
    return { topic: older.topic, all: [...older.all, ...newer.all] }
  }

  test('whoever adds is told, and everything is as before', () => {
    const { clock, coalescer, add, said, armed } = stage({ merge, maxItems: 4 })
    add('a', 1)
    add('b', 2)
    for (let round = 0; round < 3; round += 1) expect(() => add('a', 13)).toThrow('unlucky')
    expect([coalescer.pending, ...armed()]).toEqual([2, 1, 1])
    // It did not count either.
    add('a', 3)
    expect(said()).toEqual([])
    clock.advance(10 + TICK_MS)
    expect([said(), ...armed()]).toEqual([
      [
        ['a', 1, 3],
        ['b', 2],
      ],
      0,
      0,
    ])
  })

  test('as where the key does, nothing begins to wait', () => {
    const key = (): never => {
      throw new Error('no key')
    }
    const { coalescer, add, armed } = stage({ key })
    expect(() => add('a', 1)).toThrow('no key')
    expect([coalescer.pending, ...armed()]).toEqual([0, 0, 0])
  })
})

describe('where emitting fails', () => {
  const failing = (topics: string) => (item: Hashes) => {
    if (topics.includes(item.topic)) throw new Error(`no ${item.topic}`)
  }

  test('the others are emitted all the same, and whoever flushed is told', () => {
    const { coalescer, add, said, armed } = stage({}, failing('b'))
    for (const topic of ['a', 'b', 'c']) add(topic, 1)
    expect(() => coalescer.flush()).toThrow('no b')
    expect(said().map(([topic]) => topic)).toEqual(['a', 'b', 'c'])
    expect([coalescer.pending, ...armed()]).toEqual([0, 0, 0])
  })

  test('more than once, all of it is told', () => {
    const { coalescer, add } = stage({}, failing('ac'))
    for (const topic of ['a', 'b', 'c']) add(topic, 1)
    let told: unknown
    try {
      coalescer.close()
    } catch (error) {
      told = error
    }
    expect((told as AggregateError).errors.map(({ message }: Error) => message)).toEqual(['no a', 'no c'])
  })

  test('at its time, the process is told', () => {
    const { clock, add, said } = stage({}, failing('a'))
    add('a', 1)
    add('b', 2)
    clock.advance(20)
    expect(said()).toHaveLength(2)
    expect(() => clock.turn()).toThrow('no a')
  })

  test('whoever adds is not told that the item was not taken', () => {
    const { clock, coalescer, add, said, armed } = stage({ maxItems: 2 }, failing('a'))
    add('a', 1)
    expect(add('b', 2)).toBe(true)
    expect([said().length, coalescer.pending]).toEqual([2, 0])
    clock.advance(20)
    expect(() => clock.turn()).toThrow('no a')
    expect(armed()).toEqual([0, 0])
  })

  test('nothing that was added by emit meanwhile is lost', () => {
    const again = stage({}, ({ topic }) => {
      if (topic === 'a') again.add('again', 2)
    })
    again.add('a', 1)
    again.add('b', 1)
    again.coalescer.flush()
    expect([again.said().map(([topic]) => topic), again.coalescer.pending]).toEqual([['a', 'b'], 1])
    again.clock.advance(20)
    expect(again.said().at(-1)).toEqual(['again', 2])
    expect(again.armed()).toEqual([0, 0])
  })
})

test('whatever is added and whenever, each item comes out once, in order by key, in time and never more than fit', () => {
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom('a', 'b', 'c') },
    { weight: 2, arbitrary: fc.integer({ min: 1, max: 12 }) },
    { weight: 1, arbitrary: fc.constant('flush' as const) },
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), fc.integer({ min: 1, max: 9 }), (steps, maxItems) => {
      const { clock, coalescer, emitted, add, armed } = stage({ maxItems })
      const addedAt: number[] = []
      const byTopic = new Map<string, number[]>()
      for (const one of steps) {
        if (one === 'flush') coalescer.flush()
        else if (typeof one === 'number') clock.advance(one)
        else {
          byTopic.set(one, [...(byTopic.get(one) ?? []), addedAt.length])
          add(one, addedAt.length)
          addedAt.push(clock.now())
        }
        expect(armed()).toEqual(coalescer.pending > 0 ? [1, 1] : [0, 0])
        const out = emitted.reduce((sum, [, , ...all]) => sum + all.length, 0)
        expect(addedAt.length - out).toBeLessThan(maxItems)
      }
      coalescer.close()
      expect(armed()).toEqual([0, 0])
      for (const [topic, numbers] of byTopic) {
        expect(emitted.flatMap(([, one, ...all]) => (one === topic ? all : []))).toEqual(numbers)
      }
      for (const [at, , ...all] of emitted)
        for (const number of all) expect(at - (addedAt[number] as number)).toBeLessThanOrEqual(10 + TICK_MS)
    }),
    { numRuns: 200 },
  )
})
