import { types } from 'node:util'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { pack, Unpackr } from 'msgpackr'
import { describe, expect, test } from 'vitest'
import { msgpack } from '../../src/codec/msgpack.js'
import { decoded, encoded, failureOf, LIMITS } from './encoded.js'
import { anyValue, asArrived, withoutNegativeZero } from './values.js'

const codec = msgpack<unknown>()

/** The other implementation, as the referee. */
const referee = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: 'bigint' })

function throughWire(value: unknown): unknown {
  return decoded(codec, encoded(codec, value))
}

function hex(value: unknown): string {
  return encoded(codec, value).toString('hex')
}

describe('a value sent as msgpack', () => {
  test('arrives as it was', () => {
    fc.assert(
      fc.property(anyValue, fc.boolean(), (value, owned) => {
        expect(decoded(codec, encoded(codec, value), { owned })).toStrictEqual(asArrived(value))
      }),
      { numRuns: 1_000 },
    )
  })

  test('means the same to another implementation, and what that writes to us', () => {
    fc.assert(
      fc.property(anyValue, (value) => {
        const arrived = asArrived(value)
        expect(normalized(referee.unpack(encoded(codec, value)))).toStrictEqual(arrived)
        // The referee writes -0 as the integer 0.
        expect(decoded(codec, pack(arrived))).toStrictEqual(withoutNegativeZero(arrived))
      }),
      { numRuns: 1_000 },
    )
  })

  test('arrives the same whether its keys were seen before or not', () => {
    for (let round = 0; round < 4; round += 1) {
      for (const length of [0, 1, 2, 3, 4, 6, 7, 8, 9, 30, 31, 32, 33, 255, 256, 70_000]) {
        const object = { ['k'.repeat(length)]: 1, [`${'k'.repeat(length)}é`]: 2, next: 3 }
        expect(throughWire(object)).toStrictEqual(object)
      }
    }
  })

  test('has keys in many orders, and keys that differ in one place', () => {
    const names = ['a', 'b', 'aa', 'ab', 'hash', 'hasb', 'longer-name-1', 'longer-name-2', 'longest-name-of-all-1', '']
    const orders = fc.shuffledSubarray(names)
    fc.assert(
      fc.property(fc.array(orders, { maxLength: 20 }), (objects) => {
        const values = objects.map((keys) => Object.fromEntries(keys.map((key, index) => [key, index])))
        const arrived = throughWire(values) as object[]
        expect(arrived).toStrictEqual(values)
        expect(arrived.map((value) => Object.keys(value))).toEqual(values.map((value) => Object.keys(value)))
      }),
    )
  })

  test.each([
    [0, '00'],
    [127, '7f'],
    [128, 'cc80'],
    [255, 'ccff'],
    [256, 'cd0100'],
    [65_535, 'cdffff'],
    [65_536, 'ce00010000'],
    [2 ** 32 - 1, 'ceffffffff'],
    [2 ** 32, 'cf0000000100000000'],
    [Number.MAX_SAFE_INTEGER, 'cf001fffffffffffff'],
    [2 ** 53, 'cb4340000000000000'],
    [-1, 'ff'],
    [-32, 'e0'],
    [-33, 'd0df'],
    [-128, 'd080'],
    [-129, 'd1ff7f'],
    [-32_768, 'd18000'],
    [-32_769, 'd2ffff7fff'],
    [-(2 ** 31), 'd280000000'],
    [-(2 ** 31) - 1, 'd3ffffffff7fffffff'],
    [Number.MIN_SAFE_INTEGER, 'd3ffe0000000000001'],
    [1.5, 'cb3ff8000000000000'],
    [-0, 'cb8000000000000000'],
    [Number.NaN, 'cb7ff8000000000000'],
    [Number.NEGATIVE_INFINITY, 'cbfff0000000000000'],
    [2n ** 63n - 1n, 'd37fffffffffffffff'],
    [2n ** 63n, 'cf8000000000000000'],
    [2n ** 64n - 1n, 'cfffffffffffffffff'],
    [-(2n ** 63n), 'd38000000000000000'],
  ])('has the shortest form for the number %d', (value, bytes) => {
    expect(hex(value)).toBe(bytes)
    expect(throughWire(value)).toBe(value)
  })

  test('is a number where it is a safe integer, even when it was a bigint', () => {
    expect(throughWire([5n, -5n, 2n ** 53n - 1n, -(2n ** 53n) + 1n])).toEqual([5, -5, 2 ** 53 - 1, -(2 ** 53) + 1])
    expect(throughWire([2n ** 53n, -(2n ** 53n)])).toEqual([2n ** 53n, -(2n ** 53n)])
  })

  test('has the shortest head for its length', () => {
    expect(hex('a'.repeat(31)).slice(0, 2)).toBe('bf')
    expect(hex('a'.repeat(32)).slice(0, 4)).toBe('d920')
    expect(hex('é'.repeat(16)).slice(0, 4)).toBe('d920')
    expect(hex('é'.repeat(128)).slice(0, 6)).toBe('da0100')
    expect(hex('a'.repeat(65_536)).slice(0, 10)).toBe('db00010000')
    expect(hex(new Array(15).fill(0)).slice(0, 2)).toBe('9f')
    expect(hex(new Array(16).fill(0)).slice(0, 6)).toBe('dc0010')
    expect(hex(new Array(65_536).fill(0)).slice(0, 10)).toBe('dd00010000')
    expect(hex(objectOf(15)).slice(0, 2)).toBe('8f')
    expect(hex(objectOf(16)).slice(0, 6)).toBe('de0010')
    expect(hex(objectOf(65_536)).slice(0, 10)).toBe('df00010000')
  })

  test('arrives whole at every length of string around the borders', () => {
    for (const unit of ['a', 'é', '日', '🚀', '\u0000', '\ufeff']) {
      for (const count of [
        0, 1, 10, 11, 12, 15, 16, 23, 24, 25, 31, 32, 85, 128, 255, 256, 4_095, 4_096, 4_097, 21_846, 65_536,
      ]) {
        const text = unit.repeat(count)
        expect(throughWire(text) === text, `${count} x ${unit}`).toBe(true)
      }
    }
  })

  test('keeps maps of more than 15 keys apart from what follows them', () => {
    const value = [
      objectOf(16),
      { inner: objectOf(17), after: 'x' },
      new Map([...Array(300).keys()].map((n) => [n, n])),
      'end',
    ]
    const expected = [value[0], value[1], Object.fromEntries([...Array(300).keys()].map((n) => [n, n])), 'end']
    expect(throughWire(value)).toStrictEqual(expected)
  })

  test('has the own enumerable properties of an instance, or what its toJSON returns', () => {
    class Point {
      readonly x = 1
      get doubled(): number {
        return this.x * 2
      }
    }
    class Money {
      toJSON(): unknown {
        return { cents: 250 }
      }
    }
    const inherited = Object.create({ inherited: true }, { own: { value: 1, enumerable: true }, hidden: { value: 2 } })
    expect(throughWire([new Point(), new Money(), inherited, Object.create(null)])).toStrictEqual([
      { x: 1 },
      { cents: 250 },
      { own: 1 },
      {},
    ])
    expect(throughWire(new URL('tcp://host:1/'))).toBe('tcp://host:1/')
  })

  test('does not take up what somebody put on Object.prototype', () => {
    let bytes = ''
    Object.defineProperty(Object.prototype, 'polluted', { value: 'no', enumerable: true, configurable: true })
    try {
      bytes = hex({ a: 1 })
    } finally {
      Reflect.deleteProperty(Object.prototype, 'polluted')
    }
    expect(bytes).toBe('81a16101')
  })

  test('is the same from another realm', () => {
    const value = runInNewContext(
      '({ list: [1, { two: 2 }], when: new Date(5), bytes: new Uint8Array([1, 2]), map: new Map([["a", 1]]) })',
    )
    expect(throughWire(value)).toStrictEqual({
      list: [1, { two: 2 }],
      when: new Date(5),
      bytes: Buffer.from([1, 2]),
      map: { a: 1 },
    })
  })

  test('has undefined as nothing: no property, null in an array, no bytes as the whole value', () => {
    expect(hex({ a: undefined, b: 1 })).toBe('81a16201')
    expect(throughWire(new Map([['a', undefined]]))).toStrictEqual({})
    // biome-ignore lint/suspicious/noSparseArray: what becomes of a hole is the point
    expect(throughWire([undefined, , 1])).toStrictEqual([null, null, 1])
    expect(hex(undefined)).toBe('')
    expect(throughWire(undefined)).toBeUndefined()
  })

  test('has lone surrogates replaced, and nothing else', () => {
    for (const pad of ['', 'a'.repeat(40), 'a'.repeat(5_000)]) {
      expect(throughWire(`${pad}\ud800b\udc00`)).toBe(`${pad}\ufffdb\ufffd`)
      expect(throughWire({ [`${pad}\ud800`]: 1 })).toStrictEqual({ [`${pad}\ufffd`]: 1 })
    }
  })
})

