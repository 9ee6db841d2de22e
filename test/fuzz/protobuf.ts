import { TransportError } from '../../src/base/errors.js'
import { protobuf } from '../../src/codec/protobuf.js'
import { shapes } from '../fixtures/proto/shapes.js'
import { attempt, hold } from './broken.js'

const LIMITS = { msgpackDepth: 32, msgpackNodes: 1_000, msgpackKeys: 100, protobufDepth: 8 }
const AROUND = 5

const codec = protobuf(shapes.Everything)

/** What the codec takes, the generated code takes by itself, and both make the same of it. */
export function fuzz(input: Uint8Array): void {
  const around = Buffer.concat([Buffer.alloc(AROUND, 0xff), input, Buffer.alloc(AROUND, 0xff)])
  const decode = (owned: boolean) => {
    return attempt(() => codec.decode(around, AROUND, AROUND + input.length, owned, LIMITS))
  }
  const read = decode((input.length & 1) === 1)
  const plain = plainly(input)
  if (read instanceof TransportError) {
    if (read.reason === 'protobuf-depth') return
    hold(read.reason === 'protobuf-malformed', `refused for ${read.reason}`)
    hold(plain === null, 'refused, and taken by the generated code')
    return
  }
  hold(plain !== null, 'taken, and refused by the generated code')
  const bytes = shapes.Everything.encode(read.value).finish()
  hold(
    Buffer.compare(bytes, shapes.Everything.encode(plain).finish()) === 0,
    'another message than that of the generated code',
  )
}

function plainly(input: Uint8Array): shapes.Everything | null {
  try {
    return shapes.Everything.decode(Buffer.from(input))
  } catch {
    // Whatever it was: this code is not ours.
    return null
  }
}
