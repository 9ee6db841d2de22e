import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { printable } from '../../src/base/printable.js'

describe('a string of a peer made printable', () => {
  test('stays as it is when it is short and harmless', () => {
    for (const text of ['', 'hello', 'chain.submit', 'Größe 10 µm', '日本語', 'it\'s "quoted"']) {
      expect(printable(text)).toBe(text)
    }
  })

  test('has its control characters and line ends escaped', () => {
    expect(printable('a\r\nb\tc\0d\x1b[31me\x7ff\x85g')).toBe(
      'a\\u000d\\u000ab\\u0009c\\u0000d\\u001b[31me\\u007ff\\u0085g',
    )
  })

  test('cannot end a line by the line ends of Unicode', () => {
    expect(printable('a\u2028b\u2029c')).toBe('a\\u2028b\\u2029c')
  })

  test.each([
    ['turns the direction of the text', '\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c'],
    ['cannot be seen', '\u00ad\u200b\u200c\u200d\u2060\u2064\ufeff\u180e'],
    ['annotates what stands beside it', '\ufff9\ufffa\ufffb'],
    ['belongs to nobody', '\ue000\uf8ff'],
    ['is half a character', '\udc00\udfff\ud800'],
  ])('shows what %s', (_what, text) => {
    for (const unit of text) expect(printable(unit)).toMatch(/^(\\u[0-9a-f]{4})+$/)
  })

  test('shows characters beyond 16 bits, unless they cannot be seen', () => {
    expect(printable('🚀 launched')).toBe('🚀 launched')
    expect(printable('a\u{e0041}b')).toBe('a\\u{e0041}b')
  })

  test('is cut at 256 bytes, and shows that it was', () => {
    expect(printable('a'.repeat(256))).toBe('a'.repeat(256))
    expect(printable('a'.repeat(257))).toBe(`${'a'.repeat(253)}...`)
    expect(printable('é'.repeat(128))).toBe('é'.repeat(128))
    expect(printable('é'.repeat(129))).toBe(`${'é'.repeat(126)}...`)
    expect(printable('\n'.repeat(43))).toMatch(/\.\.\.$/)
  })

  test('costs no more for a hostile string than for a short one', () => {
    const hostile = '\n'.repeat(64 * 1024 * 1024)
    expect(Buffer.byteLength(printable(hostile))).toBe(256)
  })

  test('is at most 256 bytes of visible characters, whatever it was', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (text) => {
        const out = printable(text)
        expect(Buffer.byteLength(out)).toBeLessThanOrEqual(256)
        expect(out).not.toMatch(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/u)
      }),
      { numRuns: 500 },
    )
  })

  test('reads the same when it is made printable twice', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
        expect(printable(printable(text))).toBe(printable(text))
      }),
    )
  })
})
