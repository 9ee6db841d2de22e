import { expect } from 'vitest'
import { TransportError } from '../../src/base/errors.js'
import type { Codec, DecodeLimits } from '../../src/codec/codec.js'
import { BufferPool } from '../../src/memory/buffer-pool.js'
import { ByteWriter } from '../../src/memory/byte-writer.js'
import { Ledger } from '../../src/memory/ledger.js'

export const CHUNK_BYTES = 64 * 1024

/** The defaults of the library. */
export const LIMITS: DecodeLimits = { msgpackDepth: 32, msgpackNodes: 100_000, msgpackKeys: 10_000, protobufDepth: 32 }

/** A writer whose open record begins `offset` bytes into its chunk. */
export function openWriter(offset = 0): ByteWriter {
  const out = new ByteWriter(new BufferPool(new Ledger(), CHUNK_BYTES, 2))
  out.open(0)
  out.ensure(offset)
  out.position += offset
  out.recordStart = out.position
  return out
}

/** The bytes that the open record has, inline and by reference. */
export function recordBytes(out: ByteWriter): Buffer {
  const inline = out.recordBytes.subarray(out.recordStart, out.position)
  return Buffer.concat(out.reference === null ? [inline] : [inline, out.reference])
}

/** The bytes a codec makes of a value, somewhere within a chunk. */
export function encoded<T>(codec: Codec<T>, value: T, offset = 0): Buffer {
  const out = openWriter(offset)
  codec.encode(value, out)
  const bytes = recordBytes(out)
  out.clear()
  return bytes
}

interface DecodeSettings {
  readonly limits?: Partial<DecodeLimits>
  readonly owned?: boolean
}

/** What a codec reads from bytes, which lie between others as they do in a chunk. */
export function decoded<T>(codec: Codec<T>, bytes: Uint8Array, { limits, owned = false }: DecodeSettings = {}): T {
  const around = Buffer.concat([Buffer.alloc(5, 0xc1), bytes, Buffer.alloc(9, 0xc1)])
  return codec.decode(around, 5, 5 + bytes.length, owned, { ...LIMITS, ...limits })
}

/** The reason for which it fails; the test fails when it does not, or with another kind of error. */
export function reasonOf(act: () => unknown): string | undefined {
  const error = failureOf(act)
  return error.reason
}

export function failureOf(act: () => unknown): TransportError {
  let failure: unknown
  let result: unknown
  try {
    result = act()
  } catch (error) {
    failure = error
  }
  expect(failure, `no failure but ${String(result)}`).toBeInstanceOf(TransportError)
  return failure as TransportError
}
