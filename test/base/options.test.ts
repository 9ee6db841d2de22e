import { describe, expect, test } from 'vitest'
import { TransportError } from '../../src/base/errors.js'
import { flag, group, instance, integer, oneOf, optional, text } from '../../src/base/options.js'

const rules = group({
  compress: flag(true),
  codec: oneOf('msgpack', ['msgpack', 'protobuf', 'raw']),
  label: text('none', /^[a-z]{1,8}$/),
  pool: group({ min: integer(1, 0, 64), max: integer(4, 1, 64), idleTimeoutMs: integer(30_000, 10, 600_000) }),
  sendBufferBytes: optional(integer(0, 1_024, 1_048_576)),
})

function refusal(value: unknown): TransportError {
  try {
    rules.parse(value, '')
  } catch (error) {
    if (error instanceof TransportError) return error
    throw error
  }
  throw new Error(`${JSON.stringify(value)} was accepted`)
}

describe('options', () => {
  test('have their defaults when nothing is given', () => {
    const defaults = {
      compress: true,
      codec: 'msgpack',
      label: 'none',
      pool: { min: 1, max: 4, idleTimeoutMs: 30_000 },
      sendBufferBytes: undefined,
    }
    expect(rules.parse(undefined, '')).toEqual(defaults)
    expect(rules.parse({}, '')).toEqual(defaults)
    expect(rules.parse({ pool: undefined, compress: undefined }, '')).toEqual(defaults)
    expect(rules.parse({ pool: {} }, '')).toEqual(defaults)
  })

  test('are taken over one by one', () => {
    expect(
      rules.parse({ codec: 'raw', label: 'abc', pool: { max: 9 }, sendBufferBytes: 4_096, compress: false }, ''),
    ).toEqual({
      compress: false,
      codec: 'raw',
      label: 'abc',
      pool: { min: 1, max: 9, idleTimeoutMs: 30_000 },
      sendBufferBytes: 4_096,
    })
  })

  test('do not change what the user handed in', () => {
    const given = Object.freeze({ pool: Object.freeze({ max: 9 }) })
    expect(rules.parse(given, '').pool).not.toBe(given.pool)
  })

  test('accept the ends of a range and refuse what is one past them', () => {
    for (const max of [1, 64]) expect(rules.parse({ pool: { max } }, '').pool.max).toBe(max)
    for (const max of [0, 65, -1]) {
      expect(refusal({ pool: { max } })).toMatchObject({
        code: 'INVALID_ARGUMENT',
        origin: 'user',
        reason: 'option-range',
        message: `option pool.max must be between 1 and 64, got ${max}`,
        details: { option: 'pool.max', min: 1, max: 64 },
      })
    }
  })

  test.each([
    [{ compress: 'yes' }, 'compress', 'option compress must be true or false, got a value of type string'],
    [{ compress: 1 }, 'compress', 'option compress must be true or false, got 1'],
    [{ compress: null }, 'compress', 'option compress must be true or false, got null'],
    [{ codec: 7 }, 'codec', "option codec must be one of 'msgpack', 'protobuf', 'raw', got 7"],
    [{ label: 7 }, 'label', 'option label must be a string, got 7'],
    [{ pool: { min: '1' } }, 'pool.min', 'option pool.min must be a whole number, got a value of type string'],
    [{ pool: { min: 1.5 } }, 'pool.min', 'option pool.min must be a whole number, got 1.5'],
    [{ pool: { min: Number.NaN } }, 'pool.min', 'option pool.min must be a whole number, got NaN'],
    [{ pool: { min: 2 ** 53 } }, 'pool.min', `option pool.min must be a whole number, got ${2 ** 53}`],
    [{ pool: { min: Number.POSITIVE_INFINITY } }, 'pool.min', 'option pool.min must be a whole number, got Infinity'],
    [{ pool: { min: 1n } }, 'pool.min', 'option pool.min must be a whole number, got a value of type bigint'],
    [{ pool: 4 }, 'pool', 'option pool must be an object, got 4'],
    [{ pool: [] }, 'pool', 'option pool must be an object, got a value of type object'],
    [{ pool: null }, 'pool', 'option pool must be an object, got null'],
    [
      { sendBufferBytes: 'big' },
      'sendBufferBytes',
      'option sendBufferBytes must be a whole number, got a value of type string',
    ],
  ])('refuse the wrong type in %o by naming %s', (value, option, message) => {
    expect(refusal(value)).toMatchObject({
      reason: 'option-type',
      code: 'INVALID_ARGUMENT',
      details: { option },
      message,
    })
  })

  test('refuse options that are no object at all', () => {
    for (const value of [null, 7, 'tcp://a:1', []]) expect(refusal(value).reason).toBe('option-type')
  })

  test('refuse a choice that does not exist and suggest the near one', () => {
    expect(refusal({ codec: 'msgpak' })).toMatchObject({
      reason: 'option-range',
      message: "option codec must be one of 'msgpack', 'protobuf', 'raw', got 'msgpak'; did you mean msgpack?",
    })
    expect(refusal({ codec: 'json' }).message).not.toContain('did you mean')
  })

  test('refuse a text that does not match', () => {
    expect(refusal({ label: 'ABC' })).toMatchObject({ reason: 'option-range', details: { option: 'label' } })
  })

  test.each([
    [{ kodec: 'raw' }, 'unknown option kodec; did you mean codec?'],
    [{ COMPRESS: true }, 'unknown option COMPRESS; did you mean compress?'],
    [{ pool: { maxx: 1 } }, 'unknown option pool.maxx; did you mean max?'],
    [{ pool: { idleTimeout: 1 } }, 'unknown option pool.idleTimeout; did you mean idleTimeoutMs?'],
    [{ somethingElse: 1 }, 'unknown option somethingElse'],
    [{ toString: 1 }, 'unknown option toString'],
    [JSON.parse('{"__proto__": {"codec": "raw"}}') as object, 'unknown option __proto__'],
    [{ constructor: 1 }, 'unknown option constructor'],
  ])('refuse the unknown name in %o', (value, message) => {
    expect(refusal(value)).toMatchObject({ reason: 'option-unknown', code: 'INVALID_ARGUMENT', message })
  })

  test('refuse an unknown name even where its value is undefined', () => {
    expect(refusal({ kodec: undefined }).reason).toBe('option-unknown')
  })

  test('find the nearest name fast, however long the wrong one is', () => {
    expect(refusal({ ['x'.repeat(1_000_000)]: 1 }).reason).toBe('option-unknown')
  })

  test('hand an instance on as it is', () => {
    const fallback = { now: () => 0 }
    const clock = { now: () => 1 }
    const rule = instance(fallback)
    expect(rule.parse(undefined, 'clock')).toBe(fallback)
    expect(rule.parse(clock, 'clock')).toBe(clock)
    expect(() => rule.parse(null, 'clock')).toThrow('option clock must be an object, got null')
    expect(() => rule.parse(7, 'clock')).toThrow('option clock must be an object, got 7')
  })
})
