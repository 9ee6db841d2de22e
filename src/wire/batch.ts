// Hot path: runs for every one-way message.
import { failure, type TransportError } from '../base/errors.js'
import type { ByteWriter } from '../memory/byte-writer.js'
import { MESSAGE_PREFIX_BYTES, readU32, writeU32 } from './frame.js'

/**
 * The body of a BATCH: n messages, each a `u32` little-endian length and that many bytes.
 *
 * The first message of what may become a batch is written as a ONE_WAY, without a length in front. `makeRoom` inserts
 * that length when a second message comes: a message that stays alone pays nothing for the batch it might have been.
 */
export function insertLength(out: ByteWriter, messageStart: number): void {
  const length = out.position - messageStart
  // The record may move to another chunk: positions are kept relative to its start.
  const offset = messageStart - out.recordStart
  out.ensure(MESSAGE_PREFIX_BYTES)
  const start = out.recordStart + offset
  out.bytes.copyWithin(start + MESSAGE_PREFIX_BYTES, start, start + length)
  writeU32(out.bytes, start, length)
  out.position += MESSAGE_PREFIX_BYTES
  out.copiedBytes += length
}

/** Called with each message of a batch: `bytes[start, end)`, borrowed. Returns false to stop. */
export type OnMessage = (bytes: Buffer, start: number, end: number) => boolean

/** Walks the messages of a batch body. Returns what is wrong with it, or null. Messages before the fault were delivered. */
export function readBatch(bytes: Buffer, from: number, to: number, onMessage: OnMessage): TransportError | null {
  let at = from
  while (to - at >= MESSAGE_PREFIX_BYTES) {
    const start = at + MESSAGE_PREFIX_BYTES
    const end = start + readU32(bytes, at)
    if (end > to) return failure('frame-malformed', `a message of a batch ends ${end - to} bytes after the batch`)
    if (!onMessage(bytes, start, end)) return null
    at = end
  }
  return at === to ? null : failure('frame-malformed', `a batch has ${to - at} bytes after its last message`)
}
