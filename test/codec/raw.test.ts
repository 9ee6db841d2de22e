import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { raw } from '../../src/codec/raw.js'
import { REFERENCE_FROM_BYTES } from '../../src/memory/byte-writer.js'
import { decoded, encoded, failureOf, LIMITS, openWriter } from './encoded.js'

const codec = raw()

describe('raw bytes', () => {
  test('arrive as they were sent', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(decoded(codec, encoded(codec, bytes))).toEqual(Buffer.from(bytes))
      }),
    )
  })

  test('arrive as a Buffer, empty ones too', () => {
    expect(decoded(codec, encoded(codec, new Uint8Array(0)))).toEqual(Buffer.alloc(0))
    expect(Buffer.isBuffer(decoded(codec, encoded(codec, new Uint8Array([1]))))).toBe(true)
  })

  test.each([0, 1, 12, 13, 32, 48, 49, 64, 65, 1_024, 4_095, 4_096, 100_000])(
    'of %i bytes share no memory with their message',
    (length) => {
      const message = Buffer.alloc(length + 8, 7)
      const bytes = codec.decode(message, 4, 4 + length, false, LIMITS)
      message.fill(9)
      expect(bytes).toEqual(Buffer.alloc(length, 7))
    },
  )

  test('are a view of their message where it is given away', () => {
    const message = Buffer.from('0123456789')
    const bytes = codec.decode(message, 2, 6, true, LIMITS) as Buffer
    expect(bytes.toString()).toBe('2345')
    message.fill('x')
    expect(bytes.toString()).toBe('xxxx')
  })

  test('are copied below 4 KiB and travel by reference from there on', () => {
    const small = openWriter()
    codec.encode(Buffer.alloc(REFERENCE_FROM_BYTES - 1), small)
    expect(small.reference).toBeNull()
    small.clear()
    const value = Buffer.alloc(REFERENCE_FROM_BYTES)
    const large = openWriter()
    codec.encode(value, large)
    expect(large.reference).toBe(value)
    large.clear()
  })

  test.each([
    ['a string', 'text', 'string'],
    ['null', null, 'null'],
    ['undefined', undefined, 'undefined'],
    ['an array', [1, 2], 'object'],
    ['an ArrayBuffer', new ArrayBuffer(2), 'object'],
    ['16-bit numbers', new Uint16Array(2), 'object'],
  ])('are not %s', (_what, value, type) => {
    const out = openWriter()
    const error = failureOf(() => codec.encode(value as unknown as Uint8Array, out))
    expect(error).toMatchObject({ reason: 'encode-failed', origin: 'user', processed: 'no' })
    expect(error.message).toContain(type)
    out.clear()
  })
})
