import { describe, expect, it } from 'vitest'
import { compressBlock } from '../../src/compression/lz4.js'
import { FLAG, KIND } from '../../src/wire/frame.js'
import { preface } from '../../src/wire/preface.js'
import { type Frame, frame, helloFrame, u32 } from '../fixtures/raw-peer.js'
import { framesOf, Talk } from './bench.js'

const LZ4 = { compressions: 1 }

function body(bytes: number): Buffer {
  return Buffer.alloc(bytes, 'abcd')
}

function compressed({ flags }: Frame): boolean {
  return (flags & FLAG.COMPRESSED) !== 0
}

/** Ways to send a payload of a size, and where it begins in the frame's body. */
const WAYS: readonly [string, (talk: Talk, payload: Buffer) => void, number][] = [
  [
    'a call',
    ({ connection: { writes } }, payload) => {
      writes.beginCall(0, 1, 1, 5)
      writes.out.put(payload)
      writes.endMessage()
    },
    4,
  ],
  [
    'an answer',
    ({ connection: { writes } }, payload) => {
      writes.beginAnswer(0, 1)
      writes.out.put(payload)
      writes.endMessage()
    },
    0,
  ],
  [
    'a one-way message',
    ({ connection: { writes } }, payload) => {
      writes.beginOneWay(0, 1)
      writes.out.put(payload)
      writes.endOneWay()
    },
    0,
  ],
]

function only(talk: Talk): Frame {
  const [first, ...others] = talk.sent
  if (first === undefined || others.length > 0) throw new Error(`one frame was expected, not ${talk.sent.length}`)
  return first
}

describe.each(WAYS)('the payload of %s', (_, send, offset) => {
  it('travels as it is with exactly 1,024 bytes', () => {
    const talk = Talk.ready({}, LZ4)
    send(talk, body(1_024))
    talk.pass()
    expect(talk.channel.bytes).toHaveLength(12 + offset + 1_024)
    expect(compressed(only(talk))).toBe(false)
    expect(only(talk).body.subarray(offset)).toEqual(body(1_024))
    talk.end()
  })

  it('travels compressed with 1,025 bytes, behind its claim', () => {
    const talk = Talk.ready({}, LZ4)
    send(talk, body(1_025))
    talk.pass()
    const sent = only(talk)
    expect(compressed(sent)).toBe(true)
    expect(sent.body.subarray(offset)).toEqual(compressBlock(body(1_025)))
    expect(sent.body.readUInt32LE(offset)).toBe(1_025)
    expect(talk.channel.bytes.length).toBeLessThan(200)
    talk.end()
  })

  it('travels compressed where it was kept by reference, with what stands in front of it left readable', () => {
    const talk = Talk.ready({}, LZ4)
    send(talk, body(100_000))
    talk.pass()
    expect(compressed(only(talk))).toBe(true)
    expect(only(talk).body.subarray(offset)).toEqual(compressBlock(body(100_000)))
    talk.end()
  })

  it('travels as it is to a peer that does not read LZ4', () => {
    const talk = Talk.ready({}, { compressions: 0 })
    send(talk, body(100_000))
    talk.pass()
    expect(talk.connection.info().compression).toBe(false)
    expect(compressed(only(talk))).toBe(false)
    expect(only(talk).body.subarray(offset)).toEqual(body(100_000))
    talk.end()
  })

  it('travels as it is where compression is switched off on this side', () => {
    const talk = Talk.ready({ compression: { algorithm: 'none' } }, LZ4)
    send(talk, body(100_000))
    talk.pass()
    expect(talk.connection.info().compression).toBe(false)
    expect(compressed(only(talk))).toBe(false)
    talk.end()
  })
})

