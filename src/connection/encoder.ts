import type { ByteWriter } from '../memory/byte-writer.js'

/** Makes bytes of values. */
export interface Encoder {
  encode(value: unknown, out: ByteWriter): void
}
