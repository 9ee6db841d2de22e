import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Ring } from '../../src/memory/ring.js'

function contents<T>(ring: Ring<T>): T[] {
  const items: T[] = []
  ring.forEach((item) => items.push(item))
  return items
}

describe('a ring', () => {
  test('is empty at first and gives nothing', () => {
    const ring = new Ring<number>()
    expect([ring.length, ring.peek(), ring.shift(), contents(ring)]).toEqual([0, undefined, undefined, []])
    expect(ring.length).toBe(0)
  })

  test('gives back in the order it was given', () => {
    const ring = new Ring<number>()
    for (let item = 0; item < 1_000; item += 1) ring.push(item)
    for (let item = 0; item < 1_000; item += 1) {
      expect(ring.peek()).toBe(item)
      expect(ring.shift()).toBe(item)
    }
    expect(ring.shift()).toBeUndefined()
  })

  test('holds undefined as an item like any other', () => {
    const ring = new Ring<number | undefined>()
    ring.push(undefined)
    ring.push(1)
    expect([ring.length, ring.shift(), ring.shift()]).toEqual([2, undefined, 1])
  })

  test.runIf(globalThis.gc !== undefined)('lets go of what was taken', async () => {
    const ring = new Ring<object>()
    const weak = (() => {
      const item = {}
      ring.push(item)
      ring.push({})
      ring.shift()
      return new WeakRef(item)
    })()
    for (let round = 0; round < 100 && weak.deref() !== undefined; round += 1) {
      await new Promise<void>((resolve) => setImmediate(resolve))
      globalThis.gc?.()
    }
    expect(weak.deref()).toBeUndefined()
    expect(ring.length).toBe(1)
  })

  test('behaves as an array does, whatever is pushed and shifted', () => {
    const steps = fc.array(
      fc.oneof({ weight: 3, arbitrary: fc.integer() }, { weight: 2, arbitrary: fc.constant('shift' as const) }),
      {
        maxLength: 200,
        size: 'max',
      },
    )
    fc.assert(
      fc.property(steps, (all) => {
        const ring = new Ring<number>()
        const model: number[] = []
        for (const step of all) {
          if (step === 'shift') expect(ring.shift()).toBe(model.shift())
          else {
            ring.push(step)
            model.push(step)
          }
          expect(ring.length).toBe(model.length)
          expect(ring.peek()).toBe(model[0])
        }
        expect(contents(ring)).toEqual(model)
      }),
      { numRuns: 300 },
    )
  })
})
