import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { TokenBucket } from '../../src/base/token-bucket.js'

describe('a token bucket', () => {
  test('starts with its burst and not one token more', () => {
    const bucket = new TokenBucket(3, 1, 0)
    expect([1, 2, 3, 4].map(() => bucket.take(1, 0))).toEqual([true, true, true, false])
  })

  test('takes nothing when it refuses', () => {
    const bucket = new TokenBucket(3, 1, 0)
    expect(bucket.take(4, 0)).toBe(false)
    expect(bucket.take(3, 0)).toBe(true)
  })

  test('fills at its rate', () => {
    const bucket = new TokenBucket(10, 4, 1_000)
    expect(bucket.take(10, 1_000)).toBe(true)
    expect(bucket.take(1, 1_249)).toBe(false)
    expect(bucket.take(1, 1_250)).toBe(true)
    expect(bucket.take(1, 1_250)).toBe(false)
    expect(bucket.take(2, 1_750)).toBe(true)
  })

  test('never holds more than its burst, however long it waits', () => {
    const bucket = new TokenBucket(5, 1_000, 0)
    expect(bucket.take(6, 1e12)).toBe(false)
    expect(bucket.take(5, 1e12)).toBe(true)
    expect(bucket.take(1, 1e12)).toBe(false)
  })

  test('lends beyond what it has and tells how long the debt lasts', () => {
    const bucket = new TokenBucket(100, 1_000, 0)
    expect(bucket.borrow(60, 0)).toBe(0)
    expect(bucket.borrow(40, 0)).toBe(0)
    expect(bucket.borrow(50, 0)).toBe(50)
    expect(bucket.borrow(50, 25)).toBe(75)
    expect(bucket.take(1, 99)).toBe(false)
    expect(bucket.borrow(0, 100)).toBe(0)
    expect(new TokenBucket(10, 250, 0).borrow(15, 0)).toBe(20)
  })

  test('gives at most burst + rate x time, whatever is asked when', () => {
    const steps = fc.array(fc.record({ waitMs: fc.nat(2_000), count: fc.integer({ min: 1, max: 20 }) }), {
      maxLength: 60,
    })
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 1, max: 500 }),
        steps,
        (burst, perSecond, asked) => {
          const bucket = new TokenBucket(burst, perSecond, 0)
          let now = 0
          let given = 0
          for (const { waitMs, count } of asked) {
            now += waitMs
            if (bucket.take(count, now)) given += count
            expect(given).toBeLessThanOrEqual(burst + (perSecond * now) / 1_000 + 1e-6)
          }
        },
      ),
    )
  })
})
