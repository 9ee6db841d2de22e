import { describe, expect, it } from 'vitest'
import { failure } from '../../src/base/errors.js'
import { encodeFault } from '../../src/wire/fault.js'
import { KIND } from '../../src/wire/frame.js'
import { preface } from '../../src/wire/preface.js'
import { callFrame, type Frame, faultOf, frame, helloFrame, methodFrame } from '../fixtures/raw-peer.js'
import { Talk } from './bench.js'

const KiB = 1024

/** The body of a HELLO with a field that may be skipped, so that it has so many bytes. */
function paddedHello(bytes: number): Buffer {
  const hello = helloFrame().subarray(12)
  const padding = Buffer.alloc(bytes - hello.length)
  padding.writeUInt8(0x80, 0)
  padding.writeUInt16LE(padding.length - 3, 1)
  return Buffer.concat([hello, padding])
}

/** Padding alone, as a part of a HELLO that goes on. */
function helloPart(bytes: number): Buffer {
  const body = Buffer.alloc(bytes)
  body.writeUInt8(0x80, 0)
  body.writeUInt16LE(bytes - 3, 1)
  return frame(KIND.HELLO, { flags: 0x80, body })
}

/** The one frame that was sent after HELLO: the peer is told which rule it broke. */
function goAway(frames: readonly Frame[]): string {
  const last = frames.at(-1)
  expect(last?.kind).toBe(KIND.GO_AWAY)
  return faultOf(last as Frame).reason
}

const GARBAGE: readonly [string, Buffer, string][] = [
  ['HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: here\r\n\r\n'), 'HTTP'],
  ['HTTP/2', Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), 'HTTP/2'],
  ['an HTTP answer', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'), 'an HTTP answer'],
  ['TLS', Buffer.from('1603010200010001fc0303', 'hex'), 'a TLS handshake'],
  ['SSH', Buffer.from('SSH-2.0-OpenSSH_9.6\r\n'), 'SSH'],
  ['zeros', Buffer.alloc(1_000), 'nothing known'],
  ['a single wrong byte', Buffer.from('B'), 'nothing known'],
  ['a preface that went through a text mode', Buffer.from('ALYS\n\x01\x01'), 'nothing known'],
]

