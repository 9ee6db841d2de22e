import type { ByteWriter } from '../memory/byte-writer.js'
import type { Codec, DecodeLimits } from './codec.js'
import { MsgpackReader } from './msgpack-reader.js'
import { MsgpackWriter } from './msgpack-writer.js'

/**
 * Values without a schema, as msgpack.
 *
 * | sent | arrives as |
 * |---|---|
 * | null, boolean, string, number (also -0, NaN, infinities) | the same |
 * | bigint of 64 bits | number while it is a safe integer, bigint beyond |
 * | Uint8Array, Buffer | Buffer |
 * | Date | Date, to the millisecond |
 * | array | array; holes and undefined as null |
 * | plain object; instance of a class without `toJSON` | plain object of the own enumerable properties |
 * | instance of a class with `toJSON` | what that returns |
 * | Map with keys that are strings or numbers | plain object |
 * | undefined as a property or in a Map | not there |
 * | undefined as the whole value | undefined; it has no bytes |
 *
 * Everything else is `encode-failed`, and so are functions and symbols, a bigint of more than 64 bits, an invalid
 * Date, the keys `__proto__`, `constructor` and `prototype`, and a circle: what arrived would be another value, or
 * would be refused there. Strings are Unicode: a lone surrogate becomes U+FFFD.
 */
export function msgpack<T>(): Codec<T> {
  // What T promises is between the two users of the contract; the codec carries whatever msgpack can.
  return MSGPACK as Codec<T>
}

const reader = new MsgpackReader()
const writer = new MsgpackWriter()

const MSGPACK: Codec<unknown> = {
  name: 'msgpack',
  schema: 'msgpack',
  encode(value: unknown, out: ByteWriter): void {
    if (value !== undefined) writer.write(value, out)
  },
  decode(bytes: Buffer, start: number, end: number, owned: boolean, limits: DecodeLimits): unknown {
    return start === end ? undefined : reader.read(bytes, start, end, owned, limits)
  },
}
