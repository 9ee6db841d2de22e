import { BufferPool } from '../../src/memory/buffer-pool.js'
import { ByteWriter } from '../../src/memory/byte-writer.js'
import { Ledger } from '../../src/memory/ledger.js'
import { beginFrame, endFrame } from '../../src/wire/frame.js'

/** A writer over a pool of its own, and what comes out of it. */
export function newWriter(chunkBytes = 65_536): {
  readonly out: ByteWriter
  readonly pool: BufferPool
  taken(): Buffer
} {
  const pool = new BufferPool(new Ledger(), chunkBytes, 4)
  const out = new ByteWriter(pool)
  const taken = (): Buffer => {
    const parts: Buffer[] = []
    for (let segment = out.take(); segment !== undefined; segment = out.take()) {
      parts.push(Buffer.from(segment.bytes))
      out.written(segment)
    }
    out.rest()
    return Buffer.concat(parts)
  }
  return { out, pool, taken }
}

export interface FrameParts {
  readonly kind: number
  readonly flags: number
  readonly aux: number
  readonly id: number
  readonly body: Uint8Array
}

/** The bytes of one frame, as the library writes them. */
export function frameBytes({ kind, flags, aux, id, body }: FrameParts): Buffer {
  const { out, taken } = newWriter()
  beginFrame(out, kind, flags, aux, id)
  out.put(body)
  endFrame(out)
  return taken()
}
