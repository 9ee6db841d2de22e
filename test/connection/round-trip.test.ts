import { describe, expect, it } from 'vitest'
import { RoundTrip } from '../../src/connection/round-trip.js'

describe('a round trip', () => {
  it('is not known before the first PONG, and is the least that was measured', () => {
    const trip = new RoundTrip()
    expect(trip.ms).toBe(0)
    expect([trip.begin(10_000), trip.end(1, 10_030), trip.ms]).toEqual([1, true, 30])
    expect([trip.begin(20_000), trip.end(2, 20_050), trip.ms]).toEqual([2, true, 30])
    expect([trip.begin(30_000), trip.end(3, 30_020), trip.ms]).toEqual([3, true, 20])
  })

  it('is measured once in two seconds, and not while a PONG is due', () => {
    const trip = new RoundTrip()
    expect([trip.begin(10_000), trip.begin(20_000)]).toEqual([1, 0])
    trip.end(1, 20_000)
    expect([trip.begin(11_999), trip.begin(12_000)]).toEqual([0, 2])
  })

  it('does not end with a PONG that nobody has asked for', () => {
    const trip = new RoundTrip()
    expect(trip.end(1, 0)).toBe(false)
    trip.begin(10_000)
    expect([trip.end(2, 10_001), trip.end(1, 10_001), trip.end(1, 10_002)]).toEqual([false, true, false])
  })
})