describe('the body of a batch', () => {
  // 62 messages of 12 bytes and their lengths are 992 bytes; the last one makes up the rest.
  it.each([
    [1_024, false],
    [1_025, true],
  ])('of %i bytes, lengths included, is compressed: %s', (bytes, expected) => {
    const talk = Talk.ready({}, LZ4)
    const { writes } = talk.connection
    for (const message of [...Array.from({ length: 62 }, () => body(12)), body(bytes - 992 - 4)]) {
      writes.beginOneWay(0, 1)
      writes.out.put(message)
      writes.endOneWay()
    }
    talk.pass()
    const sent = only(talk)
    const raw = Buffer.concat([
      ...Array.from({ length: 62 }, () => Buffer.concat([u32(12), body(12)])),
      u32(bytes - 996),
      body(bytes - 996),
    ])
    expect(raw).toHaveLength(bytes)
    expect([sent.kind, compressed(sent)]).toEqual([KIND.BATCH, expected])
    expect(sent.body).toEqual(expected ? compressBlock(raw) : raw)
    talk.end()
  })
})

describe('a compressed frame', () => {
  const block = compressBlock(body(2_000))

  it.each([
    ['CALL', frame(KIND.CALL, { flags: FLAG.COMPRESSED, id: 1, body: Buffer.concat([u32(0), block]) }), 'call'],
    ['ANSWER', frame(KIND.ANSWER, { flags: FLAG.COMPRESSED, id: 1, body: block }), 'answer'],
    ['ONE_WAY', frame(KIND.ONE_WAY, { flags: FLAG.COMPRESSED, body: block }), 'one-way'],
  ])('of kind %s is inflated where compression was agreed', (_, bytes, what) => {
    const talk = Talk.ready({}, LZ4)
    talk.channel.say(bytes)
    expect(talk.heard).toEqual([[what, bytes.readUInt32LE(8), 0, body(2_000).toString()]])
    talk.end()
  })

  it('of kind BATCH is inflated as a whole', () => {
    const talk = Talk.ready({}, LZ4)
    const messages = Buffer.concat([u32(1_500), body(1_500), u32(2), body(2)])
    talk.channel.say(frame(KIND.BATCH, { flags: FLAG.COMPRESSED, body: compressBlock(messages) }))
    expect(talk.heard.map(([what, , , text]) => [what, String(text).length])).toEqual([
      ['one-way', 1_500],
      ['one-way', 2],
    ])
    talk.end()
  })

  it.each([
    ['the peer did not offer it', {}, { compressions: 0 }],
    ['this side did not offer it', { compression: { algorithm: 'none' } } as const, LZ4],
  ])('is refused where %s', (_, options, hello) => {
    const talk = Talk.ready(options, hello)
    talk.channel.say(frame(KIND.ONE_WAY, { flags: FLAG.COMPRESSED, body: block }))
    expect(talk.reason).toBe('compression-not-agreed')
    expect(talk.heard.map(([what]) => what)).toEqual(['closed'])
    talk.end()
  })

  it.each([
    ['a HELLO', frame(KIND.HELLO, { flags: FLAG.COMPRESSED, body: block })],
    ['a CALL', frame(KIND.CALL, { flags: FLAG.COMPRESSED, id: 1, body: block })],
  ])('is refused before the end of the HELLO: %s', (_, bytes) => {
    const talk = new Talk()
    talk.channel.say(preface(), bytes, helloFrame(LZ4))
    expect([talk.reason ?? talk.connection.state, talk.channel.ended]).toEqual(['closed', true])
    expect(talk.environment.counters.failures['compression-forbidden']).toBe(1)
    talk.end()
  })

  it('of a control kind is refused', () => {
    const talk = Talk.ready({}, LZ4)
    talk.channel.say(frame(KIND.PING, { flags: FLAG.COMPRESSED, id: 1 }))
    expect(talk.reason).toBe('compression-forbidden')
    talk.end()
  })

  it('whose block is damaged is refused, and the peer is told', () => {
    const talk = Talk.ready({}, LZ4)
    talk.channel.say(
      frame(KIND.ONE_WAY, { flags: FLAG.COMPRESSED, body: Buffer.concat([u32(2_000), Buffer.alloc(100)]) }),
    )
    expect(talk.reason).toBe('lz4-malformed')
    expect(framesOf(talk.channel.bytes).map(({ kind }) => kind)).toEqual([KIND.GO_AWAY])
    talk.end()
  })
})
