import { describe, expect, it } from 'vitest'
import { TokenBucket } from '../../src/base/token-bucket.js'
import { LIMITS } from '../../src/connection/limits.js'
import { RoundTrip } from '../../src/connection/round-trip.js'

describe('a round trip', () => {
  it('is not known before the first PONG, and is the least that was measured', () => {
    const trip = new RoundTrip()
    expect(trip.ms).toBe(0)
    expect([trip.begin(10_000), trip.end(1, 10_030), trip.ms]).toEqual([1, true, 30])
    expect([trip.begin(20_000), trip.end(2, 20_050), trip.ms]).toEqual([2, true, 30])
    expect([trip.begin(30_000), trip.end(3, 30_020), trip.ms]).toEqual([3, true, 20])
  })

  it('is measured a few times at first, then once in two seconds, and not while a PONG is due', () => {
    const trip = new RoundTrip()
    for (const [index, now] of [10_000, 10_050, 10_100, 10_150, 10_200].entries()) {
      expect(trip.begin(now)).toBe(index + 1)
      expect(trip.begin(now + 1_000)).toBe(0)
      trip.end(index + 1, now + 1)
      expect(trip.begin(now + 49)).toBe(0)
    }
    expect([trip.begin(12_199), trip.begin(12_200)]).toEqual([0, 6])
  })

  it('does not end with a PONG that nobody has asked for', () => {
    const trip = new RoundTrip()
    expect(trip.end(1, 0)).toBe(false)
    trip.begin(10_000)
    expect([trip.end(2, 10_001), trip.end(1, 10_001), trip.end(1, 10_002)]).toEqual([false, true, false])
  })

  it.each([0, 40, 900, 1_900])(
    'is measured no more often than any peer takes, also one that reads nothing for the first %i ms',
    (busyMs) => {
      const { pingBurst, pingsPerSecond } = LIMITS
      for (let drainedAt = 0; drainedAt <= 3_000; drainedAt += 10) {
        const trip = new RoundTrip()
        const peer = new TokenBucket(pingBurst.min, pingsPerSecond.min, 0)
        for (let now = 0; now <= 10_000; now += 10) {
          const id = trip.begin(now, now === drainedAt)
          if (id === 0) continue
          const read = Math.max(now, busyMs)
          expect([drainedAt, peer.take(1, read)]).toEqual([drainedAt, true])
          trip.end(id, read)
          now = read
        }
      }
    },
  )
})
