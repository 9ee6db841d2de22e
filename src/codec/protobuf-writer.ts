// Hot path: runs for every message with a protobuf body. Fields go straight into the outgoing chunk.
// Long: the methods that generated code calls, each a few lines.
import type { ByteWriter } from '../memory/byte-writer.js'
import {
  cannot,
  checkWithBigints,
  isBytes,
  isLong,
  mapKey,
  real,
  signed32,
  type VerifyFunction,
} from './protobuf-value.js'
import { ValueWriter } from './value-writer.js'

/** Generated code: writes the fields it finds, and passes over what it cannot take for one of them. */
export type EncodeFunction = (message: unknown, writer: ProtobufWriter) => unknown

const VARINT32_BYTES = 5
const VARINT64_BYTES = 10

/** From here on a string is measured before it is written, instead of making room for three bytes a unit. */
const LONG_STRING_UNITS = 4096

/** Up to here a loop beats the call into C++ that encodes a string. */
const SHORT_STRING_UNITS = 24

const TWO_TO_32 = 0x1_0000_0000

/**
 * What generated code writes to: protobufjs's `Writer` by its method names, with two differences. It writes into the
 * outgoing chunk. And it checks: where protobufjs writes 0 for a bigint, cuts a number to its field's bits or takes
 * any string for base64, this throws `encode-failed`. A 64-bit integer may be a safe number, a bigint or a Long.
 */
export class ProtobufWriter extends ValueWriter {
  /** Where the lengths of the open messages go, as offsets from the beginning of the value. */
  readonly #open: number[] = []
  /** The 64-bit integer being written. */
  #low = 0
  #high = 0

