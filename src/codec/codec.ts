import type { ByteWriter } from '../memory/byte-writer.js'

/** The numbers that tell a payload's codec in the flags of a frame. */
export const CODEC_NUMBER = { raw: 0, msgpack: 1, protobuf: 2 } as const

export type CodecName = keyof typeof CODEC_NUMBER

/** What a decoder is told of the hostile side of its input. From `limits.*`. */
export interface DecodeLimits {
  readonly msgpackDepth: number
  readonly msgpackNodes: number
  readonly msgpackKeys: number
  readonly protobufDepth: number
}

/** Values of one type to bytes and back. Stateless towards its users: one codec serves every connection. */
export interface Codec<T> {
  readonly name: CodecName
  /** Part of a service's fingerprint: what both sides must agree on for the bytes to mean the same. */
  readonly schema: string
  /**
   * Adds the value to the open record of `out`. A value of 4 KiB or more may be kept by reference until it is
   * written: the caller must not change it meanwhile. Throws `encode-failed`; the caller abandons the record.
   */
  encode(value: T, out: ByteWriter): void
  /**
   * Reads the value in `bytes[start, end)`. Borrows the bytes: what it returns shares no memory with them unless
   * `owned` says that they are given away. Throws one of the codec's reasons.
   */
  decode(bytes: Buffer, start: number, end: number, owned: boolean, limits: DecodeLimits): T
}
