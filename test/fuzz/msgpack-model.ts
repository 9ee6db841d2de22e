/** msgpack by the plainest reading of its specification and of what this library takes. Slow, and easy to check. */
export interface ModelLimits {
  readonly msgpackDepth: number
  readonly msgpackNodes: number
  readonly msgpackKeys: number
}

const REFUSED = new Set(['__proto__', 'constructor', 'prototype'])

class Refused extends Error {}

/** The value, or null where there is none that may be taken. */
export function readModel(bytes: Buffer, limits: ModelLimits): { readonly value: unknown } | null {
  let at = 0
  let nodes = 0

  const take = (count: number): Buffer => {
    if (count > bytes.length - at) throw new Refused()
    at += count
    return bytes.subarray(at - count, at)
  }
  const unsigned = (count: 1 | 2 | 4): number => take(count).readUIntBE(0, count)
  const safe = (value: bigint): number | bigint => {
    return BigInt(Number(value)) === value && Number.isSafeInteger(Number(value)) ? Number(value) : value
  }
  const text = (length: number): string => take(length).toString('utf8')
  const array = (length: number, depth: number): unknown[] => {
    if (depth === limits.msgpackDepth || nodes + length > limits.msgpackNodes) throw new Refused()
    if (length > bytes.length - at) throw new Refused()
    return Array.from({ length }, () => value(depth + 1))
  }
  const map = (length: number, depth: number): unknown => {
    if (depth === limits.msgpackDepth || length > limits.msgpackKeys) throw new Refused()
    if (nodes + length > limits.msgpackNodes || length * 2 > bytes.length - at) throw new Refused()
    const object: Record<string, unknown> = {}
    for (let index = 0; index < length; index += 1) {
      const name = key()
      object[name] = value(depth + 1)
    }
    return object
  }
  const key = (): string => {
    const token = bytes[at]
    if (token === undefined) throw new Refused()
    const number = token < 0x80 || token >= 0xe0 || (token >= 0xca && token <= 0xd3)
    const string = (token >= 0xa0 && token < 0xc0) || (token >= 0xd9 && token <= 0xdb)
    if (!number && !string) throw new Refused()
    // A key is no value of its own.
    nodes -= 1
    const name = String(value(0))
    if (REFUSED.has(name)) throw new Refused()
    return name
  }
  const time = (length: number): Date => {
    const body = take(length + 1)
    if (body[0] !== 0xff || ![4, 8, 12].includes(length)) throw new Refused()
    const seconds =
      length === 4
        ? BigInt(body.readUInt32BE(1))
        : length === 8
          ? body.readBigUInt64BE(1) & 0x3_ffff_ffffn
          : body.readBigInt64BE(5)
    const nanoseconds = length === 4 ? 0n : length === 8 ? body.readBigUInt64BE(1) >> 34n : BigInt(body.readUInt32BE(1))
    const date = new Date(Number(seconds) * 1_000 + Number(nanoseconds / 1_000_000n))
    if (nanoseconds > 999_999_999n || Number.isNaN(date.getTime())) throw new Refused()
    return date
  }
  const value = (depth: number): unknown => {
    nodes += 1
    if (nodes > limits.msgpackNodes) throw new Refused()
    const token = unsigned(1)
    if (token < 0x80) return token
    if (token < 0x90) return map(token & 0x0f, depth)
    if (token < 0xa0) return array(token & 0x0f, depth)
    if (token < 0xc0) return text(token & 0x1f)
    if (token >= 0xe0) return token - 0x100
    return other(token, depth)
  }
  const other = (token: number, depth: number): unknown => {
    if (token === 0xc0) return null
    if (token === 0xc2 || token === 0xc3) return token === 0xc3
    if (token >= 0xc4 && token <= 0xc6) return Buffer.from(take(unsigned((2 ** (token - 0xc4)) as 1 | 2 | 4)))
    if (token === 0xc7) return time(unsigned(1))
    if (token === 0xca) return take(4).readFloatBE(0)
    if (token === 0xcb) return take(8).readDoubleBE(0)
    if (token >= 0xcc && token <= 0xce) return unsigned((2 ** (token - 0xcc)) as 1 | 2 | 4)
    if (token === 0xcf) return safe(take(8).readBigUInt64BE(0))
    if (token === 0xd3) return safe(take(8).readBigInt64BE(0))
    if (token >= 0xd0 && token <= 0xd2) {
      const count = 2 ** (token - 0xd0)
      return take(count).readIntBE(0, count)
    }
    if (token === 0xd6 || token === 0xd7) return time(token === 0xd6 ? 4 : 8)
    if (token >= 0xd9 && token <= 0xdb) return text(unsigned((2 ** (token - 0xd9)) as 1 | 2 | 4))
    if (token === 0xdc || token === 0xdd) return array(unsigned(token === 0xdc ? 2 : 4), depth)
    if (token === 0xde || token === 0xdf) return map(unsigned(token === 0xde ? 2 : 4), depth)
    throw new Refused()
  }
  try {
    const read = value(0)
    return at === bytes.length ? { value: read } : null
  } catch (error) {
    if (error instanceof Refused) return null
    throw error
  }
}
