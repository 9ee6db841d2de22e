import { describe, expect, it } from 'vitest'
import { TransportError } from '../../src/base/errors.js'
import { decodeFault, encodeFault } from '../../src/wire/fault.js'
import { decodeHello, encodeHello, type HelloFields } from '../../src/wire/hello.js'
import { judgePreface, preface } from '../../src/wire/preface.js'

const strangers: readonly (readonly [string, string])[] = [
  ['GET / HTTP/1.1\r\nHost: x\r\n\r\n', 'HTTP'],
  ['POST /rpc HTTP/1.1\r\n', 'HTTP'],
  ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'HTTP/2'],
  ['HTTP/1.1 400 Bad Request\r\n', 'an HTTP answer'],
  ['\x16\x03\x01\x02\x00\x01\x00', 'a TLS handshake'],
  ['\x15\x03\x03\x00\x02', 'a TLS alert'],
  ['SSH-2.0-OpenSSH_9.2', 'SSH'],
  ['*1\r\n$4\r\nPING\r\n', 'Redis'],
  ['\x13BitTorrent protocol', 'BitTorrent'],
  ['\x13/multistream/1.0.0\n', 'libp2p'],
  ['garbage', 'nothing known'],
  ['ALYS\n\n\x01\x01', 'nothing known'],
]

describe('the preface', () => {
  it('is agreed on when it is ours', () => {
    expect(judgePreface(preface())).toBe(1)
  })

  it('waits for more as long as every byte is right', () => {
    for (let length = 0; length < 8; length += 1) expect(judgePreface(preface().subarray(0, length))).toBeNull()
  })

  for (const [bytes, name] of strangers) {
    it(`takes ${JSON.stringify(bytes.slice(0, 12))} for ${name}`, () => {
      const error = judgePreface(Buffer.from(bytes, 'latin1'))
      expect(error).toMatchObject({ reason: 'not-this-protocol', details: { looksLike: name } })
    })
  }

  it('refuses at the first wrong byte, wherever it is', () => {
    for (let index = 0; index < 6; index += 1) {
      const bytes = preface().subarray(0, index + 1)
      bytes[index] = 0xff
      expect(judgePreface(bytes)).toMatchObject({ reason: 'not-this-protocol' })
    }
  })

  it.each([
    [2, 3],
    [0, 0],
    [3, 1],
  ])('refuses a peer that speaks versions %i to %i', (lowest, highest) => {
    const bytes = preface()
    bytes.set([lowest, highest], 6)
    expect(judgePreface(bytes)).toMatchObject({ reason: 'version-mismatch' })
  })

  it.each([
    [1, 9],
    [0, 1],
  ])('agrees on version 1 with a peer that speaks %i to %i', (lowest, highest) => {
    const bytes = preface()
    bytes.set([lowest, highest], 6)
    expect(judgePreface(bytes)).toBe(1)
  })
})

const hello: HelloFields = {
  peerId: 'node-7',
  codecs: 7,
  compressions: 1,
  features: 0x8000_0001,
  maxFrameBytes: 1_024,
  maxMessageBytes: 0xffff_ffff,
  maxOpenCalls: 1,
  maxMethods: 65_535,
  services: [
    { name: 'chain', fingerprint: '0011223344556677' },
    { name: 'größe', fingerprint: 'ffeeddccbbaa9988' },
  ],
  flow: null,
}

