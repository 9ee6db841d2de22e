// Hot path: the checks of single fields run for every field.
import { types } from 'node:util'
import { failure, type TransportError } from '../base/errors.js'

/** Generated code: tells what is wrong with the shape of a message. It does not know bigints. */
export type VerifyFunction = (message: unknown) => string | null

/** Whether bigints are all that is wrong: checks the message again with a Long in the place of each. */
export function checkWithBigints(message: unknown, verify: VerifyFunction, wrong: string): void {
  const still = wrong.includes('integer|Long') ? verify(withoutBigints(message)) : wrong
  if (still !== null) throw cannot(`this message: ${still}`)
}

const ANY_LONG = { low: 0, high: 0 }

function withoutBigints(value: unknown): unknown {
  if (typeof value === 'bigint') return ANY_LONG
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value
  if (Array.isArray(value)) return value.map(withoutBigints)
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, withoutBigints(field)]))
}

interface LongLike {
  readonly low: number
  readonly high: number
  readonly unsigned: boolean
}

export function isLong(value: unknown): value is LongLike {
  if (typeof value !== 'object' || value === null) return false
  const { low, high } = value as Partial<LongLike>
  return typeof low === 'number' && typeof high === 'number' && (low | 0) === low && (high | 0) === high
}

export function isBytes(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array || types.isUint8Array(value)
}

export function signed32(value: unknown): number {
  const number = typeof value === 'number' ? value : mapKey(value, 'int32')
  if ((number | 0) !== number) throw cannot(`${number} as int32`)
  return number
}

export function real(value: unknown): number {
  if (typeof value !== 'number') throw cannot(`${typeof value} as a floating point number`)
  return value
}

/** The keys of a map field are strings, whatever they are in the schema. */
export function mapKey(value: unknown, type: string): number {
  if (typeof value !== 'string' || !/^-?\d{1,10}$/.test(value)) throw cannot(`${typeof value} as ${type}`)
  return Number(value)
}

export function cannot(what: string): TransportError {
  return failure('encode-failed', `protobuf cannot carry ${what}`)
}
