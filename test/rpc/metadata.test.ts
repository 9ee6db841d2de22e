import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeMetadata, encodeMetadata } from '../../src/rpc/metadata.js'

const limits = { metadataEntries: 64, metadataBytes: 8_192 }

function roundTrip(metadata: Record<string, string>): Record<string, string> {
  const block = encodeMetadata(metadata, limits)
  expect(block.readUInt16LE(0)).toBe(block.length - 2)
  return decodeMetadata(block, 2, block.length, limits)
}

function entry(key: string, value: Buffer): Buffer {
  const head = Buffer.alloc(2)
  head.writeUInt16LE(value.length)
  return Buffer.concat([Buffer.of(key.length), Buffer.from(key, 'latin1'), head, value])
}

function decode(bytes: Buffer): Record<string, string> {
  return decodeMetadata(bytes, 0, bytes.length, limits)
}

function numbered(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`key-${index}`, 'v']))
}

const failsWith = (reason: string) => expect.objectContaining({ name: 'TransportError', reason })

describe('metadata', () => {
  it('comes out as it went in', () => {
    const key = fc.stringMatching(/^[a-z0-9._-]{1,128}$/)
    const value = fc.string({ unit: 'grapheme', maxLength: 60 })
    fc.assert(
      fc.property(fc.dictionary(key, value, { maxKeys: 20 }), (metadata) => {
        expect(Object.entries(roundTrip(metadata))).toEqual(Object.entries(metadata))
      }),
      { numRuns: 300 },
    )
  })

  it('never reads past its end, and fails by name, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (noise) => {
        const bytes = Buffer.concat([noise, Buffer.from('beyond the end')])
        try {
          decodeMetadata(bytes, 0, noise.length, limits)
        } catch (error) {
          expect(error).toEqual(failsWith('metadata-malformed'))
        }
      }),
      { numRuns: 2_000 },
    )
  })

  it('may be empty', () => {
    expect(roundTrip({})).toEqual({})
  })

  it('cannot be changed by a handler', () => {
    expect(Object.isFrozen(roundTrip({ a: '1' }))).toBe(true)
    expect(Object.isFrozen(roundTrip({}))).toBe(true)
  })

  it('passes with as many entries as the limit, and fails with one more, written or read', () => {
    expect(Object.keys(roundTrip(numbered(64)))).toHaveLength(64)
    expect(() => encodeMetadata(numbered(65), limits)).toThrow(failsWith('metadata-entries'))
    const block = encodeMetadata(numbered(65), { ...limits, metadataEntries: 65 })
    expect(() => decode(block.subarray(2))).toThrow(failsWith('metadata-entries'))
  })

  it('passes with as many bytes as the limit, and fails with one more, written or read', () => {
    // A key of one letter and the two lengths leave the rest to the value.
    const most = limits.metadataBytes - 4
    expect(roundTrip({ k: 'x'.repeat(most) })).toEqual({ k: 'x'.repeat(most) })
    const over = { k: 'x'.repeat(most + 1) }
    expect(() => encodeMetadata(over, limits)).toThrow(failsWith('metadata-bytes'))
    const block = encodeMetadata(over, { ...limits, metadataBytes: 8_193 })
    expect(() => decode(block.subarray(2))).toThrow(failsWith('metadata-bytes'))
  })

  it('counts bytes, not characters', () => {
    expect(() => encodeMetadata({ k: 'é'.repeat(4_095) }, limits)).toThrow(failsWith('metadata-bytes'))
  })

  it.each([
    ['', 'empty'],
    ['Key', 'upper case'],
    ['a b', 'a space'],
    ['a\n', 'a line end'],
    ['é', 'beyond ASCII'],
    ['x'.repeat(129), '129 letters'],
  ])('refuses the key %j: %s', (key) => {
    expect(() => encodeMetadata({ [key]: 'v' }, limits)).toThrow(failsWith('metadata-malformed'))
    if (key.length < 128) expect(() => decode(entry(key, Buffer.from('v')))).toThrow(failsWith('metadata-malformed'))
  })

  it('refuses values that are not text', () => {
    const wrong = { count: 7 } as unknown as Record<string, string>
    expect(() => encodeMetadata(wrong, limits)).toThrow(failsWith('metadata-malformed'))
  })

  it.each([null, 7, 'text', ['a'], true])('refuses %j in its place', (wrong) => {
    expect(() => encodeMetadata(wrong as never, limits)).toThrow(failsWith('metadata-malformed'))
  })

  it('refuses every cut of a good block', () => {
    const block = encodeMetadata({ one: '1', two: 'zwei' }, limits).subarray(2)
    const whole = entry('one', Buffer.from('1')).length
    for (let end = 1; end < block.length; end += 1) {
      if (end === whole) expect(decodeMetadata(block, 0, end, limits)).toEqual({ one: '1' })
      else expect(() => decodeMetadata(block, 0, end, limits)).toThrow(failsWith('metadata-malformed'))
    }
  })

  it.each(['__proto__', 'constructor', 'prototype', 'tostring'])('takes %s as a key like any other', (key) => {
    const metadata = Object.fromEntries([[key, 'polluted']])
    const read = roundTrip(metadata)
    expect(Object.entries(read)).toEqual([[key, 'polluted']])
    expect(Object.getPrototypeOf(read)).toBe(Object.prototype)
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })

  it('keeps the last of two values of one key', () => {
    const bytes = Buffer.concat([entry('key', Buffer.from('first')), entry('key', Buffer.from('last'))])
    expect(decode(bytes)).toEqual({ key: 'last' })
  })
})
