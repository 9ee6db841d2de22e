import type { Processed } from '../base/errors.js'
import { readU16, readU32 } from './frame.js'

/** What an ERROR, NACK, GO_AWAY, STREAM_END or STREAM_RESET says beside its status number. */
export interface Fault {
  readonly processed: Processed
  /** 0 when the sender does not say. */
  readonly retryAfterMs: number
  /** A row of the sender's error table, or empty. */
  readonly reason: string
  readonly message: string
}

const PROCESSED: readonly Processed[] = ['no', 'maybe', 'yes']
const MAX_REASON_BYTES = 64
const MAX_MESSAGE_BYTES = 256

/** ```u8 processed | u32 retryAfterMs | u8 n | n bytes reason | u16 m | m bytes message``` */
export function encodeFault(fault: Fault): Buffer {
  const reason = Buffer.from(fault.reason).subarray(0, MAX_REASON_BYTES)
  const message = cutUtf8(Buffer.from(fault.message), MAX_MESSAGE_BYTES)
  const body = Buffer.alloc(8 + reason.length + message.length)
  body.writeUInt8(PROCESSED.indexOf(fault.processed), 0)
  body.writeUInt32LE(fault.retryAfterMs, 1)
  body.writeUInt8(reason.length, 5)
  reason.copy(body, 6)
  body.writeUInt16LE(message.length, 6 + reason.length)
  message.copy(body, 8 + reason.length)
  return body
}

/** Returns null for bytes that are no fault. Strings are as the peer sent them: escape before printing. */
export function decodeFault(bytes: Buffer, start: number, end: number): Fault | null {
  if (end - start < 8) return null
  const processed = PROCESSED[bytes[start] as number]
  const reasonBytes = bytes[start + 5] as number
  const messageAt = start + 8 + reasonBytes
  if (processed === undefined || reasonBytes > MAX_REASON_BYTES || messageAt > end) return null
  const messageBytes = readU16(bytes, messageAt - 2)
  if (messageBytes > MAX_MESSAGE_BYTES || messageAt + messageBytes !== end) return null
  return {
    processed,
    retryAfterMs: readU32(bytes, start + 1),
    reason: bytes.toString('latin1', start + 6, start + 6 + reasonBytes),
    message: bytes.toString('utf8', messageAt, end),
  }
}

/** Cuts between characters: a continuation byte (10xxxxxx) never begins the part that is left out. */
function cutUtf8(bytes: Buffer, maxBytes: number): Buffer {
  if (bytes.length <= maxBytes) return bytes
  let end = maxBytes
  while (end > 0 && ((bytes[end] as number) & 0xc0) === 0x80) end -= 1
  return bytes.subarray(0, end)
}