describe('a date sent as msgpack', () => {
  test('arrives to the millisecond', () => {
    fc.assert(
      fc.property(fc.date({ noInvalidDate: true }), (date) => {
        expect(throughWire(date)).toStrictEqual(date)
      }),
    )
  })

  test.each([
    [0, 'd6ff00000000'],
    [1, 'd7ff003d090000000000'],
    [(2 ** 32 - 1) * 1_000, 'd6ffffffffff'],
    [2 ** 32 * 1_000, 'd7ff0000000100000000'],
    [(2 ** 34 - 1) * 1_000 + 999, 'd7ffee2e1f03ffffffff'],
    [2 ** 34 * 1_000, 'c70cff000000000000000400000000'],
    [-1, 'c70cff3b8b87c0ffffffffffffffff'],
    [8_640_000_000_000_000, 'c70cff00000000000007dba8218000'],
    [-8_640_000_000_000_000, 'c70cff00000000fffff82457de8000'],
  ])('of %d ms has the shortest timestamp', (timeMs, bytes) => {
    expect(hex(new Date(timeMs))).toBe(bytes)
    expect(throughWire(new Date(timeMs))).toStrictEqual(new Date(timeMs))
  })
})

describe('bytes sent as msgpack', () => {
  test('arrive as Buffers that share no memory with their message', () => {
    const message = encoded(codec, {
      short: Buffer.alloc(32, 1),
      long: new Uint8Array(1_000).fill(2),
      empty: Buffer.alloc(0),
    })
    const value = codec.decode(message, 0, message.length, false, LIMITS)
    message.fill(9)
    expect(value).toStrictEqual({ short: Buffer.alloc(32, 1), long: Buffer.alloc(1_000, 2), empty: Buffer.alloc(0) })
  })

  test('are views of their message where it is given away', () => {
    const message = encoded(codec, [Buffer.from('abc')])
    const [bytes] = codec.decode(message, 0, message.length, true, LIMITS) as [Buffer]
    message.fill('x')
    expect(bytes.toString()).toBe('xxx')
  })
})

