// Hot path: runs for every message with a msgpack body. Gate and decoder in one pass: a byte is judged when it is read.
// Long: one method a type, each a few lines; parts of a value cannot be read without the others.
import { failure, type TransportError } from '../base/errors.js'
import type { DecodeLimits } from './codec.js'
import { copyOf } from './copy.js'
import { isReserved, type Key, KeyTable, keyTrace, LONGEST_KEY_BYTES, noKey } from './msgpack-key.js'

const NOTHING: Buffer = Buffer.alloc(0)
const NO_VIEW: DataView = new DataView(NOTHING.buffer, 0, 0)
const NO_LIMITS: DecodeLimits = { msgpackDepth: 0, msgpackNodes: 0, msgpackKeys: 0, protobufDepth: 0 }

/** Up to here a call with one argument a character beats the call into C++ that makes a string of bytes. */
const SHORT_STRING_BYTES = 11

/** A larger buffer is let go after its message: it would stay in memory until the next one. */
const KEPT_BUFFER_BYTES = 128 * 1024

/** Where a short string is put together, by its length. */
const codeUnits: readonly number[][] = Array.from({ length: SHORT_STRING_BYTES + 1 }, (_, length) => {
  return new Array<number>(length).fill(0)
})

/**
 * Reads one msgpack value at a time from bytes that a stranger sent. Whatever they are, it returns a value or throws
 * a `TransportError`, in time and memory proportional to the bytes and within the limits: nesting, values, keys of a
 * map, lengths within what is left. There is no extension but the timestamp, a map key is a string or a number, and
 * none reaches a prototype. It calls no foreign code, so one reader serves everybody.
 */
export class MsgpackReader {
  #bytes = NOTHING
  #view = NO_VIEW
  #position = 0
  #end = 0
  #owned = false
  #nodesLeft = 0
  #limits = NO_LIMITS
  readonly #keys = new KeyTable()
  readonly #beforeFirst = noKey()
  #lastKey: Key = this.#beforeFirst

  /** The value in `bytes[start, end)`. Byte values share memory with them only where `owned` gives it away. */
  read(bytes: Buffer, start: number, end: number, owned: boolean, limits: DecodeLimits): unknown {
    if (bytes !== this.#bytes) {
      this.#bytes = bytes
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    }
    this.#position = start
    this.#end = end
    this.#owned = owned
    this.#limits = limits
    this.#nodesLeft = limits.msgpackNodes - 1
    this.#lastKey = this.#beforeFirst
    if (this.#nodesLeft < 0) throw this.#tooManyNodes()
    const value = this.#value(limits.msgpackDepth)
    if (this.#position !== end) throw malformed('bytes are left over after the value')
    if (bytes.length > KEPT_BUFFER_BYTES) this.release()
    return value
  }

  /** Forgets the last message's buffer. */
  release(): void {
    this.#bytes = NOTHING
    this.#view = NO_VIEW
  }

  #value(levelsLeft: number): unknown {
    const position = this.#position
    if (position >= this.#end) throw cutShort()
    const token = this.#view.getUint8(position)
    this.#position = position + 1
    if (token < 0x80) return token
    if (token >= 0xe0) return token - 0x100
    if (token < 0x90) return this.#map(token & 0x0f, levelsLeft)
    if (token < 0xa0) return this.#array(token & 0x0f, levelsLeft)
    if (token < 0xc0) return this.#string(token & 0x1f)
    switch (token) {
      case 0xc0:
        return null
      case 0xc2:
        return false
      case 0xc3:
        return true
      case 0xc4:
        return this.#binary(this.#uint8())
      case 0xc5:
        return this.#binary(this.#uint16())
      case 0xc6:
        return this.#binary(this.#uint32())
      case 0xc7:
        return this.#timestamp(this.#uint8())
      case 0xca:
        return this.#view.getFloat32(this.#take(4))
      case 0xcb:
        return this.#view.getFloat64(this.#take(8))
      case 0xcc:
        return this.#uint8()
      case 0xcd:
        return this.#uint16()
      case 0xce:
        return this.#uint32()
      case 0xcf:
        return this.#uint64()
      case 0xd0:
        return this.#view.getInt8(this.#take(1))
      case 0xd1:
        return this.#view.getInt16(this.#take(2))
      case 0xd2:
        return this.#view.getInt32(this.#take(4))
      case 0xd3:
        return this.#int64()
      case 0xd6:
        return this.#timestamp(4)
      case 0xd7:
        return this.#timestamp(8)
      case 0xd9:
        return this.#string(this.#uint8())
      case 0xda:
        return this.#string(this.#uint16())
      case 0xdb:
        return this.#string(this.#uint32())
      case 0xdc:
        return this.#array(this.#uint16(), levelsLeft)
      case 0xdd:
        return this.#array(this.#uint32(), levelsLeft)
      case 0xde:
        return this.#map(this.#uint16(), levelsLeft)
      case 0xdf:
        return this.#map(this.#uint32(), levelsLeft)
      case 0xc1:
        throw malformed('the byte 0xc1 means nothing')
      default:
        throw extension()
    }
  }

  /** Where the next `count` bytes begin, all of which are there. */
  #take(count: number): number {
    const position = this.#position
    if (count > this.#end - position) throw cutShort()
    this.#position = position + count
    return position
  }

  #uint8(): number {
    return this.#view.getUint8(this.#take(1))
  }

  #uint16(): number {
    return this.#view.getUint16(this.#take(2))
  }

