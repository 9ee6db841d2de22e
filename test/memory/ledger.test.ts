import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BufferPool } from '../../src/memory/buffer-pool.js'
import { Ledger } from '../../src/memory/ledger.js'

const KIB = 1_024

describe('the ledger', () => {
  test('begins at zero', () => {
    expect(new Ledger().facts()).toEqual({ allocated: 0, deallocated: 0, current: 0, peak: 0 })
  })

  test('is exact: ten buffers of 64 KiB taken and four given back', () => {
    const ledger = new Ledger()
    const pool = new BufferPool(ledger, 64 * KIB, 16)
    const buffers = Array.from({ length: 10 }, () => pool.acquire())
    for (const buffer of buffers.slice(0, 4)) pool.release(buffer)
    expect(ledger.facts()).toEqual({ allocated: 655_360, deallocated: 262_144, current: 393_216, peak: 655_360 })
  })

  test('keeps the peak when everything has come back', () => {
    const ledger = new Ledger()
    ledger.take(100)
    ledger.giveBack(40)
    ledger.take(10)
    ledger.giveBack(70)
    expect(ledger.facts()).toEqual({ allocated: 110, deallocated: 110, current: 0, peak: 100 })
  })

  test('counts for two pools that share it', () => {
    const ledger = new Ledger()
    const small = new BufferPool(ledger, 100, 1)
    const large = new BufferPool(ledger, 1_000, 1)
    const [one, other] = [small.acquire(), large.acquire()]
    expect(ledger.current).toBe(1_100)
    small.release(one)
    large.release(other)
    expect(ledger.facts()).toEqual({ allocated: 1_100, deallocated: 1_100, current: 0, peak: 1_100 })
  })

  test('agrees with a sum over everything that happened', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ take: fc.boolean(), bytes: fc.nat(1_000_000) })), (steps) => {
        const ledger = new Ledger()
        let [allocated, deallocated, peak] = [0, 0, 0]
        for (const { take, bytes } of steps) {
          const amount = take ? bytes : Math.min(bytes, allocated - deallocated)
          if (take) {
            ledger.take(amount)
            allocated += amount
          } else {
            ledger.giveBack(amount)
            deallocated += amount
          }
          peak = Math.max(peak, allocated - deallocated)
          expect(ledger.facts()).toEqual({ allocated, deallocated, current: allocated - deallocated, peak })
        }
      }),
    )
  })
})
