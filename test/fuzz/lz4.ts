import { TransportError } from '../../src/base/errors.js'
import { compressBlock, inflateBlock } from '../../src/compression/lz4.js'
import { attempt, hold } from './broken.js'

const LIMITS = { maxMessageBytes: 4 * 1024 * 1024, minInflatedBytes: 1_024 }
/** Enough to see that nothing is read beside the block. */
const AROUND = 16

/** The bytes are taken for a block; and when a flag says so, are first compressed, so that more get behind the gate. */
export function fuzz(input: Uint8Array): void {
  const compress = (input[0] ?? 0) & 1
  const bytes = compress === 1 ? compressBlock(input.subarray(1)) : Buffer.from(input.subarray(1))
  const around = Buffer.concat([Buffer.alloc(AROUND, 0xff), bytes, Buffer.alloc(AROUND, 0xff)])
  const inflated = attempt(() => inflateBlock(around, AROUND, AROUND + bytes.length, LIMITS))
  if (inflated instanceof TransportError) {
    hold(inflated.reason?.startsWith('lz4-') === true, `refused for ${inflated.reason}`)
    return
  }
  const { value } = inflated
  hold(value.length === bytes.readUInt32LE(0), 'another size than it claims')
  hold(value.length >= LIMITS.minInflatedBytes && value.length <= LIMITS.maxMessageBytes, 'a size beyond the limits')
  const again = compressBlock(value)
  hold(inflateBlock(again, 0, again.length, LIMITS).equals(value), 'compressed again, it is another')
}