  #uint32(): number {
    return this.#view.getUint32(this.#take(4))
  }

  #uint64(): number | bigint {
    const position = this.#take(8)
    const value = this.#view.getUint32(position) * 0x1_0000_0000 + this.#view.getUint32(position + 4)
    return value <= Number.MAX_SAFE_INTEGER ? value : this.#view.getBigUint64(position)
  }

  #int64(): number | bigint {
    const position = this.#take(8)
    const value = this.#view.getInt32(position) * 0x1_0000_0000 + this.#view.getUint32(position + 4)
    return Number.isSafeInteger(value) ? value : this.#view.getBigInt64(position)
  }

  #binary(length: number): Buffer {
    const start = this.#take(length)
    const end = start + length
    return this.#owned ? this.#bytes.subarray(start, end) : copyOf(this.#bytes, start, end)
  }

  #string(length: number): string {
    const start = this.#take(length)
    if (length > SHORT_STRING_BYTES) return this.#bytes.toString(undefined, start, start + length)
    const view = this.#view
    // In bounds: there is an array for each length up to the longest short one.
    const units = codeUnits[length] as number[]
    let all = 0
    for (let index = 0; index < length; index += 1) {
      const unit = view.getUint8(start + index)
      units[index] = unit
      all |= unit
    }
    return all < 0x80 ? String.fromCharCode.apply(null, units) : this.#bytes.toString(undefined, start, start + length)
  }

  #array(length: number, levelsLeft: number): unknown[] {
    this.#enter(length, length, levelsLeft)
    const array = new Array<unknown>(length)
    for (let index = 0; index < length; index += 1) array[index] = this.#value(levelsLeft - 1)
    return array
  }

  #map(length: number, levelsLeft: number): Record<string, unknown> {
    if (length > this.#limits.msgpackKeys) {
      throw failure('msgpack-keys', `a msgpack map with more than ${this.#limits.msgpackKeys} keys`)
    }
    this.#enter(length, length * 2, levelsLeft)
    const object: Record<string, unknown> = {}
    for (let index = 0; index < length; index += 1) {
      const key = this.#key()
      object[key] = this.#value(levelsLeft - 1)
    }
    return object
  }

  /** Counts a container of `values` values in at least `leastBytes` bytes, before anything is made for it. */
  #enter(values: number, leastBytes: number, levelsLeft: number): void {
    if (levelsLeft === 0) throw this.#tooDeep()
    this.#nodesLeft -= values
    if (this.#nodesLeft < 0) throw this.#tooManyNodes()
    if (leastBytes > this.#end - this.#position) throw cutShort()
  }

  #key(): string {
    const guess = this.#lastKey.next
    const start = this.#position
    const length = guess.byteLength
    if (length <= this.#end - start && this.#matches(guess, start)) {
      this.#position = start + length
      this.#lastKey = guess
      return guess.text
    }
    return this.#otherKey()
  }

  /** Whether the bytes from `start` on are those of the key. */
  #matches(key: Key, start: number): boolean {
    const view = this.#view
    if (start + 8 > view.byteLength) return false
    if (((view.getInt32(start) ^ key.word0) & key.mask0) !== 0) return false
    if (((view.getInt32(start + 4) ^ key.word1) & key.mask1) !== 0) return false
    const { byteLength, bytes } = key
    for (let index = 8; index < byteLength; index += 1) if (bytes[index] !== view.getUint8(start + index)) return false
    return true
  }

  #otherKey(): string {
    const start = this.#position
    if (start >= this.#end) throw cutShort()
    const token = this.#view.getUint8(start)
    if (token < 0xa0 || token > 0xbf) return this.#unusualKey()
    const length = token & LONGEST_KEY_BYTES
    if (length >= this.#end - start) throw cutShort()
    if (length === 0) {
      this.#position = start + 1
      return ''
    }
    const trace = this.#trace(start, length)
    const known = this.#keys.at(trace)
    if (known.byteLength === length + 1 && this.#matches(known, start)) {
      this.#position = start + length + 1
      this.#lastKey.next = known
      this.#lastKey = known
      return known.text
    }
    this.#position = start + 1
    const text = checked(this.#string(length))
    if (this.#keys.wasSeen(trace)) {
      const key = this.#keys.learn(trace, text)
      if (key.byteLength !== length + 1) return text
      this.#lastKey.next = key
      this.#lastKey = key
    }
    return text
  }

  /** The trace of the key of `length` bytes, at least one, behind the header at `start`. */
  #trace(start: number, length: number): number {
    const view = this.#view
    const first = view.getUint8(start + 1)
    const middle = view.getUint8(start + 1 + (length >> 1))
    const last = view.getUint8(start + length)
    return keyTrace(length, first, middle, last)
  }

  /** A key longer than a fixstr, a number, or what may not be a key. */
  #unusualKey(): string {
    const token = this.#view.getUint8(this.#position)
    const isNumber = token < 0x80 || token >= 0xe0 || (token >= 0xca && token <= 0xd3)
    const isString = token >= 0xd9 && token <= 0xdb
    if (!isNumber && !isString) throw failure('msgpack-key', 'a msgpack map key that is neither a string nor a number')
    return checked(String(this.#value(0)))
  }

  #timestamp(length: number): Date {
    const start = this.#take(length + 1)
    const view = this.#view
    if (view.getUint8(start) !== 0xff) throw extension()
    let seconds = 0
    let nanoseconds = 0
    if (length === 4) {
      seconds = view.getUint32(start + 1)
    } else if (length === 8) {
      const head = view.getUint32(start + 1)
      nanoseconds = head >>> 2
      seconds = (head & 3) * 0x1_0000_0000 + view.getUint32(start + 5)
    } else if (length === 12) {
      nanoseconds = view.getUint32(start + 1)
      seconds = view.getInt32(start + 5) * 0x1_0000_0000 + view.getUint32(start + 9)
    } else {
      throw malformed('a timestamp of another length than 4, 8 or 12')
    }
    const date = new Date(seconds * 1000 + Math.floor(nanoseconds / 1_000_000))
    if (nanoseconds > 999_999_999 || Number.isNaN(date.getTime())) throw malformed('a timestamp that is no time')
    return date
  }

  #tooDeep(): TransportError {
    return failure('msgpack-depth', `msgpack nested deeper than ${this.#limits.msgpackDepth} levels`)
  }

  #tooManyNodes(): TransportError {
    return failure('msgpack-nodes', `more than ${this.#limits.msgpackNodes} values in one msgpack message`)
  }
}

function checked(key: string): string {
  if (isReserved(key)) throw failure('msgpack-key', `a msgpack map has the key ${key}`)
  return key
}

function extension(): TransportError {
  return failure('msgpack-extension', 'a msgpack extension other than the timestamp')
}

function cutShort(): TransportError {
  return malformed('a length reaches beyond the end')
}

function malformed(what: string): TransportError {
  return failure('msgpack-malformed', `msgpack: ${what}`)
}
