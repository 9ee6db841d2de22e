// Hot path: `beginFrame` and `endFrame` run for every message sent.
import type { ByteWriter } from '../memory/byte-writer.js'

/**
 * ```
 *  0        4      5       6       8        12
 *  +--------+------+-------+-------+--------+----------
 *  | length | kind | flags |  aux  |   id   |  body ...
 *  |  u32   |  u8  |  u8   |  u16  |  u32   |
 *  +--------+------+-------+-------+--------+----------
 * ```
 * Everything is little-endian. `length` counts what follows it, so it is at least 8.
 */
export const LENGTH_BYTES = 4
export const HEADER_BYTES = 12
export const LEAST_LENGTH = HEADER_BYTES - LENGTH_BYTES

/** The deadline in front of a CALL's metadata and payload. */
export const CALL_PREFIX_BYTES = 4
/** The length in front of each message of a BATCH. */
export const MESSAGE_PREFIX_BYTES = 4
/** The size of the whole body, in front of the first part of a message in parts. */
export const TOTAL_BYTES = 4

export const KIND = {
  HELLO: 0x01,
  METHOD: 0x02,
  CALL: 0x03,
  ANSWER: 0x04,
  ERROR: 0x05,
  CANCEL: 0x06,
  ONE_WAY: 0x07,
  BATCH: 0x08,
  ACK: 0x09,
  PING: 0x0a,
  PONG: 0x0b,
  GO_AWAY: 0x0c,
  NACK: 0x0d,
  STREAM_OPEN: 0x10,
  STREAM_DATA: 0x11,
  STREAM_END: 0x12,
  STREAM_RESET: 0x13,
  CREDIT: 0x14,
  PART: 0x15,
} as const

/** A kind from here on may be skipped by whoever does not know it. */
export const OPTIONAL_KINDS_FROM = 0x80

export const FLAG = {
  /** Bits 0 to 2: which codec made the payload, see `CODEC_NUMBER`. */
  CODEC_MASK: 0x07,
  /** The payload is compressed with what HELLO agreed on. */
  COMPRESSED: 0x08,
  /** A metadata block stands in front of the payload. */
  METADATA: 0x10,
  /** Bits 5 and 6: the lane, 0 high to 3 bulk. */
  LANE_SHIFT: 5,
  LANE_MASK: 0x60,
  /** The parts that came in this lane stand in front of the body; in a HELLO, it goes on in the next frame. */
  MORE: 0x80,
} as const

const KIND_AT = 4
const FLAGS_AT = 5

/** Opens a frame. What is written to `out` until `endFrame` is its body. */
export function beginFrame(out: ByteWriter, kind: number, flags: number, aux: number, id: number): void {
  out.open(HEADER_BYTES + CALL_PREFIX_BYTES)
  const { bytes, position } = out
  bytes[position + KIND_AT] = kind
  bytes[position + FLAGS_AT] = flags
  bytes[position + 6] = aux
  bytes[position + 7] = aux >>> 8
  bytes[position + 8] = id
  bytes[position + 9] = id >>> 8
  bytes[position + 10] = id >>> 16
  bytes[position + 11] = id >>> 24
  out.position = position + HEADER_BYTES
}

/** Adds a `u32` to the body of the open frame. */
export function putU32(out: ByteWriter, value: number): void {
  out.ensure(4)
  writeU32(out.bytes, out.position, value)
  out.position += 4
}

/** Marks the open frame's payload as compressed. */
export function markCompressed(out: ByteWriter): void {
  const at = out.recordStart + FLAGS_AT
  out.recordBytes[at] = (out.recordBytes[at] as number) | FLAG.COMPRESSED
}

/** Changes the kind of the open frame. */
export function setKind(out: ByteWriter, kind: number): void {
  out.recordBytes[out.recordStart + KIND_AT] = kind
}

/** Bytes of the open frame so far, header included. */
export function openFrameBytes(out: ByteWriter): number {
  return out.position - out.recordStart + out.referencedBytes
}

/** Closes the open frame and returns its size on the wire. */
export function endFrame(out: ByteWriter): number {
  const size = openFrameBytes(out)
  writeU32(out.recordBytes, out.recordStart, size - LENGTH_BYTES)
  out.close()
  return size
}

/** Takes the open frame back, as if it had never been begun. */
export function abandonFrame(out: ByteWriter): void {
  out.truncate(out.recordStart)
}

export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value
  bytes[at + 1] = value >>> 8
  bytes[at + 2] = value >>> 16
  bytes[at + 3] = value >>> 24
}

/** Reads beyond the end give garbage: the caller has checked the bounds. */
export function readU32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)) >>>
    0
  )
}

export function readU16(bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) | ((bytes[at + 1] as number) << 8)
}
