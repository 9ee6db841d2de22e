// Hot path: runs for every message with a msgpack body.
import { Packr, Unpackr } from 'msgpackr'
import { failure } from '../base/errors.js'
import { type ByteWriter, REFERENCE_FROM_BYTES } from '../memory/byte-writer.js'
import type { Codec, DecodeLimits } from './codec.js'
import { checkMsgpack } from './msgpack-gate.js'

const SHAPE = { useRecords: false, structuredClone: false, variableMapSize: true, encodeUndefinedAsNil: true } as const
const packr = new Packr(SHAPE)
const copying = new Unpackr({ ...SHAPE, copyBuffers: true, int64AsType: 'auto' as 'number' })
const viewing = new Unpackr({ ...SHAPE, int64AsType: 'auto' as 'number' })

/** msgpackr's REUSE_BUFFER_MODE and RESET_BUFFER_MODE: the result is the arena itself, and the next one starts where it did. */
const IN_ARENA = 512 | 1024

interface Arena extends Buffer {
  readonly start: number
  readonly end: number
}

const range = { start: 0, end: 0 }

/** Whatever msgpack carries: plain objects, arrays, strings, numbers, bytes, dates. */
export function msgpack<T>(): Codec<T> {
  return MSGPACK as Codec<T>
}

const MSGPACK: Codec<unknown> = {
  name: 'msgpack',
  schema: 'msgpack',
  encode(value: unknown, out: ByteWriter): void {
    let arena: Arena
    try {
      arena = packr.pack(value, IN_ARENA) as Arena
    } catch (cause) {
      throw failure('encode-failed', 'the value cannot be encoded as msgpack', { cause })
    }
    const { start, end } = arena
    if (end - start < REFERENCE_FROM_BYTES) out.copy(arena, start, end)
    else out.put(Buffer.from(arena.subarray(start, end)))
  },
  decode(bytes: Buffer, start: number, end: number, owned: boolean, limits: DecodeLimits): unknown {
    checkMsgpack(bytes, start, end, limits)
    range.start = start
    range.end = end
    return (owned ? viewing : copying).unpack(bytes, range)
  },
}
