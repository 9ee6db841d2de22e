import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ExchangeTable, idModulus } from '../../src/connection/exchange.js'

const HIGHEST = 0xffff_ffff

/** The next id that differs from every open one modulo the capacity: what the table must choose, written naively. */
function nextFree(lastId: number, open: ReadonlyMap<number, unknown>, modulus: number): number {
  const taken = new Set([...open.keys()].map((id) => id % modulus))
  let id = lastId
  do id = id === HIGHEST ? 1 : id + 1
  while (taken.has(id % modulus))
  return id
}

/** Brings the table to where the next id is a given one. */
function startingAfter(limit: number, lastId: number): ExchangeTable<string> {
  const table = new ExchangeTable<string>(limit)
  // An id may be at most half the circle ahead.
  if (lastId > 0x7fff_ffff) for (const id of [0x7fff_ffff, 0x8000_0000]) table.admit(id)
  if (lastId > 0) table.admit(lastId)
  return table
}

describe('the modulus of ids', () => {
  it.each([
    [1, 16],
    [8, 16],
    [9, 32],
    [16, 32],
    [17, 64],
    [1_000, 2_048],
    [1_024, 2_048],
    [1_025, 4_096],
    [1_048_576, 2_097_152],
  ])('for %i open calls is %i', (limit, modulus) => {
    expect(idModulus(limit)).toBe(modulus)
  })
})

describe('a side that opens exchanges', () => {
  it('counts up from 1', () => {
    const table = new ExchangeTable<string>(4)
    expect([table.open('a'), table.open('b'), table.open('c')]).toEqual([1, 2, 3])
    expect([table.size, table.lastId]).toEqual([3, 3])
  })

  it('never uses an id twice, and skips a place that is taken', () => {
    const table = new ExchangeTable<string>(8)
    const held = table.open('held')
    const ids = Array.from({ length: 40 }, () => {
      const id = table.open('short')
      table.close(id)
      return id
    })
    expect(ids).not.toContain(held + 16)
    expect(ids).not.toContain(held + 32)
    expect(new Set(ids).size).toBe(40)
    expect([...ids].sort((one, other) => one - other)).toEqual(ids)
    expect(table.get(held)).toBe('held')
  })

  it('grows with what is open, up to the limit, and finds all of it', () => {
    const table = new ExchangeTable<number>(1_024)
    const ids = Array.from({ length: 1_024 }, (_, index) => table.open(index))
    expect(ids).toEqual(Array.from({ length: 1_024 }, (_, index) => index + 1))
    expect(ids.map((id) => table.get(id))).toEqual(ids.map((id) => id - 1))
    expect(table.size).toBe(1_024)
  })

  it('goes on from 1 after 2^32 - 1, and leaves 0 out', () => {
    const table = startingAfter(8, HIGHEST - 2)
    const ids = ['a', 'b', 'c', 'd'].map((entry) => table.open(entry))
    expect(ids).toEqual([HIGHEST - 1, HIGHEST, 1, 2])
    expect(ids.map((id) => table.get(id))).toEqual(['a', 'b', 'c', 'd'])
  })

  it('finds nothing under an id that is not open, however near', () => {
    const table = new ExchangeTable<string>(8)
    expect([table.get(0), table.get(1), table.close(1)]).toEqual([undefined, undefined, undefined])
    const id = table.open('a')
    expect([table.get(id + 16), table.close(id + 16), table.get(0)]).toEqual([undefined, undefined, undefined])
    expect(table.close(id)).toBe('a')
    expect([table.get(id), table.close(id), table.size]).toEqual([undefined, undefined, 0])
  })

  it('agrees with a map, whatever is opened and closed in whatever order', () => {
    const limits = fc.integer({ min: 1, max: 40 })
    const starts = fc.constantFrom(0, 5, 0x7fff_fff0, HIGHEST - 20)
    const steps = fc.array(fc.oneof(fc.constant(-1), fc.nat(1_000)), { maxLength: 300 })
    fc.assert(
      fc.property(limits, starts, steps, (limit, start, choices) => {
        const table = startingAfter(limit, start)
        const model = new Map<number, string>()
        let lastId = start
        for (const choice of choices) {
          if (choice < 0 || model.size === 0) {
            if (model.size === limit) continue
            const entry = `entry ${model.size}`
            const id = table.open(entry)
            // Smaller tables than the largest skip more; they never skip less.
            expect(model.has(id)).toBe(false)
            expect((id - lastId) | 0).toBeGreaterThan(0)
            expect((id - nextFree(lastId, model, idModulus(limit))) | 0).toBeGreaterThanOrEqual(0)
            expect([...model.keys()].some((open) => (open - id) % idModulus(limit) === 0)).toBe(false)
            model.set(id, entry)
            lastId = id
          } else {
            const id = [...model.keys()][choice % model.size] as number
            expect(table.close(id)).toBe(model.get(id))
            model.delete(id)
          }
          expect(table.size).toBe(model.size)
          expect(table.lastId).toBe(lastId)
        }
        const seen = new Map<number, string>()
        table.forEach((entry, id) => seen.set(id, entry))
        expect(seen).toEqual(model)
      }),
    )
  })
})