  /** Adds the message to the open record of `out`, or throws `encode-failed` and adds nothing. */
  write(message: unknown, encode: EncodeFunction, verify: VerifyFunction, out: ByteWriter): void {
    this.begin(out)
    if (this.#open.length > 0) this.#open.length = 0
    try {
      // Costs a fourth of the encoding: generated code would leave out an ArrayBuffer or a Set without a word.
      const wrong = verify(message)
      if (wrong !== null) checkWithBigints(message, verify, wrong)
      encode(message, this)
    } catch (cause) {
      throw this.abandon(cause)
    }
    this.finish(out)
  }

  /** Begins a message within, or a packed list; one byte is left for its length. */
  fork(): this {
    this.room(1)
    this.#open.push(this.at - this.start)
    this.at += 1
    return this
  }

  /** Ends what `fork` began; what is longer than one byte can tell moves over. */
  ldelim(): this {
    const offset = this.#open.pop()
    if (offset === undefined) throw cannot('an end without a beginning')
    const length = this.at - this.start - offset - 1
    if (length < 0x80) {
      this.view.setUint8(this.start + offset, length)
      return this
    }
    const wider = length < 0x4000 ? 1 : length < 0x20_0000 ? 2 : length < 0x1000_0000 ? 3 : 4
    this.room(wider)
    const end = this.at + wider
    this.at = this.start + offset
    this.target.copyWithin(this.at + 1 + wider, this.at + 1, end - wider)
    this.#varint32(length)
    this.at = end
    return this
  }

  /** Tags are written by this, too. */
  uint32(value: unknown): this {
    const number = typeof value === 'number' ? value : mapKey(value, 'uint32')
    if (number >>> 0 !== number) throw cannot(`${number} as uint32`)
    this.room(VARINT32_BYTES)
    this.#varint32(number)
    return this
  }

  int32(value: unknown): this {
    const number = signed32(value)
    this.room(VARINT64_BYTES)
    if (number >= 0) {
      this.#varint32(number)
      return this
    }
    this.#low = number >>> 0
    this.#high = 0xffff_ffff
    return this.#varint64()
  }

  sint32(value: unknown): this {
    const number = signed32(value)
    this.room(VARINT32_BYTES)
    this.#varint32(((number << 1) ^ (number >> 31)) >>> 0)
    return this
  }

  fixed32(value: unknown): this {
    const number = typeof value === 'number' ? value : mapKey(value, 'fixed32')
    if (number >>> 0 !== number) throw cannot(`${number} as fixed32`)
    this.room(4)
    this.view.setUint32(this.at, number, true)
    this.at += 4
    return this
  }

  sfixed32(value: unknown): this {
    const number = signed32(value)
    this.room(4)
    this.view.setInt32(this.at, number, true)
    this.at += 4
    return this
  }

  uint64(value: unknown): this {
    this.#split(value, true)
    this.room(VARINT64_BYTES)
    return this.#varint64()
  }

  int64(value: unknown): this {
    this.#split(value, false)
    this.room(VARINT64_BYTES)
    return this.#varint64()
  }

  sint64(value: unknown): this {
    this.#split(value, false)
    const low = this.#low | 0
    const high = this.#high | 0
    const sign = high >> 31
    this.#low = ((low << 1) ^ sign) >>> 0
    this.#high = (((high << 1) | (low >>> 31)) ^ sign) >>> 0
    this.room(VARINT64_BYTES)
    return this.#varint64()
  }

  fixed64(value: unknown): this {
    this.#split(value, true)
    return this.#fixed64()
  }

  sfixed64(value: unknown): this {
    this.#split(value, false)
    return this.#fixed64()
  }

  bool(value: unknown): this {
    if (typeof value !== 'boolean') throw cannot(`${typeof value} as bool`)
    this.room(1)
    this.view.setUint8(this.at, value ? 1 : 0)
    this.at += 1
    return this
  }

  float(value: unknown): this {
    const number = real(value)
    if (Number.isFinite(number) && !Number.isFinite(Math.fround(number))) throw cannot(`${number} as float`)
    this.room(4)
    this.view.setFloat32(this.at, number, true)
    this.at += 4
    return this
  }

  double(value: unknown): this {
    const number = real(value)
    this.room(8)
    this.view.setFloat64(this.at, number, true)
    this.at += 8
    return this
  }

  bytes(value: unknown): this {
    if (!isBytes(value)) throw cannot(`${typeof value} as bytes`)
    this.room(VARINT32_BYTES)
    this.#varint32(value.length)
    this.content(value)
    return this
  }

  /** Lone surrogates become U+FFFD. */
  string(value: unknown): this {
    if (typeof value !== 'string') throw cannot(`${typeof value} as string`)
    const units = value.length
    if (units > LONG_STRING_UNITS) {
      const length = Buffer.byteLength(value)
      this.room(length + VARINT32_BYTES)
      this.#varint32(length)
      this.target.write(value, this.at)
      this.at += length
      return this
    }
    this.room(units * 3 + 2)
    if (units > SHORT_STRING_UNITS || !this.#ascii(value)) this.#utf8(value)
    return this
  }

  /** Unknown fields, which a message that was decoded elsewhere may carry. */
  raw(value: unknown): this {
    if (!isBytes(value)) throw cannot(`${typeof value} as unknown fields`)
    this.content(value)
    return this
  }

  uint32s(values: readonly unknown[]): this {
    this.fork()
    for (const value of values) this.uint32(value)
    return this.ldelim()
  }

  int32s(values: readonly unknown[]): this {
    this.fork()
    for (const value of values) this.int32(value)
    return this.ldelim()
  }

  sint32s(values: readonly unknown[]): this {
    this.fork()
    for (const value of values) this.sint32(value)
    return this.ldelim()
  }

  fixed32s(values: readonly unknown[]): this {
    this.fork()
    for (const value of values) this.fixed32(value)
    return this.ldelim()
  }

  sfixed32s(values: readonly unknown[]): this {
    this.fork()
    for (const value of values) this.sfixed32(value)
    return this.ldelim()
  }

  uint64s(values: readonly unknown[]): this {
    this.fork()
    for (const value of values) this.uint64(value)
    return this.ldelim()
  }

  int64s(values: readonly unknown[]): this {
    this.fork()
    for (const value of values) this.int64(value)
    return this.ldelim()
  }

  sint64s(values: readonly unknown[]): this {
    this.fork()
    for (const value of values) this.sint64(value)
    return this.ldelim()
  }

  fixed64s(values: readonly unknown[]): this {
    this.fork()
    for (const value of values) this.fixed64(value)
    return this.ldelim()
  }

  sfixed64s(values: readonly unknown[]): this {
    this.fork()
    for (const value of values) this.sfixed64(value)
    return this.ldelim()
  }

  floats(values: readonly unknown[]): this {
    this.fork()
    for (const value of values) this.float(value)
    return this.ldelim()
  }

  doubles(values: readonly unknown[]): this {
    this.fork()
    for (const value of values) this.double(value)
    return this.ldelim()
  }

  bools(values: readonly unknown[]): this {
    this.fork()
    for (const value of values) this.bool(value)
    return this.ldelim()
  }

  /** There is room. */
  #varint32(value: number): void {
    const { view } = this
    let { at } = this
    let rest = value
    while (rest > 0x7f) {
      view.setUint8(at, (rest & 0x7f) | 0x80)
      at += 1
      rest >>>= 7
    }
    view.setUint8(at, rest)
    this.at = at + 1
  }

  /** Of `#high` and `#low`; there is room. */
  #varint64(): this {
    const { view } = this
    let { at } = this
    let low = this.#low
    let high = this.#high
    while (high !== 0) {
      view.setUint8(at, (low & 0x7f) | 0x80)
      at += 1
      low = ((low >>> 7) | (high << 25)) >>> 0
      high >>>= 7
    }
    this.at = at
    this.#varint32(low)
    return this
  }