describe.each([
  ['accepted', 5_000],
  ['dialled', 0],
])('a connection that was %s', (_, handshakeMs) => {
  it('says its preface and HELLO at once, in one write', () => {
    const talk = new Talk({}, handshakeMs)
    expect(talk.channel.writes).toHaveLength(1)
    expect(talk.channel.bytes.subarray(0, 8)).toEqual(preface())
    expect(talk.sent.map(({ kind }) => kind)).toEqual([KIND.HELLO])
    talk.end()
  })

  it('is ready with the HELLO of the peer, and idle then: nothing armed, no buffer held', () => {
    const talk = Talk.ready({}, {}, handshakeMs)
    expect([talk.connection.state, talk.connection.info().peerId]).toEqual(['ready', 'raw-peer'])
    expect(talk.environment.wheel.armed).toBe(0)
    expect(talk.environment.ledger.current).toBe(0)
    talk.end()
  })

  it('gets ready whatever the cuts between bytes, and hears what comes right behind the HELLO', () => {
    const bytes = Buffer.concat([preface(), helloFrame(), methodFrame(1, 'm'), callFrame(1, 1, null)])
    for (let cut = 1; cut < bytes.length; cut += 1) {
      const talk = new Talk({}, handshakeMs)
      talk.channel.say(bytes.subarray(0, cut))
      talk.channel.say(bytes.subarray(cut))
      expect(talk.heard.map(([what]) => what)).toEqual(['ready', 'method', 'call'])
      talk.end()
    }
    const talk = new Talk({}, handshakeMs)
    for (const byte of bytes) talk.channel.say(Buffer.of(byte))
    expect(talk.heard.map(([what]) => what)).toEqual(['ready', 'method', 'call'])
    talk.end()
  })

  it.each(GARBAGE)('is closed where the peer speaks %s', (_name, bytes, looksLike) => {
    const talk = new Talk({}, handshakeMs)
    const before = talk.channel.writes.length
    talk.channel.say(bytes)
    expect([talk.connection.state, talk.channel.destroyed, talk.channel.writes.length]).toEqual([
      'closed',
      true,
      before,
    ])
    talk.channel.flush()
    expect([talk.reason, talk.errors[0]?.details['looksLike']]).toEqual(['not-this-protocol', looksLike])
    expect(talk.environment.counters.failures['not-this-protocol']).toBe(1)
    talk.end()
  })

  it('is closed where the peer speaks other versions only', () => {
    const talk = new Talk({}, handshakeMs)
    talk.channel.say(Buffer.concat([preface().subarray(0, 6), Buffer.of(2, 3)]))
    talk.channel.flush()
    expect(talk.reason).toBe('version-mismatch')
    talk.end()
  })

  it.each([
    ['a METHOD', methodFrame(1, 'm'), 'frame-unexpected'],
    ['a CALL', callFrame(1, 1, null), 'frame-unexpected'],
    ['a PING', frame(KIND.PING), 'frame-unexpected'],
    ['a CANCEL', frame(KIND.CANCEL, { id: 1 }), 'frame-unexpected'],
    ['an unknown frame', frame(0x7f), 'frame-unknown'],
    ['a HELLO of nothing', frame(KIND.HELLO), 'hello-malformed'],
  ])('is closed where %s comes before the HELLO, and says why', (_name, bytes, reason) => {
    const talk = new Talk({}, handshakeMs)
    talk.channel.say(preface(), bytes, helloFrame())
    expect([talk.connection.state, talk.channel.ended, goAway(talk.sent)]).toEqual(['closed', true, reason])
    talk.channel.cut(null)
    expect(talk.reason).toBe(reason)
    talk.end()
  })

  it('takes a HELLO frame of 4 KiB, and none that is longer', () => {
    const good = new Talk({}, handshakeMs)
    good.channel.say(preface(), frame(KIND.HELLO, { body: paddedHello(4 * KiB - 8) }))
    expect(good.connection.state).toBe('ready')
    good.end()
    const bad = new Talk({}, handshakeMs)
    // The header alone is enough to say so.
    bad.channel.say(preface(), frame(KIND.HELLO, { body: paddedHello(4 * KiB - 7) }).subarray(0, 12))
    expect(goAway(bad.sent)).toBe('hello-too-large')
    bad.channel.cut(null)
    expect([bad.reason, bad.environment.counters.failures['frame-too-large']]).toEqual(['hello-too-large', 0])
    bad.end()
  })

  it('takes a HELLO of 64 KiB in parts, and none that is longer', () => {
    const last = helloFrame()
    const parts = Array.from({ length: 16 }, () => helloPart(4_000))
    for (const [more, state] of [
      [0, 'ready'],
      [1, 'closed'],
    ] as const) {
      const talk = new Talk({}, handshakeMs)
      const left = 64 * KiB - 16 * 4_000 - (last.length - 12) + more
      talk.channel.say(preface(), ...parts, helloPart(left), last)
      expect(talk.connection.state).toBe(state)
      if (state === 'closed') expect(goAway(talk.sent)).toBe('hello-too-large')
      talk.end()
    }
  })

  it('is closed at a second HELLO', () => {
    const talk = Talk.ready({}, {}, handshakeMs)
    talk.channel.say(helloFrame())
    expect([talk.reason, talk.channel.ended, goAway(talk.sent)]).toEqual(['frame-unexpected', true, 'frame-unexpected'])
    talk.end()
  })

  it.each([
    ['PONG', KIND.PONG, 'frame-unexpected'],
    ['ACK', KIND.ACK, 'frame-malformed'],
    ['STREAM_OPEN', KIND.STREAM_OPEN, 'frame-unexpected'],
    ['STREAM_DATA', KIND.STREAM_DATA, 'frame-unexpected'],
    ['STREAM_END', KIND.STREAM_END, 'frame-unexpected'],
    ['STREAM_RESET', KIND.STREAM_RESET, 'frame-unexpected'],
    ['CREDIT', KIND.CREDIT, 'frame-unexpected'],
    ['no known kind: 0', 0, 'frame-unknown'],
    ['no known kind: 0x7f', 0x7f, 'frame-unknown'],
  ])('is closed at a frame of %s', (_name, kind, reason) => {
    const talk = Talk.ready({}, {}, handshakeMs)
    talk.channel.say(frame(kind), callFrame(1, 1, null))
    expect([talk.reason, talk.channel.ended, goAway(talk.sent)]).toEqual([reason, true, reason])
    expect(talk.heard.map(([what]) => what)).toEqual(['closed'])
    talk.end()
  })

  it.each([0x80, 0xff])('skips a frame of the optional kind %i', (kind) => {
    const talk = Talk.ready({}, {}, handshakeMs)
    talk.channel.say(frame(kind, { id: 9, aux: 9, body: Buffer.alloc(5_000) }), callFrame(1, 1, null))
    expect(talk.heard.map(([what]) => what)).toEqual(['call'])
    expect(talk.connection.state).toBe('ready')
    talk.end()
  })

  it('takes a frame of limits.maxFrameBytes, and judges a longer one on its header', () => {
    const talk = Talk.ready({ limits: { maxFrameBytes: 8 * KiB } }, {}, handshakeMs)
    talk.channel.say(frame(KIND.ONE_WAY, { body: Buffer.alloc(8 * KiB - 8) }))
    expect(talk.heard.map(([what]) => what)).toEqual(['one-way'])
    talk.channel.say(frame(KIND.ONE_WAY, { body: Buffer.alloc(8 * KiB - 7) }).subarray(0, 4))
    expect([talk.reason, goAway(talk.sent)]).toEqual(['frame-too-large', 'frame-too-large'])
    talk.end()
  })

  it('is closed at a length that is smaller than a header', () => {
    const talk = Talk.ready({}, {}, handshakeMs)
    talk.channel.say(Buffer.from('070000000a00', 'hex'))
    expect([talk.reason, goAway(talk.sent)]).toEqual(['frame-too-small', 'frame-too-small'])
    talk.end()
  })

  it('hears a GO_AWAY with the last id that was accepted, and lets open calls go on', () => {
    const talk = Talk.ready({}, {}, handshakeMs)
    const fault = encodeFault({ processed: 'no', retryAfterMs: 0, reason: 'closed', message: 'bye' })
    talk.channel.say(frame(KIND.GO_AWAY, { id: 42, body: fault }), frame(KIND.ANSWER, { id: 41 }))
    expect(talk.heard).toEqual([
      ['go-away', 42, 'closed'],
      ['answer', 41, 0, ''],
    ])
    expect([talk.connection.state, talk.channel.ended]).toEqual(['draining', false])
    talk.end()
  })

  it('says GO_AWAY with the last id that it accepted, also after the peer said so', () => {
    const talk = Talk.ready({}, {}, handshakeMs)
    const fault = encodeFault({ processed: 'no', retryAfterMs: 0, reason: 'closed', message: 'bye' })
    talk.channel.say(frame(KIND.GO_AWAY, { id: 3, body: fault }))
    talk.connection.leave(7, failure('closed', 'bye'))
    talk.pass()
    expect(talk.sent.map(({ kind, aux, id }) => [kind, aux, id])).toEqual([[KIND.GO_AWAY, 0, 7]])
    expect([talk.connection.state, talk.channel.ended]).toEqual(['draining', false])
    talk.end()
  })

  it.each([
    ['for cause', frame(KIND.GO_AWAY, { aux: 8, body: encodeFault(broken('too-many-pings')) }), 'too-many-pings'],
    ['that cannot be read', frame(KIND.GO_AWAY, { body: Buffer.alloc(3) }), 'frame-malformed'],
  ])('ends at a GO_AWAY %s', (_name, bytes, reason) => {
    const talk = Talk.ready({}, {}, handshakeMs)
    talk.channel.say(bytes)
    expect([talk.reason, talk.channel.ended]).toEqual([reason, true])
    talk.end()
  })

  it('that was refused before it was ready knows why', () => {
    const talk = new Talk({}, handshakeMs)
    const body = encodeFault(broken('too-many-connections'))
    talk.channel.say(preface(), frame(KIND.GO_AWAY, { aux: 8, body }))
    talk.channel.cut(null)
    expect([talk.reason, talk.errors[0]?.origin]).toEqual(['too-many-connections', 'peer'])
    talk.end()
  })
})

function broken(reason: string): Parameters<typeof encodeFault>[0] {
  return { processed: 'maybe', retryAfterMs: 0, reason, message: 'no more' }
}
