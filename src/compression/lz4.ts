// Hot path: runs for every body over the compression threshold.
import { failure } from '../base/errors.js'
import { requirePackage } from '../base/require-package.js'

const { compressSync, uncompressSync } = requirePackage('lz4-napi') as typeof import('lz4-napi')

/** LZ4's densest code: one byte that stands for 255 more. No block can grow by more. */
const MOST_GROWTH = 255

/** The size before compression, in front of the LZ4 data. */
const CLAIM_BYTES = 4

/** What a block may claim of itself. From `limits.*`. */
export interface InflateLimits {
  readonly maxMessageBytes: number
  readonly minInflatedBytes: number
}

/**
 * One LZ4 block: the size of `source` as a little-endian u32, and the LZ4 data. Borrows `source`; the result is the
 * caller's. Synchronous on purpose: the asynchronous call reads the bytes while others may change them.
 */
export function compressBlock(source: Uint8Array): Buffer {
  const bytes = Buffer.isBuffer(source) ? source : Buffer.from(source.buffer, source.byteOffset, source.length)
  return compressSync(bytes)
}

/**
 * What the block in `bytes[start, end)` was. The library behind this believes the size that a block claims, and
 * allocates it: here the claim is judged before, and the result after. Borrows `bytes`; the result is the caller's.
 */
export function inflateBlock(bytes: Buffer, start: number, end: number, limits: InflateLimits): Buffer {
  const length = end - start
  if (length < CLAIM_BYTES) throw failure('lz4-malformed', `an LZ4 block of ${length} bytes has no size`)
  const claim = bytes.readUInt32LE(start)
  const { maxMessageBytes, minInflatedBytes } = limits
  if (claim > maxMessageBytes) {
    throw failure('lz4-claim-too-large', `an LZ4 block claims ${claim} bytes; the limit is ${maxMessageBytes}`)
  }
  if (claim > length * MOST_GROWTH) {
    throw failure('lz4-claim-implausible', `an LZ4 block of ${length} bytes claims ${claim}`)
  }
  if (claim < minInflatedBytes) {
    throw failure('lz4-claim-too-small', `an LZ4 block claims ${claim} bytes; the least is ${minInflatedBytes}`)
  }
  const inflated = inflate(bytes.subarray(start, end))
  if (inflated === null || inflated.length !== claim) {
    throw failure('lz4-malformed', `an LZ4 block of ${length} bytes does not inflate to the ${claim} it claims`)
  }
  return inflated
}

function inflate(block: Buffer): Buffer | null {
  try {
    return uncompressSync(block)
  } catch {
    // What it says is made of the peer's bytes, and always means the same.
    return null
  }
}
