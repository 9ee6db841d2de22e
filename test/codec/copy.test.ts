import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../src/base/random.js'
import { copyOf } from '../../src/codec/copy.js'

const SIZES = [0, 1, 3, 32, 64, 65, 128, 129, 1_000, 4_096, 4_097]
/** Of every size: more than the memory that copies of it share. */
const COPIES = 1_000

describe('copies', () => {
  test('keep what they were made of, however many follow', () => {
    const random = seededRandom(7)
    const sources = [Buffer.alloc(8_192), Buffer.alloc(100_000).subarray(1_000, 20_000), new Uint8Array(70_000)]
    const kept = Array.from({ length: COPIES * SIZES.length }, (_, index) => {
      const source = sources[Math.floor(random.next() * sources.length)] as Uint8Array
      const length = SIZES[index % SIZES.length] as number
      const start = Math.floor(random.next() * (source.length - length))
      const byte = index % 251
      source.fill(byte, start, start + length)
      const copy = copyOf(source, start, start + length)
      source.fill(255, start, start + length)
      return { copy, length, byte }
    })
    for (const { copy, length, byte } of kept) {
      expect(copy.length).toBe(length)
      expect(copy.every((one) => one === byte)).toBe(true)
    }
  })

  test.each([32, 1_000])('of %i bytes cannot take others along when one is transferred to a worker', (length) => {
    const source = Buffer.alloc(8_192, 1)
    const [first, second] = [copyOf(source, 0, length), copyOf(source, 0, length)]
    try {
      structuredClone(first, { transfer: [first.buffer as ArrayBuffer] })
    } catch (error) {
      // What the newer Nodes say; the older ones clone it.
      expect(error).toMatchObject({ name: 'DataCloneError' })
    }
    expect([first.length, second.length, copyOf(source, 0, length).length]).toEqual([length, length, length])
  })

  test('leave nothing of a large source alive', async () => {
    const collect = globalThis.gc as () => void
    const alive = new WeakRef(new Uint8Array(1_000_000))
    copyOf(alive.deref() as Uint8Array, 0, 32)
    await new Promise((resolve) => setImmediate(resolve))
    collect()
    expect(alive.deref()).toBeUndefined()
  })
})
