import { describe, expect, test } from 'vitest'
import type { Codec } from '../../src/codec/codec.js'
import { msgpack } from '../../src/codec/msgpack.js'
import { protobuf } from '../../src/codec/protobuf.js'
import { REFERENCE_FROM_BYTES } from '../../src/memory/byte-writer.js'
import { chain } from '../fixtures/proto/chain.js'
import { CHUNK_BYTES, decoded, encoded, failureOf, openWriter, recordBytes } from './encoded.js'

interface Case {
  readonly codec: Codec<unknown>
  /** A value that is encoded in this many bytes, which are at least 300. */
  valueOf(bytes: number): unknown
  /** The bytes in such a value. */
  contentOf(value: unknown): Uint8Array
  readonly unencodable: unknown
}

const packed: Case = {
  codec: msgpack(),
  valueOf: (bytes) => Buffer.alloc(bytes - (bytes < 0x10000 ? 3 : 5), 0x5a),
  contentOf: (value) => value as Uint8Array,
  unencodable: { before: 'all is well', list: [1, 2, Symbol('no')] },
}

const proto: Case = {
  codec: protobuf(chain.TransactionRecord) as Codec<unknown>,
  valueOf: (bytes) => ({ hash: Buffer.alloc(bytes - (bytes < 0x4000 ? 3 : bytes < 0x200000 ? 4 : 5), 0x5a) }),
  contentOf: (value) => (value as chain.TransactionRecord).hash,
  unencodable: { hash: Buffer.alloc(20), value: 2n ** 64n },
}

describe.each([
  ['msgpack', packed],
  ['protobuf', proto],
])('a value on its way out as %s', (_name, { codec, valueOf: valueWith, contentOf, unencodable }) => {
  test('is written straight into the chunk while it is small', () => {
    const out = openWriter(100)
    codec.encode(valueWith(300), out)
    expect([out.position - out.recordStart, out.reference, out.copiedBytes]).toEqual([300, null, 0])
    out.clear()
  })

  test('is inline up to 4,095 bytes, and a reference of its own from 4,096 on', () => {
    for (const length of [REFERENCE_FROM_BYTES - 1, REFERENCE_FROM_BYTES]) {
      const out = openWriter()
      codec.encode(valueWith(length), out)
      const expected = length < REFERENCE_FROM_BYTES ? [length, 0] : [0, length]
      expect([out.position - out.recordStart, out.referencedBytes]).toEqual(expected)
      out.clear()
    }
  })

  test('keeps what the record has before it, wherever in the chunk that is', () => {
    for (const left of [0, 1, 7, 8, 9, 40, 41, 299, 300, 301, 1_000]) {
      const out = openWriter(CHUNK_BYTES - left - 5)
      out.bytes.write('head:', out.position)
      out.position += 5
      codec.encode(valueWith(300), out)
      const bytes = recordBytes(out)
      expect(bytes.toString('latin1', 0, 5), `${left} bytes left`).toBe('head:')
      expect(bytes.subarray(5)).toEqual(encoded(codec, valueWith(300)))
      out.clear()
    }
  })

  test('that went by reference is not touched by those after it', () => {
    const out = openWriter()
    const sizes = [4_096, 5_000, 9_000, 300, 70_000, 4_096, 1_000_000]
    const sent = sizes.map((size) => {
      codec.encode(valueWith(size), out)
      const { reference } = out
      const bytes = recordBytes(out)
      out.truncate(out.recordStart)
      return { reference, bytes }
    })
    const references = sent.flatMap(({ reference, bytes }) => (reference === null ? [] : [{ reference, bytes }]))
    expect(references).toHaveLength(6)
    for (const { reference, bytes } of references) expect(bytes.equals(reference)).toBe(true)
    expect(new Set(references.map(({ reference }) => reference.buffer)).size).toBe(6)
    out.clear()
  })

  test('by reference holds at most about twice the memory that it has bytes', () => {
    for (const size of [4_096, 10_000, 100_000, 3_000_000]) {
      const out = openWriter()
      codec.encode(valueWith(size), out)
      expect(out.reference?.buffer.byteLength).toBeLessThanOrEqual(2 * size + 100)
      out.clear()
    }
  })

  test('arrives whole at every size around the borders', () => {
    for (const size of [300, 4_090, 4_097, 8_191, 8_192, 8_193, 16_383, 65_535, 65_543, 200_000, 2_097_200]) {
      const value = valueWith(size)
      const bytes = encoded(codec, value, 60_000)
      expect(bytes).toHaveLength(size)
      expect(Buffer.from(contentOf(decoded(codec, bytes))).equals(contentOf(value))).toBe(true)
    }
  })

  test('that fails adds nothing to the record, and leaves nothing for the next one', () => {
    const out = openWriter(10)
    const { position } = out
    expect(failureOf(() => codec.encode(unencodable, out)).reason).toBe('encode-failed')
    expect([out.position, out.reference]).toEqual([position, null])
    codec.encode(valueWith(300), out)
    expect(recordBytes(out)).toEqual(encoded(codec, valueWith(300)))
    out.clear()
  })
})

describe('a value that has another one encoded while it is read', () => {
  const codec = msgpack()

  test('fails with it, and those after it do not', () => {
    const nested = {
      get inner(): unknown {
        return encoded(codec, 'inner')
      },
    }
    const error = failureOf(() => encoded(codec, nested))
    expect(error).toMatchObject({ reason: 'encode-failed', message: expect.stringContaining('while another one is') })
    expect(decoded(codec, encoded(codec, 'after'))).toBe('after')
  })
})
