// Hot path: runs before every msgpack decode. Iterative, monomorphic, allocation-free.
import { failure, type Reason, type TransportError } from '../base/errors.js'
import type { DecodeLimits } from './codec.js'

/** Open containers by depth: the values each still expects. A map's are twice its pairs, so a key comes at an even count. */
const expected = new Float64Array(512)
const inMap = new Uint8Array(512)

/**
 * Lets `bytes[start, end)` pass when it is exactly one msgpack value within the limits, made only of what our encoder
 * can write: no extension but the timestamp, no map key but strings and numbers, none that reaches a prototype.
 * Throws otherwise. What passes decodes without error, to at most as much memory as the limits allow.
 */
export function checkMsgpack(bytes: Buffer, start: number, end: number, limits: DecodeLimits): void {
  const { msgpackDepth, msgpackKeys } = limits
  let nodesLeft = limits.msgpackNodes - 1
  let position = start
  let depth = 0
  let remaining = 1
  let isMap = 0
  if (nodesLeft < 0) throw over('msgpack-nodes', 'values', limits.msgpackNodes)
  for (;;) {
    while (remaining === 0) {
      if (depth === 0) {
        if (position !== end) throw malformed('bytes are left over after the value')
        return
      }
      depth -= 1
      remaining = expected[depth] as number
      isMap = inMap[depth] as number
    }
    remaining -= 1
    if (position >= end) throw malformed('the bytes end within a value')
    const token = bytes[position] as number
    position += 1
    const isKey = (isMap & remaining & 1) === 1
    let length = 0
    let children = -1
    let childrenAreMap = 0
    if (token < 0x80 || token >= 0xe0) continue
    if (token >= 0xa0 && token < 0xc0) {
      length = token & 0x1f
      if (isKey) checkKey(bytes, position, length, end)
    } else if (token < 0x90) {
      children = token & 0x0f
      childrenAreMap = 1
    } else if (token < 0xa0) {
      children = token & 0x0f
    } else {
      switch (token) {
        case 0xc0:
        case 0xc2:
        case 0xc3:
          if (isKey) throw failure('msgpack-key', 'a map key is neither a string nor a number')
          continue
        case 0xcc:
        case 0xd0:
          length = 1
          break
        case 0xcd:
        case 0xd1:
          length = 2
          break
        case 0xca:
        case 0xce:
        case 0xd2:
          length = 4
          break
        case 0xcb:
        case 0xcf:
        case 0xd3:
          length = 8
          break
        case 0xd9:
        case 0xc4:
          if (position + 1 > end) throw malformed('the bytes end within a length')
          length = bytes[position] as number
          position += 1
          if (isKey) checkLongKey(token, bytes, position, length, end)
          break
        case 0xda:
        case 0xc5:
          if (position + 2 > end) throw malformed('the bytes end within a length')
          length = ((bytes[position] as number) << 8) | (bytes[position + 1] as number)
          position += 2
          if (isKey) checkLongKey(token, bytes, position, length, end)
          break
        case 0xdb:
        case 0xc6:
          if (position + 4 > end) throw malformed('the bytes end within a length')
          length = unsigned32(bytes, position)
          position += 4
          if (isKey) checkLongKey(token, bytes, position, length, end)
          break
        case 0xd6:
          length = timestampBytes(bytes, position, end, 4, isKey)
          break
        case 0xd7:
          length = timestampBytes(bytes, position, end, 8, isKey)
          break
        case 0xc7:
          if (position >= end) throw malformed('the bytes end within a length')
          if (bytes[position] !== 12) throw extension()
          position += 1
          length = timestampBytes(bytes, position, end, 12, isKey)
          break
        case 0xde:
          childrenAreMap = 1
          if (position + 2 > end) throw malformed('the bytes end within a length')
          children = ((bytes[position] as number) << 8) | (bytes[position + 1] as number)
          position += 2
          break
        case 0xdc:
          if (position + 2 > end) throw malformed('the bytes end within a length')
          children = ((bytes[position] as number) << 8) | (bytes[position + 1] as number)
          position += 2
          break
        case 0xdf:
          childrenAreMap = 1
          if (position + 4 > end) throw malformed('the bytes end within a length')
          children = unsigned32(bytes, position)
          position += 4
          break
        case 0xdd:
          if (position + 4 > end) throw malformed('the bytes end within a length')
          children = unsigned32(bytes, position)
          position += 4
          break
        case 0xc1:
          throw malformed('the byte 0xc1 means nothing in msgpack')
        default:
          throw extension()
      }
    }
    if (children < 0) {
      position += length
      if (position > end) throw malformed('a length reaches beyond the end')
      continue
    }
    if (isKey) throw failure('msgpack-key', 'a map key is neither a string nor a number')
    if (depth === msgpackDepth) throw over('msgpack-depth', 'levels', msgpackDepth)
    if (childrenAreMap === 1 && children > msgpackKeys) throw over('msgpack-keys', 'keys', msgpackKeys)
    nodesLeft -= children
    if (nodesLeft < 0) throw over('msgpack-nodes', 'values', limits.msgpackNodes)
    const values = childrenAreMap === 1 ? children * 2 : children
    if (values > end - position) throw malformed('a length reaches beyond the end')
    expected[depth] = remaining
    inMap[depth] = isMap
    depth += 1
    remaining = values
    isMap = childrenAreMap
  }
}

function unsigned32(bytes: Buffer, position: number): number {
  return (
    (bytes[position] as number) * 0x1000000 +
    (((bytes[position + 1] as number) << 16) | ((bytes[position + 2] as number) << 8) | (bytes[position + 3] as number))
  )
}

/** A key behind a length of its own: bytes are none. */
function checkLongKey(token: number, bytes: Buffer, position: number, length: number, end: number): void {
  if (token < 0xd9) throw failure('msgpack-key', 'a map key is neither a string nor a number')
  checkKey(bytes, position, length, end)
}

function checkKey(bytes: Buffer, position: number, length: number, end: number): void {
  if ((length !== 9 && length !== 11) || position + length > end) return
  const first = bytes[position]
  if (first !== 0x5f && first !== 0x63 && first !== 0x70) return
  const key = bytes.toString('latin1', position, position + length)
  if (key === '__proto__' || key === 'constructor' || key === 'prototype') {
    throw failure('msgpack-key', `a map has the key ${key}`)
  }
}

/** The type and content of an extension of `length` bytes, which must be a timestamp. */
function timestampBytes(bytes: Buffer, position: number, end: number, length: number, isKey: boolean): number {
  if (position >= end) throw malformed('the bytes end within an extension')
  if (bytes[position] !== 0xff) throw extension()
  if (isKey) throw failure('msgpack-key', 'a map key is neither a string nor a number')
  return length + 1
}

function malformed(what: string): TransportError {
  return failure('msgpack-malformed', `msgpack: ${what}`)
}

function extension(): TransportError {
  return failure('msgpack-extension', 'a msgpack extension other than the timestamp')
}

function over(reason: Reason, what: string, limit: number): TransportError {
  return failure(reason, `more than ${limit} ${what} in one msgpack message`)
}
