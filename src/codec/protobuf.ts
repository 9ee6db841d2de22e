// Hot path: runs for every message with a protobuf body.
import protobufjs from 'protobufjs/minimal.js'
import { failure } from '../base/errors.js'
import { type ByteWriter, REFERENCE_FROM_BYTES } from '../memory/byte-writer.js'
import type { Codec, DecodeLimits } from './codec.js'

/** What a class of a protobufjs static module has (`pbjs -t static-module`). */
export interface ProtobufType<T> {
  encode(message: T, writer?: protobufjs.Writer): protobufjs.Writer
  decode(reader: protobufjs.Reader, length?: number, end?: number, depth?: number): T
  getTypeUrl?(prefix?: string): string
}

/** Messages of one protobuf type, from static code: nothing is compiled at run time. */
export function protobuf<T>(type: ProtobufType<T>): Codec<T> {
  return {
    name: 'protobuf',
    schema: type.getTypeUrl?.('') ?? '',
    encode(value: T, out: ByteWriter): void {
      let bytes: Uint8Array
      try {
        bytes = type.encode(value).finish()
      } catch (cause) {
        throw failure('encode-failed', 'the value cannot be encoded as protobuf', { cause })
      }
      if (bytes.length >= REFERENCE_FROM_BYTES) out.put(bytes)
      else out.copy(bytes, 0, bytes.length)
    },
    decode(bytes: Buffer, start: number, end: number, owned: boolean, limits: DecodeLimits): T {
      const body = owned ? bytes.subarray(start, end) : Buffer.from(bytes.subarray(start, end))
      const reader = protobufjs.Reader.create(body)
      try {
        return type.decode(reader, undefined, undefined, protobufjs.Reader.recursionLimit - limits.protobufDepth)
      } catch (cause) {
        const deep = cause instanceof Error && cause.message === 'max depth exceeded'
        if (deep) throw failure('protobuf-depth', `protobuf nested deeper than ${limits.protobufDepth} messages`)
        throw failure('protobuf-malformed', 'the bytes are not a message of this type')
      }
    },
  }
}