describe('a side that answers exchanges', () => {
  it.each([
    ['0', 0],
    ['the last one again', 100],
    ['a lower one', 99],
    ['one more than half the circle ahead', (100 + 0x8000_0000) >>> 0],
  ])('refuses %s as not rising', (_, id) => {
    const table = startingAfter(8, 100)
    expect(table.admit(id)).toBe('not-rising')
    expect(table.lastId).toBe(100)
  })

  it.each([
    ['the next one', 101],
    ['one that skips many', 5_000],
    ['one as far ahead as half the circle', 100 + 0x7fff_ffff],
  ])('admits %s', (_, id) => {
    const table = startingAfter(8, 100)
    expect(table.admit(id)).toBe('admitted')
    expect(table.lastId).toBe(id)
  })

  it('admits 1 after 2^32 - 1', () => {
    const table = startingAfter(8, HIGHEST)
    expect([table.admit(0), table.admit(1), table.lastId]).toEqual(['not-rising', 'admitted', 1])
  })

  it('refuses an id that meets an open one modulo the modulus, and takes it once that is closed', () => {
    const table = new ExchangeTable<string>(8)
    expect(table.admit(3)).toBe('admitted')
    table.keep(3, 'open')
    expect(table.admit(3 + 16)).toBe('collision')
    expect(table.lastId).toBe(3)
    expect(table.close(3)).toBe('open')
    expect(table.admit(3 + 16)).toBe('admitted')
  })

  it('lets ids meet that were admitted and never kept', () => {
    const table = new ExchangeTable<string>(8)
    expect([3, 19, 35].map((id) => table.admit(id))).toEqual(['admitted', 'admitted', 'admitted'])
    expect(table.size).toBe(0)
  })

  it('judges collisions by the limit, not by how large its table has grown', () => {
    const table = new ExchangeTable<string>(64)
    table.admit(1)
    table.keep(1, 'open')
    for (const id of [17, 33, 65]) {
      expect(table.admit(id)).toBe('admitted')
      table.keep(id, 'open')
    }
    expect(table.admit(1 + 128)).toBe('collision')
    expect([1, 17, 33, 65].map((id) => table.get(id))).toEqual(['open', 'open', 'open', 'open'])
  })

  it('keeps what was admitted earlier under its id, after later ids were admitted', () => {
    const table = new ExchangeTable<string>(8)
    for (const id of [1, 2, 3]) table.admit(id)
    table.keep(2, 'second')
    table.keep(1, 'first')
    expect([table.get(1), table.get(2), table.lastId]).toEqual(['first', 'second', 3])
    expect(table.admit(3)).toBe('not-rising')
  })

  it('admits every id that a side of ours chooses, whatever is open', () => {
    const steps = fc.array(fc.oneof(fc.constant(-1), fc.nat(1_000)), { maxLength: 300 })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.constantFrom(0, HIGHEST - 20), steps, (limit, start, choices) => {
        const [caller, callee] = [startingAfter(limit, start), startingAfter(limit, start)]
        const open: number[] = []
        for (const choice of choices) {
          if (choice < 0 || open.length === 0) {
            if (open.length === limit) continue
            const id = caller.open('out')
            expect(callee.admit(id)).toBe('admitted')
            callee.keep(id, 'in')
            open.push(id)
          } else {
            const [id] = open.splice(choice % open.length, 1) as [number]
            expect([caller.close(id), callee.close(id)]).toEqual(['out', 'in'])
          }
        }
        expect([caller.size, callee.size]).toEqual([open.length, open.length])
      }),
    )
  })
})
