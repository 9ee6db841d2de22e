// Hot path: runs for every message with a msgpack body. Values go straight into the outgoing chunk.
// Long: one method a type, each a few lines; parts of a value cannot be written without the others.
import { types } from 'node:util'
import { failure, type TransportError } from '../base/errors.js'
import type { ByteWriter } from '../memory/byte-writer.js'
import { isReserved, type Key, KeyTable, keyTrace, LONGEST_KEY_BYTES, noKey } from './msgpack-key.js'
import { LONGEST_TIMESTAMP_BYTES, writeTimestamp } from './msgpack-timestamp.js'
import { ValueWriter } from './value-writer.js'

/** Deeper than any receiver can be told to accept (`limits.msgpackDepth`), and how a circle is found. */
const MAX_LEVELS = 512

/** What a number, or the head of anything else, needs at most; and the key before it when it is a remembered one. */
const HEAD_BYTES = 9
const KEYED_HEAD_BYTES = HEAD_BYTES + LONGEST_KEY_BYTES + 1

/** Up to here a loop beats the call into C++ that encodes a string. */
const SHORT_STRING_UNITS = 24

/** From here on a string is measured before it is written, instead of making room for three bytes a unit. */
const LONG_STRING_UNITS = 4096

/** Writes one msgpack value at a time into the open record of a `ByteWriter`. */
export class MsgpackWriter extends ValueWriter {
  readonly #keys = new KeyTable()
  readonly #beforeFirst = noKey()
  #lastKey: Key = this.#beforeFirst

  /** Adds `value` to the open record of `out`, or throws `encode-failed` and adds nothing. */
  write(value: unknown, out: ByteWriter): void {
    this.begin(out)
    this.#lastKey = this.#beforeFirst
    try {
      this.#value(value, 0)
    } catch (cause) {
      throw this.abandon(cause)
    }
    this.finish(out)
  }

