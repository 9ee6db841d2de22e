import { describe, expect, it } from 'vitest'
import { type Random, seededRandom } from '../../src/base/random.js'
import { anyOf, lessBusyOfTwo } from '../../src/pool/choice.js'

/** Draws these numbers, over and over. */
function drawing(...numbers: number[]): Random {
  let at = 0
  return { next: () => numbers[at++ % numbers.length] ?? 0, bytes: (length) => new Uint8Array(length) }
}

describe('the less busy of two', () => {
  it('is nobody among none, and the only one among one', () => {
    const only = { inFlight: 1_000 }
    expect(lessBusyOfTwo([], seededRandom(1))).toBeNull()
    expect(lessBusyOfTwo([only], seededRandom(1))).toBe(only)
  })

  it('is, of two, always the less busy one', () => {
    const members = [{ inFlight: 3 }, { inFlight: 2 }]
    const random = seededRandom(2)
    for (let draw = 0; draw < 1_000; draw += 1) expect(lessBusyOfTwo(members, random)).toBe(members[1])
  })

  it('is never the busiest of all, because two different ones are drawn, also at the ends of the draw', () => {
    const members = [5, 9, 5, 5].map((inFlight) => ({ inFlight }))
    const almostOne = 1 - Number.EPSILON / 2
    for (const first of [0, 0.25, 0.5, 0.75, almostOne]) {
      for (const second of [0, 0.3, 0.34, 0.66, 0.67, almostOne]) {
        expect(lessBusyOfTwo(members, drawing(first, second))?.inFlight).toBe(5)
      }
    }
  })

  it('draws every member equally often when all are equally busy', () => {
    const members = Array.from({ length: 5 }, () => ({ inFlight: 0, drawn: 0 }))
    const random = seededRandom(3)
    for (let draw = 0; draw < 10_000; draw += 1) {
      const member = lessBusyOfTwo(members, random)
      if (member !== null) member.drawn += 1
    }
    for (const { drawn } of members) {
      expect(drawn).toBeGreaterThan(1_800)
      expect(drawn).toBeLessThan(2_200)
    }
  })

  it('keeps loads nearly even: the fullest of 100 is a few above the mean', () => {
    const members = Array.from({ length: 100 }, () => ({ inFlight: 0 }))
    const random = seededRandom(4)
    for (let call = 0; call < 100_000; call += 1) {
      const member = lessBusyOfTwo(members, random)
      if (member !== null) member.inFlight += 1
    }
    expect(Math.max(...members.map(({ inFlight }) => inFlight))).toBeLessThanOrEqual(1_005)
  })
})

describe('any of those that pass', () => {
  it('is one that passes, wherever the search begins, or nobody', () => {
    const random = seededRandom(5)
    for (let draw = 0; draw < 100; draw += 1) {
      expect(anyOf([1, 2, 3, 4], (one) => one === 3, random)).toBe(3)
      expect(anyOf([1, 2, 3, 4], () => false, random)).toBeNull()
      expect(anyOf([], () => true, random)).toBeNull()
    }
  })

  it('is not always the first: all get their share', () => {
    const random = seededRandom(6)
    const drawn = [0, 0, 0, 0]
    for (let draw = 0; draw < 4_000; draw += 1) {
      const index = anyOf([0, 1, 2, 3], () => true, random) ?? 0
      drawn[index] = (drawn[index] ?? 0) + 1
    }
    for (const share of drawn) expect(share).toBeGreaterThan(850)
  })
})
