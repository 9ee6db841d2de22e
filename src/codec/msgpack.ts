import type { ByteWriter } from '../memory/byte-writer.js'
import type { Codec, DecodeLimits } from './codec.js'
import { MsgpackReader } from './msgpack-reader.js'
import { MsgpackWriter } from './msgpack-writer.js'

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
