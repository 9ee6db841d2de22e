import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BufferPool } from '../../src/memory/buffer-pool.js'
import { Ledger } from '../../src/memory/ledger.js'

function stage(bufferBytes = 64, maxIdle = 2) {
  const ledger = new Ledger()
  return { ledger, pool: new BufferPool(ledger, bufferBytes, maxIdle) }
}

describe('a buffer pool', () => {
  test('holds nothing until it is asked', () => {
    const { ledger, pool } = stage()
    expect([pool.idle, pool.borrowed, ledger.allocated]).toEqual([0, 0, 0])
  })

  test('hands out buffers of its size, each with memory of its own', () => {
    const { pool } = stage(100)
    const [one, other] = [pool.acquire(), pool.acquire()]
    expect([one.length, one.byteOffset, one.buffer.byteLength]).toEqual([100, 0, 100])
    expect(one.buffer).not.toBe(other.buffer)
  })

  test('uses a buffer again', () => {
    const { pool } = stage()
    const buffer = pool.acquire()
    pool.release(buffer)
    expect(pool.acquire()).toBe(buffer)
  })

  test('never keeps more idle buffers than it may', () => {
    const { pool } = stage(64, 2)
    const buffers = Array.from({ length: 5 }, () => pool.acquire())
    for (const buffer of buffers) pool.release(buffer)
    expect([pool.idle, pool.borrowed]).toEqual([2, 0])
    const again = Array.from({ length: 5 }, () => pool.acquire())
    expect(again.filter((buffer) => buffers.includes(buffer))).toHaveLength(2)
  })

  test('keeps none where none may be idle', () => {
    const { pool } = stage(64, 0)
    pool.release(pool.acquire())
    expect(pool.idle).toBe(0)
  })

  test('refuses a buffer that is given back twice', () => {
    const { ledger, pool } = stage()
    const buffer = pool.acquire()
    pool.release(buffer)
    expect(() => pool.release(buffer)).toThrow(expect.objectContaining({ reason: 'double-release' }))
    expect([pool.idle, pool.borrowed, ledger.current]).toEqual([1, 0, 0])
  })

  test('refuses a buffer that is not its own, and a view of its own', () => {
    const { pool } = stage()
    const buffer = pool.acquire()
    for (const stranger of [Buffer.alloc(64), stage().pool.acquire(), buffer.subarray(0)]) {
      expect(() => pool.release(stranger)).toThrow('this buffer is not out on loan')
    }
    expect(pool.borrowed).toBe(1)
  })

  test('counts what is out, and not what is idle', () => {
    const { ledger, pool } = stage(64, 2)
    const [one, other] = [pool.acquire(), pool.acquire()]
    expect(ledger.current).toBe(128)
    pool.release(one)
    expect(ledger.current).toBe(64)
    pool.release(other)
    expect(ledger.facts()).toEqual({ allocated: 128, deallocated: 128, current: 0, peak: 128 })
  })

  test('lends a buffer to one at a time, whatever is acquired and released when', () => {
    fc.assert(
      fc.property(fc.nat(4), fc.array(fc.option(fc.nat(20), { nil: undefined })), (maxIdle, steps) => {
        const { ledger, pool } = stage(16, maxIdle)
        const out: Buffer[] = []
        for (const release of steps) {
          if (release === undefined) {
            const buffer = pool.acquire()
            expect(out).not.toContain(buffer)
            out.push(buffer)
          } else if (out.length > 0) {
            for (const buffer of out.splice(release % out.length, 1)) pool.release(buffer)
          }
          expect(pool.borrowed).toBe(out.length)
          expect(pool.idle).toBeLessThanOrEqual(maxIdle)
          expect(ledger.current).toBe(out.length * 16)
        }
      }),
    )
  })
})
