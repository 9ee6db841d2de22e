import { isDeepStrictEqual } from 'node:util'
import { TransportError } from '../../src/base/errors.js'
import { msgpack } from '../../src/codec/msgpack.js'
import { BufferPool } from '../../src/memory/buffer-pool.js'
import { ByteWriter } from '../../src/memory/byte-writer.js'
import { Ledger } from '../../src/memory/ledger.js'
import { attempt, hold } from './broken.js'
import { readModel } from './msgpack-model.js'

/** Small, so that short inputs reach them. */
const LIMITS = { msgpackDepth: 6, msgpackNodes: 60, msgpackKeys: 8, protobufDepth: 8 }
const AROUND = 7

const codec = msgpack<unknown>()
const ledger = new Ledger()
const writer = new ByteWriter(new BufferPool(ledger, 64 * 1024, 2))

function encoded(value: unknown): Buffer {
  writer.open(0)
  codec.encode(value, writer)
  const inline = Buffer.from(writer.recordBytes.subarray(writer.recordStart, writer.position))
  const bytes = writer.reference === null ? inline : Buffer.concat([inline, writer.reference])
  writer.clear()
  return bytes
}

/** What the codec takes and what it makes of it is what a plain model says, wherever the bytes lie. */
export function fuzz(input: Uint8Array): void {
  if (input.length === 0) return
  const around = Buffer.concat([Buffer.alloc(AROUND, 0xc1), input, Buffer.alloc(AROUND, 0xc1)])
  const decode = (owned: boolean) => {
    return attempt(() => codec.decode(around, AROUND, AROUND + input.length, owned, LIMITS))
  }
  const read = decode(false)
  const model = readModel(Buffer.from(input), LIMITS)
  if (read instanceof TransportError) {
    hold(read.reason?.startsWith('msgpack-') === true, `refused for ${read.reason}`)
    hold(model === null, `refused for ${read.reason}, and taken by the model`)
    return
  }
  hold(model !== null, 'taken, and refused by the model')
  hold(isDeepStrictEqual(read.value, model.value), 'another value than that of the model')
  const owned = decode(true)
  hold(
    !(owned instanceof TransportError) && isDeepStrictEqual(owned.value, read.value),
    'another value when it is owned',
  )
  const again = encoded(read.value)
  hold(isDeepStrictEqual(codec.decode(again, 0, again.length, false, LIMITS), read.value), 'encoded, it is another')
}