  #value(value: unknown, level: number): void {
    switch (typeof value) {
      case 'number':
        this.room(HEAD_BYTES)
        this.#number(value)
        return
      case 'string':
        this.#string(value)
        return
      case 'object':
        if (value === null) this.#token(0xc0)
        else this.#object(value, level)
        return
      case 'boolean':
        this.#token(value ? 0xc3 : 0xc2)
        return
      case 'undefined':
        this.#token(0xc0)
        return
      case 'bigint':
        this.#bigint(value)
        return
      default:
        throw cannot(`a ${typeof value}`)
    }
  }

  #token(token: number): void {
    this.room(1)
    this.view.setUint8(this.at, token)
    this.at += 1
  }

  /** Of any number; there is room. */
  #number(value: number): void {
    const view = this.view
    const at = this.at
    if (value >>> 0 === value && !(value === 0 && 1 / value < 0)) {
      if (value < 0x80) {
        view.setUint8(at, value)
        this.at = at + 1
      } else if (value < 0x100) {
        view.setUint16(at, 0xcc00 | value)
        this.at = at + 2
      } else if (value < 0x10000) {
        view.setUint8(at, 0xcd)
        view.setUint16(at + 1, value)
        this.at = at + 3
      } else {
        view.setUint8(at, 0xce)
        view.setUint32(at + 1, value)
        this.at = at + 5
      }
    } else if (Number.isSafeInteger(value) && value !== 0) {
      if (value > 0 || value < -0x8000_0000) {
        view.setUint8(at, value > 0 ? 0xcf : 0xd3)
        view.setInt32(at + 1, Math.floor(value / 0x1_0000_0000))
        view.setUint32(at + 5, value >>> 0)
        this.at = at + 9
      } else if (value >= -0x20) {
        view.setInt8(at, value)
        this.at = at + 1
      } else if (value >= -0x80) {
        view.setUint8(at, 0xd0)
        view.setInt8(at + 1, value)
        this.at = at + 2
      } else if (value >= -0x8000) {
        view.setUint8(at, 0xd1)
        view.setInt16(at + 1, value)
        this.at = at + 3
      } else {
        view.setUint8(at, 0xd2)
        view.setInt32(at + 1, value)
        this.at = at + 5
      }
    } else {
      view.setUint8(at, 0xcb)
      view.setFloat64(at + 1, value)
      this.at = at + 9
    }
  }

  #bigint(value: bigint): void {
    this.room(HEAD_BYTES)
    const at = this.at
    if (BigInt.asIntN(64, value) === value) {
      this.view.setUint8(at, 0xd3)
      this.view.setBigInt64(at + 1, value)
    } else if (BigInt.asUintN(64, value) === value) {
      this.view.setUint8(at, 0xcf)
      this.view.setBigUint64(at + 1, value)
    } else {
      throw cannot('a bigint of more than 64 bits')
    }
    this.at = at + 9
  }

  #string(text: string): void {
    const units = text.length
    if (units > LONG_STRING_UNITS) {
      this.#longString(text)
      return
    }
    this.room(units * 3 + 5)
    const view = this.view
    const start = this.at
    if (units <= SHORT_STRING_UNITS) {
      let at = start + 1
      for (let index = 0; index < units; index += 1) {
        const unit = text.charCodeAt(index)
        if (unit >= 0x80) {
          this.#utf8(text)
          return
        }
        view.setUint8(at, unit)
        at += 1
      }
      view.setUint8(start, 0xa0 | units)
      this.at = at
      return
    }
    this.#utf8(text)
  }

  /** A string of at most `LONG_STRING_UNITS`; there is room. Lone surrogates become U+FFFD. */
  #utf8(text: string): void {
    const start = this.at
    const guess = text.length < 32 ? 1 : text.length < 0x100 ? 2 : 3
    const length = this.target.write(text, start + guess)
    const head = length < 32 ? 1 : length < 0x100 ? 2 : 3
    if (head !== guess) this.target.copyWithin(start + head, start + guess, start + guess + length)
    this.#stringHead(length)
    this.at = start + head + length
  }

  #longString(text: string): void {
    const length = Buffer.byteLength(text)
    this.room(length + 5)
    this.#stringHead(length)
    this.target.write(text, this.at)
    this.at += length
  }

  #stringHead(length: number): void {
    if (length < 32) {
      this.view.setUint8(this.at, 0xa0 | length)
      this.at += 1
    } else {
      this.#head(length, 0xd9)
    }
  }

  /** A token and a length in 1, 2 or 4 bytes; the tokens for these follow each other. There is room. */
  #head(length: number, token: number): void {
    const view = this.view
    const at = this.at
    if (length < 0x100) {
      view.setUint8(at, token)
      view.setUint8(at + 1, length)
      this.at = at + 2
    } else if (length < 0x10000) {
      view.setUint8(at, token + 1)
      view.setUint16(at + 1, length)
      this.at = at + 3
    } else {
      view.setUint8(at, token + 2)
      view.setUint32(at + 1, length)
      this.at = at + 5
    }
  }

  #object(value: object, level: number): void {
    if (level === MAX_LEVELS) throw cannot(`nesting deeper than ${MAX_LEVELS} levels, or a circle`)
    if (Array.isArray(value)) {
      this.#array(value, level)
      return
    }
    const prototype: unknown = Object.getPrototypeOf(value)
    if (prototype === Object.prototype || prototype === null) this.#plain(value as Record<string, unknown>, level)
    else if (value instanceof Uint8Array) this.#binary(value)
    else this.#special(value, level)
  }

  /** Whatever is neither plain nor an array nor bytes of this realm. */
  #special(value: object, level: number): void {
    if (types.isUint8Array(value)) {
      this.#binary(value)
    } else if (types.isDate(value)) {
      this.#date(value)
    } else if (types.isMap(value)) {
      this.#entries(value, level)
    } else if ('toJSON' in value && typeof value.toJSON === 'function') {
      this.#value(value.toJSON(), level + 1)
    } else {
      const tag = Object.prototype.toString.call(value)
      if (tag !== '[object Object]') throw cannot(`${tag.slice(8, -1)} objects`)
      this.#plain(value as Record<string, unknown>, level)
    }
  }

  #array(array: readonly unknown[], level: number): void {
    const { length } = array
    this.room(5)
    if (length < 16) {
      this.view.setUint8(this.at, 0x90 | length)
      this.at += 1
    } else {
      this.#wideHead(length, 0xdc)
    }
    for (let index = 0; index < length; index += 1) {
      this.#value(array[index], level + 1)
    }
  }

  /** A token and a count in 2 or 4 bytes; the tokens for these follow each other. There is room. */
  #wideHead(count: number, token: number): void {
    const view = this.view
    const at = this.at
    if (count < 0x10000) {
      view.setUint8(at, token)
      view.setUint16(at + 1, count)
      this.at = at + 3
    } else {
      view.setUint8(at, token + 1)
      view.setUint32(at + 1, count)
      this.at = at + 5
    }
  }

  /** The own enumerable properties. Those that are undefined are left out, as if they were not there. */
  #plain(object: Record<string, unknown>, level: number): void {
    this.room(1)
    const headOffset = this.at - this.start
    this.at += 1
    let count = 0
    // Counted while written: for a plain object this loop and the lookup in it cost less than Object.keys alone.
    for (const name in object) {
      if (!Object.hasOwn(object, name)) continue
      const value = object[name]
      if (value === undefined) continue
      this.#key(name)
      this.#value(value, level + 1)
      count += 1
    }
    this.#mapHead(this.start + headOffset, count)
  }

  #entries(map: ReadonlyMap<unknown, unknown>, level: number): void {
    this.room(1)
    const headOffset = this.at - this.start
    this.at += 1
    let count = 0
    for (const [key, value] of map) {
      if (value === undefined) continue
      if (typeof key === 'string') {
        this.#key(key)
      } else if (typeof key === 'number') {
        this.room(HEAD_BYTES)
        this.#number(key)
      } else {
        throw cannot('a Map with keys other than strings and numbers')
      }
      this.#value(value, level + 1)
      count += 1
    }
    this.#mapHead(this.start + headOffset, count)
  }

  /** Fills in the head of a map at `head`, for which one byte was left; more than 15 entries move over. */
  #mapHead(head: number, count: number): void {
    if (count < 16) {
      this.view.setUint8(head, 0x80 | count)
      return
    }
    const wider = count < 0x10000 ? 2 : 4
    const offset = head - this.start
    this.room(wider)
    const at = this.start + offset
    const end = this.at
    this.target.copyWithin(at + 1 + wider, at + 1, end)
    this.at = at
    this.#wideHead(count, 0xde)
    this.at = end + wider
  }

  #key(name: string): void {
    this.room(KEYED_HEAD_BYTES)
    const guess = this.#lastKey.next
    if (guess.text === name && name !== '') this.#knownKey(guess)
    else this.#otherKey(name)
  }

  /** There is room. */
  #knownKey(key: Key): void {
    const view = this.view
    const at = this.at
    const { byteLength, bytes } = key
    view.setInt32(at, key.word0)
    view.setInt32(at + 4, key.word1)
    // In bounds: a key has its own bytes.
    for (let index = 8; index < byteLength; index += 1) view.setUint8(at + index, bytes[index] as number)
    this.at = at + byteLength
    this.#lastKey = key
  }

  #otherKey(name: string): void {
    const { length } = name
    if (length === 0 || length > LONGEST_KEY_BYTES) {
      this.#string(name)
      return
    }
    const trace = keyTrace(length, name.charCodeAt(0), name.charCodeAt(length >> 1), name.charCodeAt(length - 1))
    let key = this.#keys.at(trace)
    if (key.text !== name) {
      if (isReserved(name)) throw cannot(`the key ${name}`)
      if (!this.#keys.wasSeen(trace) || Buffer.byteLength(name) > LONGEST_KEY_BYTES) {
        this.#string(name)
        return
      }
      key = this.#keys.learn(trace, name)
    }
    this.#lastKey.next = key
    this.#knownKey(key)
  }

  #binary(value: Uint8Array): void {
    const { length } = value
    this.room(5)
    this.#head(length, 0xc4)
    this.content(value)
  }

  #date(date: Date): void {
    const timeMs = date.getTime()
    if (Number.isNaN(timeMs)) throw cannot('an invalid Date')
    this.room(LONGEST_TIMESTAMP_BYTES)
    this.at = writeTimestamp(this.view, this.at, timeMs)
  }
}

function cannot(what: string): TransportError {
  return failure('encode-failed', `msgpack cannot carry ${what}`)
}