  #fixed64(): this {
    this.room(8)
    this.view.setUint32(this.at, this.#low, true)
    this.view.setUint32(this.at + 4, this.#high, true)
    this.at += 8
    return this
  }

  /** Puts a 64-bit integer into `#high` and `#low`. */
  #split(value: unknown, unsigned: boolean): void {
    if (typeof value === 'number') {
      if (!Number.isSafeInteger(value)) throw cannot(`${value} as a 64-bit integer: use a bigint`)
      if (unsigned && value < 0) throw cannot(`${value} as an unsigned integer`)
      this.#low = value >>> 0
      this.#high = Math.floor(value / TWO_TO_32) >>> 0
    } else if (typeof value === 'bigint') {
      this.#splitBigint(value, unsigned)
    } else if (isLong(value)) {
      if (value.high < 0 && value.unsigned !== unsigned) throw cannot('a Long with the other sign')
      this.#low = value.low >>> 0
      this.#high = value.high >>> 0
    } else if (typeof value === 'string' && /^-?\d{1,20}$/.test(value)) {
      // The keys of a map field are strings, whatever they are in the schema.
      this.#splitBigint(BigInt(value), unsigned)
    } else {
      throw cannot(`${typeof value} as a 64-bit integer`)
    }
  }

  #splitBigint(value: bigint, unsigned: boolean): void {
    const cut = unsigned ? BigInt.asUintN(64, value) : BigInt.asIntN(64, value)
    if (cut !== value) throw cannot(`a bigint outside ${unsigned ? 'uint64' : 'int64'}`)
    this.#low = Number(BigInt.asUintN(32, value))
    this.#high = Number(BigInt.asUintN(32, value >> 32n))
  }

  /** Writes a short string when it is ASCII; there is room. */
  #ascii(text: string): boolean {
    const { view, at } = this
    const { length } = text
    for (let index = 0; index < length; index += 1) {
      const unit = text.charCodeAt(index)
      if (unit >= 0x80) return false
      view.setUint8(at + 1 + index, unit)
    }
    view.setUint8(at, length)
    this.at = at + 1 + length
    return true
  }

  /** Of at most `LONG_STRING_UNITS`, whose length takes one or two bytes; there is room. */
  #utf8(text: string): void {
    const { at, target } = this
    const guess = text.length < 0x80 ? 1 : 2
    const length = target.write(text, at + guess)
    const head = length < 0x80 ? 1 : 2
    if (head !== guess) target.copyWithin(at + head, at + guess, at + guess + length)
    this.#varint32(length)
    this.at = at + head + length
  }
}
