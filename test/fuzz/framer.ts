import { BufferPool } from '../../src/memory/buffer-pool.js'
import { Ledger } from '../../src/memory/ledger.js'
import { HEADER_BYTES, LEAST_LENGTH, LENGTH_BYTES } from '../../src/wire/frame.js'
import { FrameReader, type FrameSink } from '../../src/wire/frame-reader.js'
import { hold, pieces } from './broken.js'

const MAX_FRAME_BYTES = 4_000
/** Smaller than the largest frame, so that frames of every path come. */
const CARRY_BYTES = 256

/** What frames there are, by the plainest reading of the protocol; and why there are no more. */
function expected(bytes: Buffer): { readonly frames: string[]; readonly refused: string | undefined } {
  const frames: string[] = []
  let at = 0
  while (bytes.length - at >= LENGTH_BYTES) {
    const length = bytes.readUInt32LE(at)
    if (length < LEAST_LENGTH) return { frames, refused: 'frame-too-small' }
    if (length > MAX_FRAME_BYTES) return { frames, refused: 'frame-too-large' }
    const end = at + LENGTH_BYTES + length
    if (end > bytes.length) break
    frames.push(bytes.toString('hex', at + LENGTH_BYTES, end))
    at = end
  }
  return { frames, refused: undefined }
}

/** The first byte says how the others are split. */
export function fuzz(input: Uint8Array): void {
  const bytes = Buffer.from(input.subarray(1))
  const ledger = new Ledger()
  const frames: string[] = []
  let refused: string | undefined
  const sink: FrameSink = {
    onFrame: (kind, flags, aux, id, from, start, end) => {
      const header = Buffer.alloc(LEAST_LENGTH)
      header.writeUInt8(kind, 0)
      header.writeUInt8(flags, 1)
      header.writeUInt16LE(aux, 2)
      header.writeUInt32LE(id, 4)
      frames.push(header.toString('hex') + from.toString('hex', start, end))
      return true
    },
    onBadFrame: (error) => {
      refused = error.reason
    },
  }
  const reader = new FrameReader(sink, new BufferPool(ledger, CARRY_BYTES, 4), MAX_FRAME_BYTES)
  for (const piece of pieces(bytes, input[0] ?? 0)) {
    if (refused !== undefined) break
    for (let at = 0; at < piece.length && refused === undefined; ) {
      const into = reader.destination()
      const count = into === null ? piece.length - at : piece.copy(into, 0, at)
      const read = into === null ? reader.read(piece, at, piece.length) - at : reader.read(into, 0, count)
      hold(refused !== undefined || read === count, `it stopped after ${read} of ${count} bytes`)
      at += count
    }
    hold(reader.partialBytes <= reader.expectedBytes, 'it holds more than the frame will have')
    hold(
      refused !== undefined || reader.expectedBytes <= LENGTH_BYTES + Math.max(MAX_FRAME_BYTES, HEADER_BYTES),
      'it expects too much',
    )
  }
  const model = expected(bytes)
  hold(frames.join() === model.frames.join(), 'the frames are others')
  hold(refused === model.refused, `refused for ${refused}, and not for ${model.refused}`)
  reader.close()
  hold(ledger.current === 0, 'a buffer was not given back')
}
