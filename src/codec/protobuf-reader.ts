// Hot path: runs for every message with a protobuf body.
import protobufjs from 'protobufjs/minimal.js'
import { copyOf } from './copy.js'

const NOTHING: Buffer = Buffer.alloc(0)

/** A larger buffer is let go after its message: it would stay in memory until the next one. */
const KEPT_BUFFER_BYTES = 128 * 1024

const TWO_TO_32 = 0x1_0000_0000

/** How protobufjs declares a 64-bit integer. Generated types say `number | Long`, and we return numbers, too. */
type Long = ReturnType<protobufjs.Reader['uint64']>

/**
 * What generated code reads from: protobufjs's own reader, used again for every message, with two differences. Byte
 * fields share memory with the message only where it is given away. And a 64-bit integer is a number while it is
 * safe, a Long beyond: a Long for each of them costs more than the rest of a small message.
 */
export class ProtobufReader extends protobufjs.BufferReader {
  #owned = false
  /** The 64-bit integer being read, as two signed halves. */
  #low = 0
  #high = 0

  constructor() {
    super(NOTHING)
  }

  /** Points at the message in `bytes[start, end)`. */
  begin(bytes: Buffer, start: number, end: number, owned: boolean): void {
    this.buf = bytes
    this.pos = start
    this.len = end
    this.view = null
    this.discardUnknown = true
    this.#owned = owned
  }

  /** Lets go of a large buffer. */
  finish(): void {
    if (this.buf.length > KEPT_BUFFER_BYTES) this.buf = NOTHING
  }

  override raw(start: number, end: number): Buffer {
    // It came in through `begin` as a Buffer.
    return this.#owned ? (this.buf as Buffer).subarray(start, end) : copyOf(this.buf, start, end)
  }

  override uint64(): Long {
    this.#varint64()
    return this.#integer(true)
  }

  override int64(): Long {
    this.#varint64()
    return this.#integer(false)
  }

  override sint64(): Long {
    this.#varint64()
    const sign = -(this.#low & 1)
    const low = ((this.#low >>> 1) | (this.#high << 31)) ^ sign
    this.#high = (this.#high >>> 1) ^ sign
    this.#low = low
    return this.#integer(false)
  }

  override fixed64(): Long {
    this.#fixed64()
    return this.#integer(true)
  }

  override sfixed64(): Long {
    this.#fixed64()
    return this.#integer(false)
  }

  #integer(unsigned: boolean): Long {
    const high = unsigned ? this.#high >>> 0 : this.#high
    const value = high * TWO_TO_32 + (this.#low >>> 0)
    if (Number.isSafeInteger(value)) return value as unknown as Long
    return new protobufjs.util.Long(this.#low, this.#high, unsigned)
  }

  /** Ten bytes at most; what the tenth has beyond 64 bits is dropped, as protobufjs does. */
  #varint64(): void {
    const { buf, len } = this
    let { pos } = this
    let low = 0
    let high = 0
    for (let index = 0; index < 10; index += 1) {
      if (pos >= len) throw new RangeError('a varint reaches beyond the end')
      // In bounds by the line above.
      const byte = buf[pos] as number
      const bits = byte & 0x7f
      pos += 1
      if (index < 4) {
        low |= bits << (index * 7)
      } else if (index === 4) {
        low |= bits << 28
        high = bits >> 4
      } else {
        high |= bits << (index * 7 - 32)
      }
      if (byte < 0x80) {
        this.pos = pos
        this.#low = low
        this.#high = high
        return
      }
    }
    throw new RangeError('a varint of more than ten bytes')
  }

  #fixed64(): void {
    const { pos } = this
    if (pos + 8 > this.len) throw new RangeError('eight bytes reach beyond the end')
    // In bounds by the line above, and a Buffer since `begin`.
    const bytes = this.buf as Buffer
    this.#low = bytes.readInt32LE(pos)
    this.#high = bytes.readInt32LE(pos + 4)
    this.pos = pos + 8
  }
}