describe('a HELLO', () => {
  it('is read as it was written', () => {
    expect(decodeHello(Buffer.concat(encodeHello(hello, 4_000)))).toEqual(hello)
  })

  it('says which windows its streams and lanes begin with, if it has any', () => {
    const flow = { maxStreams: 0, streamWindowBytes: 1, laneWindowBytes: 2 ** 31 - 1 }
    const flowing = { ...hello, features: 0b110, flow }
    expect(decodeHello(Buffer.concat(encodeHello(flowing, 4_000)))).toEqual(flowing)
  })

  it('of many services goes on in further frames, none longer than allowed', () => {
    const services = Array.from({ length: 1_000 }, (_, index) => ({
      name: `service-${index}`,
      fingerprint: '0123456789abcdef',
    }))
    const bodies = encodeHello({ ...hello, services }, 4_000)
    expect(bodies.length).toBeGreaterThan(1)
    expect(Math.max(...bodies.map(({ length }) => length))).toBeLessThanOrEqual(4_000)
    expect(decodeHello(Buffer.concat(bodies)).services).toEqual(services)
  })

  it('may carry fields of tomorrow that are marked as optional', () => {
    const body = Buffer.concat([...encodeHello(hello, 4_000), Buffer.of(0x80, 1, 0, 9)])
    expect(decodeHello(body)).toEqual(hello)
  })

  const whole = Buffer.concat(encodeHello({ ...hello, services: [] }, 4_000))
  const malformed: (readonly [string, Buffer])[] = [
    ['is empty', Buffer.alloc(0)],
    ['has an unknown field', Buffer.concat([whole, Buffer.of(8, 0, 0)])],
    ['has a field twice', Buffer.concat([whole, Buffer.of(2, 1, 0, 7)])],
    ['ends within the head of a field', Buffer.concat([whole, Buffer.of(6, 1)])],
    ['ends within a field', Buffer.concat([whole, Buffer.of(6, 200, 0, 1)])],
    ['has a service without a name', Buffer.concat([whole, Buffer.of(6, 8, 0), Buffer.alloc(8)])],
    ['has an empty peer id', Buffer.concat(encodeHello({ ...hello, peerId: '' }, 4_000))],
    ['has a peer id of 129 bytes', Buffer.concat(encodeHello({ ...hello, peerId: 'x'.repeat(129) }, 4_000))],
    ['has text that is not UTF-8', Buffer.concat([whole, Buffer.of(6, 9, 0), Buffer.alloc(8), Buffer.of(0xff)])],
    ['accepts frames too small for control', Buffer.concat(encodeHello({ ...hello, maxFrameBytes: 1_023 }, 4_000))],
    ['accepts messages too small', Buffer.concat(encodeHello({ ...hello, maxMessageBytes: 1_023 }, 4_000))],
  ]
  const flow = { maxStreams: 256, streamWindowBytes: 65_536, laneWindowBytes: 65_536 }
  const flowing = (fields: Partial<HelloFields>): Buffer =>
    Buffer.concat(encodeHello({ ...hello, features: 2, flow, ...fields }, 4_000))
  malformed.push(
    ['has windows without the feature', flowing({ features: 0 })],
    ['has the feature without windows', flowing({ flow: null })],
    ['has a window of nothing', flowing({ flow: { ...flow, laneWindowBytes: 0 } })],
    ['has a window of 2^31', flowing({ flow: { ...flow, streamWindowBytes: 2 ** 31 } })],
    ['has windows cut short', Buffer.concat([flowing({ flow: null }), Buffer.of(7, 11, 0), Buffer.alloc(11, 1)])],
  )
  for (const [what, body] of malformed) {
    it(`that ${what} is malformed`, () => {
      expect(() => decodeHello(body)).toThrow(expect.objectContaining({ reason: 'hello-malformed' }))
    })
  }

  it('cut anywhere is malformed or lacks a field, and never anything else', () => {
    for (let length = 0; length < whole.length; length += 1) {
      expect(() => decodeHello(whole.subarray(0, length) as Buffer)).toThrow(TransportError)
    }
  })
})

describe('a fault', () => {
  it('is read as it was written', () => {
    const fault = {
      processed: 'maybe',
      retryAfterMs: 4_000_000_000,
      reason: 'queue-full',
      message: 'zu voll: ü',
    } as const
    const body = encodeFault(fault)
    expect(decodeFault(body, 0, body.length)).toEqual(fault)
  })

  it('has its message cut between characters at 256 bytes', () => {
    const body = encodeFault({ processed: 'no', retryAfterMs: 0, reason: '', message: `${'x'.repeat(255)}üü` })
    expect(decodeFault(body, 0, body.length)?.message).toBe('x'.repeat(255))
  })

  it('that is cut short, too long or says something else is none', () => {
    const body = encodeFault({ processed: 'yes', retryAfterMs: 1, reason: 'deadline', message: 'late' })
    for (let length = 0; length < body.length; length += 1) expect(decodeFault(body, 0, length)).toBeNull()
    expect(decodeFault(Buffer.concat([body, Buffer.of(0)]), 0, body.length + 1)).toBeNull()
    body[0] = 3
    expect(decodeFault(body, 0, body.length)).toBeNull()
  })
})
