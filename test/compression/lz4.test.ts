import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { TransportError } from '../../src/base/errors.js'
import { compressBlock, inflateBlock } from '../../src/compression/lz4.js'

const limits = { maxMessageBytes: 100_000, minInflatedBytes: 1_024 }
const inflate = (block: Buffer): Buffer => inflateBlock(block, 0, block.length, limits)

/** A block whose claim is changed to another size. */
function claiming(bytes: number, block: Buffer): Buffer {
  const changed = Buffer.from(block)
  changed.writeUInt32LE(bytes, 0)
  return changed
}

const zeros = compressBlock(Buffer.alloc(2_000))

describe('an LZ4 block', () => {
  it('is inflated to what it was', () => {
    const source = Buffer.from('block after block '.repeat(500))
    expect(inflate(compressBlock(source))).toEqual(source)
  })

  it('is found within other bytes', () => {
    const block = compressBlock(Buffer.alloc(2_000, 7))
    const around = Buffer.concat([Buffer.from('before'), block, Buffer.from('after')])
    expect(inflateBlock(around, 6, 6 + block.length, limits)).toEqual(Buffer.alloc(2_000, 7))
  })

  it('may claim as much as a message may have', () => {
    expect(inflate(compressBlock(Buffer.alloc(100_000)))).toHaveLength(100_000)
  })

  it('may not claim one byte more', () => {
    expect(() => inflate(compressBlock(Buffer.alloc(100_001)))).toThrow(
      expect.objectContaining({ reason: 'lz4-claim-too-large' }),
    )
  })

  it('may not claim four gigabytes in six bytes', () => {
    expect(() => inflate(Buffer.of(255, 255, 255, 255, 0, 0))).toThrow(
      expect.objectContaining({ reason: 'lz4-claim-too-large' }),
    )
  })

  it('may not claim more than 255 times its own size', () => {
    const block = Buffer.concat([Buffer.alloc(4), Buffer.alloc(20)])
    const most = block.length * 255
    expect(() => inflate(claiming(most + 1, block))).toThrow(
      expect.objectContaining({ reason: 'lz4-claim-implausible' }),
    )
    expect(() => inflate(claiming(most, block))).toThrow(expect.objectContaining({ reason: 'lz4-malformed' }))
  })

  it('may claim 1,024 bytes and not one less', () => {
    expect(inflate(compressBlock(Buffer.alloc(1_024)))).toHaveLength(1_024)
    expect(() => inflate(compressBlock(Buffer.alloc(1_023)))).toThrow(
      expect.objectContaining({ reason: 'lz4-claim-too-small' }),
    )
  })

  it('that inflates to another size than it claims is refused', () => {
    expect(() => inflate(claiming(1_999, zeros))).toThrow(expect.objectContaining({ reason: 'lz4-malformed' }))
    expect(() => inflate(claiming(2_001, zeros))).toThrow(expect.objectContaining({ reason: 'lz4-malformed' }))
  })

  it('that is cut short anywhere is refused', () => {
    for (let length = 0; length < zeros.length; length += 1) {
      expect(() => inflate(zeros.subarray(0, length) as Buffer)).toThrow(TransportError)
    }
  })

  it('of any bytes is inflated or refused by name, and nothing else', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 4, maxLength: 300 }),
        fc.integer({ min: 1_024, max: 5_000 }),
        (bytes, claim) => {
          try {
            expect(inflate(claiming(claim, Buffer.from(bytes)))).toHaveLength(claim)
          } catch (error) {
            if (!(error instanceof TransportError)) throw error
          }
        },
      ),
    )
  })
})
