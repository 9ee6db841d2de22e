import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { seededRandom, systemRandom } from '../../src/base/random.js'

describe('seeded randomness', () => {
  test('repeats itself for the same seed', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const one = seededRandom(seed)
        const other = seededRandom(seed)
        for (let draw = 0; draw < 20; draw += 1) expect(one.next()).toBe(other.next())
        expect(one.bytes(16)).toEqual(other.bytes(16))
      }),
    )
  })

  test('is mulberry32, so that a seed means the same in every release', () => {
    const random = seededRandom(1)
    expect(Array.from({ length: 4 }, () => Math.floor(random.next() * 2 ** 32))).toEqual([
      2693262067, 11749833, 2265367787, 4213581821,
    ])
  })

  test('differs from seed to seed', () => {
    const firsts = new Set(Array.from({ length: 1_000 }, (_, seed) => seededRandom(seed).next()))
    expect(firsts.size).toBe(1_000)
  })

  test('stays in [0, 1) and is spread evenly', () => {
    const random = seededRandom(7)
    const buckets = new Array<number>(10).fill(0)
    for (let draw = 0; draw < 10_000; draw += 1) {
      const value = random.next()
      expect(value >= 0 && value < 1).toBe(true)
      const bucket = Math.floor(value * 10)
      buckets[bucket] = (buckets[bucket] ?? 0) + 1
    }
    for (const count of buckets) expect(count).toBeGreaterThan(850)
  })
})

describe('the randomness of the system', () => {
  test('stays in [0, 1)', () => {
    for (let draw = 0; draw < 1_000; draw += 1) {
      const value = systemRandom.next()
      expect(value >= 0 && value < 1).toBe(true)
    }
  })

  test('gives as many bytes as were asked for, and others each time', () => {
    for (const length of [0, 1, 16, 1_000]) expect(systemRandom.bytes(length)).toHaveLength(length)
    expect(systemRandom.bytes(16)).not.toEqual(systemRandom.bytes(16))
  })
})
