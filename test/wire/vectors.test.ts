import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { TransportError } from '../../src/base/errors.js'
import { BufferPool } from '../../src/memory/buffer-pool.js'
import { Ledger } from '../../src/memory/ledger.js'
import { decodeMetadata, encodeMetadata } from '../../src/rpc/metadata.js'
import { messageEnd, turnIntoBatch } from '../../src/wire/batch.js'
import { decodeFault, encodeFault, type Fault } from '../../src/wire/fault.js'
import { beginFrame, endFrame, HEADER_BYTES, KIND, putU32, readU32, writeU32 } from '../../src/wire/frame.js'
import { FrameReader } from '../../src/wire/frame-reader.js'
import { decodeHello, encodeHello } from '../../src/wire/hello.js'
import { judgePreface, preface } from '../../src/wire/preface.js'
import { frameBytes, newWriter } from './bytes.js'

interface Vector {
  readonly name: string
  readonly hex: string
  readonly frame?: {
    readonly kind: number
    readonly flags: number
    readonly aux: number
    readonly id: number
    readonly timeoutMs?: number
    readonly payload?: string
    readonly metadata?: Readonly<Record<string, string>>
    readonly messages?: readonly string[]
    readonly fault?: Fault
  }
}

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8')
const vectors = JSON.parse(read('../vectors/frames.json')) as readonly Vector[]
const documented = new Map(
  [...read('../../docs/protocol.md').matchAll(/```hex name=([\w-]+)\n([^`]*)```/g)].map(([, name, hex]) => {
    return [name, hex?.replaceAll(/\s/g, '')]
  }),
)
const limits = { metadataEntries: 64, metadataBytes: 8_192 }
const hello = {
  peerId: 'a',
  codecs: 0b111,
  compressions: 1,
  features: 0,
  maxFrameBytes: 2 ** 20,
  maxMessageBytes: 2 ** 22,
  maxOpenCalls: 1_024,
  maxMethods: 4_096,
  services: [],
  flow: null,
}

/** The body of a vector's frame, made of its meaning with the library's encoders. */
function bodyOf(frame: NonNullable<Vector['frame']>): Buffer {
  const { out, taken } = newWriter()
  out.open(0)
  if (frame.timeoutMs !== undefined) putU32(out, frame.timeoutMs)
  if (frame.metadata !== undefined) out.put(encodeMetadata(frame.metadata, limits))
  if (frame.payload !== undefined) out.put(Buffer.from(frame.payload, 'hex'))
  if (frame.fault !== undefined) out.put(encodeFault(frame.fault))
  if (frame.kind === KIND.HELLO) for (const body of encodeHello(hello, 4_000)) out.put(body)
  if (frame.kind === KIND.METHOD) out.put(Buffer.from('echo'))
  out.close()
  return taken()
}

function readBack(bytes: Buffer): { kind: number; flags: number; aux: number; id: number; body: Buffer } {
  const pool = new BufferPool(new Ledger(), 4_096, 1)
  let seen: ReturnType<typeof readBack> | undefined
  const reader = new FrameReader(
    {
      onFrame: (kind, flags, aux, id, source, start, end) => {
        seen = { kind, flags, aux, id, body: Buffer.from(source.subarray(start, end)) }
        return true
      },
      onBadFrame: (error: TransportError) => {
        throw error
      },
    },
    pool,
    2 ** 20,
  )
  expect(reader.read(bytes, 0, bytes.length)).toBe(bytes.length)
  if (seen === undefined) throw new Error('no frame was read')
  return seen
}

describe('the vectors of the protocol document', () => {
  it('are those of the vector file, none more and none less', () => {
    expect(Object.fromEntries(documented)).toEqual(Object.fromEntries(vectors.map(({ name, hex }) => [name, hex])))
  })

  for (const { name, hex, frame } of vectors) {
    if (frame === undefined) continue
    it(`${name}: is read as what it means`, () => {
      const { body, ...header } = readBack(Buffer.from(hex, 'hex'))
      expect(header).toEqual({ kind: frame.kind, flags: frame.flags, aux: frame.aux, id: frame.id })
      if (frame.timeoutMs !== undefined) expect(readU32(body, 0)).toBe(frame.timeoutMs)
      if (frame.metadata !== undefined) expect(decodeMetadata(body, 6, 11, limits)).toEqual(frame.metadata)
      if (frame.payload !== undefined) expect(body.toString('hex').endsWith(frame.payload)).toBe(true)
      if (frame.fault !== undefined) expect(decodeFault(body, 0, body.length)).toEqual(frame.fault)
      if (frame.kind === KIND.HELLO) expect(decodeHello(body)).toEqual(hello)
      if (frame.messages !== undefined) expect(messagesOf(body)).toEqual(frame.messages)
    })

    it(`${name}: is written byte for byte`, () => {
      if (frame.messages === undefined) expect(frameBytes({ ...frame, body: bodyOf(frame) }).toString('hex')).toBe(hex)
      else expect(batchOf(frame.flags, frame.aux, frame.messages).toString('hex')).toBe(hex)
    })
  }

  it('preface: is written and judged', () => {
    const bytes = Buffer.from(vectors.find(({ name }) => name === 'preface')?.hex ?? '', 'hex')
    expect(preface()).toEqual(bytes)
    expect(judgePreface(bytes)).toBe(1)
  })
})

function messagesOf(body: Buffer): string[] {
  const messages: string[] = []
  for (let at = 0; at < body.length; ) {
    const end = messageEnd(body, at, body.length)
    messages.push(body.toString('hex', at + 4, end))
    at = end
  }
  return messages
}

/** As the write loop makes it: the first message alone, then turned into a batch when the second comes. */
function batchOf(flags: number, method: number, messages: readonly string[]): Buffer {
  const { out, taken } = newWriter()
  const [first, ...rest] = messages.map((hex) => Buffer.from(hex, 'hex'))
  beginFrame(out, KIND.ONE_WAY, flags, method, 0)
  if (first !== undefined) out.put(first)
  turnIntoBatch(out, HEADER_BYTES)
  for (const message of rest) {
    out.ensure(4)
    writeU32(out.bytes, out.position, message.length)
    out.position += 4
    out.put(message)
  }
  endFrame(out)
  return taken()
}
