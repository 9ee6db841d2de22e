import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/base/random.js'
import { Throttle } from '../../src/rpc/throttle.js'

const OPTIONS = { windowMs: 2_000, callsPerAccepted: 2, maxRefusedPercent: 90 }

/**
 * A client that makes a call each millisecond to a server that takes the first `capacity` of each ten. Returns which
 * share of the calls went out.
 */
function run(throttle: Throttle, from: number, ms: number, capacity: number, chance: () => number): number {
  let sent = 0
  let taken = 0
  for (let now = from; now < from + ms; now += 1) {
    if ((now - from) % 10 === 0) taken = 0
    if (throttle.active && !throttle.admit(now, chance())) continue
    sent += 1
    taken += 1
    if (taken > capacity) throttle.refused(now)
  }
  return sent / ms
}

describe('a client whose server refuses calls', () => {
  const chance = (): (() => number) => {
    const random = seededRandom(7)
    return () => random.next()
  }

  it('keeps nine of ten to itself while all are refused, and sends all within five seconds of the recovery', () => {
    const throttle = new Throttle(OPTIONS)
    const next = chance()
    run(throttle, 0, 4_000, 0, next)
    const refused = run(throttle, 4_000, 4_000, 0, next)
    expect(refused).toBeGreaterThan(0.07)
    expect(refused).toBeLessThan(0.13)
    run(throttle, 8_000, 4_900, 10, next)
    expect(throttle.active).toBe(false)
    expect(run(throttle, 12_900, 1_000, 10, next)).toBe(1)
  })

  it('lets out about twice what the server takes', () => {
    const throttle = new Throttle(OPTIONS)
    const next = chance()
    run(throttle, 0, 6_000, 2, next)
    const sent = run(throttle, 6_000, 6_000, 2, next)
    expect(sent).toBeGreaterThan(0.3)
    expect(sent).toBeLessThan(0.5)
  })

  it('keeps nothing back for a few refusals, nor while half of the calls are taken', () => {
    const throttle = new Throttle(OPTIONS)
    for (let count = 0; count < 10; count += 1) throttle.refused(count)
    expect(throttle.admit(20, 0)).toBe(true)
    const half = new Throttle(OPTIONS)
    expect(run(half, 0, 10_000, 5, () => 0)).toBe(1)
  })

  it('never keeps back more than it may, and nothing where it may not', () => {
    const off = new Throttle({ ...OPTIONS, maxRefusedPercent: 0 })
    for (let count = 0; count < 100; count += 1) off.refused(count)
    expect(off.active).toBe(false)
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 500 }), { maxLength: 200 }),
        fc.integer({ min: 1, max: 99 }),
        (gaps, percent) => {
          const throttle = new Throttle({ ...OPTIONS, maxRefusedPercent: percent })
          let now = 0
          for (const gap of gaps) {
            now += gap
            throttle.refused(now)
            // The highest chances always pass, whatever has happened.
            expect(throttle.admit(now, percent / 100)).toBe(true)
          }
          throttle.admit(now + 2_000, 0)
          expect(throttle.active).toBe(false)
        },
      ),
    )
  })
})
