import { describe, expect, test } from 'vitest'
import { ObjectPool } from '../../src/memory/object-pool.js'

interface Call {
  id: number
  value: unknown
}

function stage(maxIdle = 2, onForgotten?: () => void) {
  const made: Call[] = []
  const pool = new ObjectPool<Call>({
    create: () => {
      const call = { id: made.length, value: null }
      made.push(call)
      return call
    },
    reset: (call) => {
      call.value = null
    },
    maxIdle,
    ...(onForgotten === undefined ? {} : { onForgotten }),
  })
  return { pool, made }
}

describe('an object pool', () => {
  test('makes an object only when none is idle', () => {
    const { pool, made } = stage()
    expect(made).toHaveLength(0)
    const loan = pool.acquire()
    const { object } = loan
    loan[Symbol.dispose]()
    expect(pool.acquire().object).toBe(object)
    expect(made).toHaveLength(1)
    pool.acquire()
    expect(made).toHaveLength(2)
  })

  test('takes back at the end of the block what was acquired with `using`', () => {
    const { pool } = stage()
    {
      using loan = pool.acquire()
      loan.object.value = 'secret'
      expect([pool.borrowed, pool.idle]).toEqual([1, 0])
    }
    expect([pool.borrowed, pool.idle]).toEqual([0, 1])
  })

  test('takes an object back even when the block throws', () => {
    const { pool } = stage()
    expect(() => {
      using _loan = pool.acquire()
      throw new Error('inside')
    }).toThrow('inside')
    expect(pool.borrowed).toBe(0)
  })

  test('keeps nothing of the last user in an idle object', () => {
    const { pool, made } = stage()
    const loan = pool.acquire()
    loan.object.value = 'secret'
    loan[Symbol.dispose]()
    expect(made[0]?.value).toBeNull()
  })

  test('refuses a second release, also when the object is out to somebody else again', () => {
    const { pool } = stage()
    const first = pool.acquire()
    first[Symbol.dispose]()
    expect(() => first[Symbol.dispose]()).toThrow(expect.objectContaining({ reason: 'double-release' }))
    const second = pool.acquire()
    expect(second.object).toBe(first.object)
    expect(() => first[Symbol.dispose]()).toThrow(expect.objectContaining({ reason: 'double-release' }))
    expect([pool.borrowed, pool.idle]).toEqual([1, 0])
    second[Symbol.dispose]()
    expect([pool.borrowed, pool.idle]).toEqual([0, 1])
  })

  test('never keeps more idle objects than it may', () => {
    const { pool } = stage(2)
    const loans = Array.from({ length: 5 }, () => pool.acquire())
    expect(pool.borrowed).toBe(5)
    for (const loan of loans) loan[Symbol.dispose]()
    expect([pool.borrowed, pool.idle]).toEqual([0, 2])
  })

  test('counts no loan when the object could not be made', () => {
    const pool = new ObjectPool<Call>({
      create: () => {
        throw new Error('no more')
      },
      reset: () => undefined,
      maxIdle: 1,
    })
    expect(() => pool.acquire()).toThrow('no more')
    expect(pool.borrowed).toBe(0)
  })

  test.runIf(globalThis.gc !== undefined)('reports an object that was forgotten, and no other', async () => {
    let forgotten = 0
    const { pool } = stage(8, () => {
      forgotten += 1
    })
    const kept = pool.acquire()
    const forget = () => {
      for (let count = 0; count < 3; count += 1) pool.acquire()
      pool.acquire()[Symbol.dispose]()
    }
    forget()
    expect(pool.borrowed).toBe(4)
    // The collector decides when; a bounded number of full collections is enough for it.
    for (let round = 0; round < 100 && forgotten < 3; round += 1) {
      globalThis.gc?.()
      await new Promise<void>((resolve) => setImmediate(resolve))
    }
    expect(forgotten).toBe(3)
    expect(pool.borrowed).toBe(1)
    kept[Symbol.dispose]()
    expect([pool.borrowed, pool.idle]).toEqual([0, 2])
  })
})
