import { types } from 'node:util'
import fc from 'fast-check'

const RESERVED = ['__proto__', 'constructor', 'prototype']

/** Any well-formed text, often short and often plain. */
const text = fc.oneof(fc.string({ maxLength: 12 }), fc.string({ unit: 'binary', maxLength: 80 }))

const key = fc
  .oneof(fc.constantFrom('id', 'hash', 'height', 'value', 'a longer name of a key'), text)
  .filter((name) => {
    return !RESERVED.includes(name)
  })

/** Any value that msgpack carries. */
export const anyValue = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, depthSize: 'small' },
    fc.constantFrom(null, true, false),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.double(),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
    text,
    fc.uint8Array({ maxLength: 100 }),
    fc.date({ noInvalidDate: true }),
    fc.array(tie('value'), { maxLength: 20 }),
    fc.dictionary(key, tie('value'), { maxKeys: 20, noNullPrototype: true }),
  ),
})).value

/** The same value as it arrives: bytes as Buffers, safe integers as numbers. */
export function asArrived(value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value
  if (Array.isArray(value)) return value.map(asArrived)
  if (types.isUint8Array(value)) return Buffer.from(value)
  if (typeof value !== 'object' || value === null || types.isDate(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, asArrived(field)]))
}

/** The value with 0 in place of -0, at every depth. */
export function withoutNegativeZero(value: unknown): unknown {
  if (value === 0) return 0
  if (Array.isArray(value)) return value.map(withoutNegativeZero)
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || types.isDate(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, withoutNegativeZero(field)]))
}
