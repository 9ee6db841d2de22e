import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AckRanges, idsBetween } from '../../src/connection/ack-ranges.js'

const LAST_ID = 0xffff_ffff

function rangesOf(body: Buffer): number[][] {
  return Array.from({ length: body.length / 8 }, (_, index) => [
    body.readUInt32LE(index * 8),
    body.readUInt32LE(index * 8 + 4),
  ])
}

function gathered(ids: readonly number[]): AckRanges {
  const ranges = new AckRanges()
  for (const id of ids) ranges.add(id)
  return ranges
}

describe('ids that are acknowledged', () => {
  it('are one range as long as they follow one another', () => {
    expect(rangesOf(gathered([1, 2, 3, 5, 6, 9]).take(10))).toEqual([
      [1, 3],
      [5, 6],
      [9, 9],
    ])
  })

  it('follow one another past the largest id, without 0', () => {
    expect(rangesOf(gathered([LAST_ID - 1, LAST_ID, 1, 2]).take(10))).toEqual([[LAST_ID - 1, 2]])
    expect(idsBetween(LAST_ID - 1, 2)).toBe(4)
  })

  it('are taken as many ranges at a time as are asked for', () => {
    const ranges = gathered([1, 3, 5])
    expect([ranges.take(2), ranges.take(2), ranges.take(2)].map(rangesOf)).toEqual([
      [
        [1, 1],
        [3, 3],
      ],
      [[5, 5]],
      [],
    ])
    expect(ranges.count).toBe(0)
  })

  it('are all in the ranges, in order, and nothing else is', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 40 })), (ids) => {
        const back = rangesOf(gathered(ids).take(1_000)).flatMap(([first = 0, last = 0]) =>
          Array.from({ length: idsBetween(first, last) }, (_, index) => first + index),
        )
        expect(back).toEqual(ids)
      }),
    )
  })
})
