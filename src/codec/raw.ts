// Hot path: runs for every message with a raw body.
import { failure } from '../base/errors.js'
import type { ByteWriter } from '../memory/byte-writer.js'
import type { Codec } from './codec.js'
import { copyOf } from './copy.js'

/** Bytes as they are. What is decoded is a Buffer. */
export function raw(): Codec<Uint8Array> {
  return RAW
}

const RAW: Codec<Uint8Array> = {
  name: 'raw',
  schema: 'bytes',
  encode(value: Uint8Array, out: ByteWriter): void {
    if (!(value instanceof Uint8Array)) {
      throw failure('encode-failed', `the raw codec takes a Uint8Array, got ${value === null ? 'null' : typeof value}`)
    }
    out.put(value)
  },
  decode(bytes: Buffer, start: number, end: number, owned: boolean): Buffer {
    return owned ? bytes.subarray(start, end) : copyOf(bytes, start, end)
  },
}