describe('what msgpack cannot carry', () => {
  const circle: unknown[] = []
  circle.push({ circle })

  test.each([
    ['a function', () => 1],
    ['a function as a property', { call() {} }],
    ['a class', class {}],
    ['a symbol', Symbol('s')],
    ['a bigint over 64 bits', 2n ** 64n],
    ['a bigint under 64 bits', -(2n ** 63n) - 1n],
    ['an invalid date', new Date(Number.NaN)],
    ['a set', new Set([1])],
    ['a regular expression', /x/],
    ['an error', new Error('x')],
    ['a promise', Promise.resolve(1)],
    ['a weak map', new WeakMap()],
    ['numbers of 16 bits', new Uint16Array([1, 2])],
    ['floats', new Float64Array(1)],
    ['an ArrayBuffer', new ArrayBuffer(8)],
    ['a DataView', new DataView(new ArrayBuffer(8))],
    ['a number object', Object(5)],
    ['a string object', Object('text')],
    ['a Map with other keys', new Map([[true, 1]])],
    ['a Map with a bigint key', new Map([[1n, 1]])],
    ['the key __proto__', JSON.parse('{"__proto__": 1}')],
    ['the key constructor', { constructor: 1 }],
    ['the key prototype', { deep: [{ prototype: 1 }] }],
    ['a Map with the key __proto__', new Map([['__proto__', 1]])],
    ['a circle', circle],
  ])('%s', (_what, value) => {
    // Twice: what is remembered of the first time must not let the second pass.
    for (let round = 0; round < 3; round += 1) {
      expect(failureOf(() => encoded(codec, value))).toMatchObject({
        reason: 'encode-failed',
        origin: 'user',
        processed: 'no',
      })
    }
    expect(throughWire('after')).toBe('after')
  })

  test('what throws when it is read, with its error as the cause', () => {
    const cause = new RangeError('out of order')
    const value = {
      get broken(): never {
        throw cause
      },
    }
    const error = failureOf(() => encoded(codec, value))
    expect([error.reason, error.cause]).toEqual(['encode-failed', cause])
    expect(error.message).toContain('out of order')
  })

  test('more than 512 levels: no receiver can be told to accept them', () => {
    expect(throughWireWithin(nested(512))).toStrictEqual(nested(512))
    expect(failureOf(() => encoded(codec, nested(513))).reason).toBe('encode-failed')
  })
})

test('two msgpack codecs are the same to a fingerprint', () => {
  expect(msgpack()).toMatchObject({ name: 'msgpack', schema: 'msgpack' })
})

function throughWireWithin(value: unknown): unknown {
  return decoded(codec, encoded(codec, value), { limits: { msgpackDepth: 512 } })
}

function nested(levels: number): unknown {
  let value: unknown = []
  for (let level = 1; level < levels; level += 1) value = level % 2 === 0 ? [value] : { value }
  return value
}

function objectOf(keys: number): Record<string, number> {
  return Object.fromEntries(Array.from({ length: keys }, (_, index) => [`key${index}`, index]))
}

/** The referee gives 64-bit integers as bigints, whatever their size. */
function normalized(value: unknown): unknown {
  if (typeof value === 'bigint') return asArrived(value)
  if (Array.isArray(value)) return value.map(normalized)
  if (typeof value !== 'object' || value === null || types.isDate(value) || types.isUint8Array(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, normalized(field)]))
}
