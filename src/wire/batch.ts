// Hot path: runs for every one-way message.
import type { ByteWriter } from '../memory/byte-writer.js'
import { KIND, MESSAGE_PREFIX_BYTES, readU32, setKind, writeU32 } from './frame.js'

/**
 * The body of a BATCH: n messages, each a `u32` little-endian length and that many bytes.
 *
 * The first message of what may become a batch is written as a ONE_WAY, without a length in front. When a second
 * message comes, the open frame is turned into a batch: the first message moves up by four bytes. A message that
 * stays alone pays nothing for the batch it might have been.
 */
export function turnIntoBatch(out: ByteWriter, bodyOffset: number): void {
  out.ensure(MESSAGE_PREFIX_BYTES)
  // Only after `ensure`: the record may have moved to another chunk.
  const start = out.recordStart + bodyOffset
  const length = out.position - start
  out.bytes.copyWithin(start + MESSAGE_PREFIX_BYTES, start, start + length)
  writeU32(out.bytes, start, length)
  out.position += MESSAGE_PREFIX_BYTES
  out.copiedBytes += length
  setKind(out, KIND.BATCH)
}

/** Where the message at `at` of a batch body ends, or -1 when it does not end within the batch. */
export function messageEnd(bytes: Uint8Array, at: number, to: number): number {
  if (to - at < MESSAGE_PREFIX_BYTES) return -1
  const end = at + MESSAGE_PREFIX_BYTES + readU32(bytes, at)
  return end > to ? -1 : end
}
