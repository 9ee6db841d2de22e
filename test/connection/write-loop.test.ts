import { describe, expect, it } from 'vitest'
import { sendMethod } from '../../src/connection/control-frames.js'
import { flagsOf } from '../../src/connection/message-flags.js'
import { KIND } from '../../src/wire/frame.js'
import { Writing } from './bench.js'

const RAW = { compression: { algorithm: 'none' } } as const

function body(bytes: number): Buffer {
  return Buffer.alloc(bytes, 'x')
}

describe('what one turn sends', () => {
  it('leaves at its end in one write, in the order it was sent', () => {
    const writing = new Writing()
    sendMethod(writing.loop, 7, 'm')
    writing.call(1, body(3))
    writing.answer(9, body(3))
    writing.loop.control(KIND.PING, 0, 0, 5)
    expect(writing.channel.writes).toHaveLength(0)
    writing.clock.turn()
    expect(writing.channel.gathered).toEqual([1])
    expect(writing.frames.map(({ kind }) => kind)).toEqual([KIND.METHOD, KIND.CALL, KIND.ANSWER, KIND.PING])
    expect(writing.environment.counters).toMatchObject({ writes: 1, framesSent: 4 })
    expect(writing.environment.counters.bytesSent).toBe(writing.channel.bytes.length)
    writing.channel.flush()
    expect(writing.told).toEqual(['drained'])
    expect(writing.environment.chunks.borrowed).toBe(0)
    writing.end()
  })

  it('leaves in few writes, however much it is', () => {
    const writing = new Writing()
    for (let id = 1; id <= 1_000; id += 1) writing.call(id, body(32))
    writing.clock.turn()
    expect(writing.frames.map(({ id }) => id)).toEqual(Array.from({ length: 1_000 }, (_, index) => index + 1))
    // 48 bytes each: the first write goes at 8 KiB, and every further one.
    expect(writing.channel.gathered).toHaveLength(6)
    expect(writing.environment.counters.writes).toBe(6)
    writing.end()
  })

  it('leaves a large value by reference, gathered with its header into one call of the system', () => {
    const writing = new Writing(RAW)
    const large = body(100_000)
    writing.call(1, large)
    writing.clock.turn()
    expect(writing.channel.gathered).toEqual([2])
    expect(writing.environment.counters.writes).toBe(1)
    expect(writing.frames[0]?.body.subarray(4)).toEqual(large)
    expect(writing.loop.out.copiedBytes).toBe(0)
    writing.end()
  })

  it('waits for batch.maxDelayMs where that is asked for, and not for longer', () => {
    const writing = new Writing({ batch: { maxDelayMs: 10 } })
    writing.call(1, body(1))
    writing.clock.advance(8)
    expect(writing.channel.writes).toHaveLength(0)
    writing.call(2, body(1))
    writing.clock.advance(4)
    expect(writing.frames.map(({ id }) => id)).toEqual([1, 2])
    writing.end()
  })

  it('waits for no delay where the connection itself has to say something, to grant credit, for one', () => {
    const writing = new Writing({ batch: { maxDelayMs: 10 } })
    for (const [kind, say] of [
      [KIND.PONG, () => writing.loop.control(KIND.PONG, 0, 0, 5)],
      [KIND.CREDIT, () => writing.loop.credit(1, 0, 100)],
    ] as const) {
      writing.call(1, body(1))
      say()
      writing.clock.turn()
      expect(writing.frames.map((one) => one.kind).slice(-2)).toEqual([KIND.CALL, kind])
    }
    writing.end()
  })

  it('leaves before its end as soon as batch.maxMessages are ready', () => {
    const writing = new Writing({ batch: { maxMessages: 3 } })
    for (const id of [1, 2]) writing.call(id, body(1))
    expect(writing.channel.writes).toHaveLength(0)
    writing.call(3, body(1))
    expect(writing.channel.gathered).toEqual([1])
    writing.call(4, body(1))
    writing.clock.turn()
    expect(writing.channel.gathered).toEqual([1, 1])
    writing.end()
  })

  it('leaves before its end as soon as batch.maxBytes are ready', () => {
    const writing = new Writing({ ...RAW, batch: { maxBytes: 1_024 } })
    writing.call(1, body(1_023 - 16))
    expect(writing.channel.writes).toHaveLength(0)
    writing.call(2, body(1))
    expect(writing.channel.writes.map(({ length }) => length)).toEqual([1_023 + 17])
    writing.call(3, body(1_024 - 16))
    expect(writing.channel.writes.map(({ length }) => length)).toEqual([1_023 + 17, 1_024])
    writing.end()
  })

  it('waits for company for batch.maxDelayMs, and no longer', () => {
    const writing = new Writing({ batch: { maxDelayMs: 10 } })
    writing.call(1, body(1))
    writing.clock.turn()
    writing.clock.advance(5)
    writing.call(2, body(1))
    writing.clock.turn()
    writing.clock.advance(4)
    expect(writing.channel.writes).toHaveLength(0)
    writing.clock.advance(4)
    expect(writing.channel.gathered).toEqual([1])
    expect(writing.frames.map(({ id }) => id)).toEqual([1, 2])
    writing.call(3, body(1))
    writing.end()
  })
})

describe('one-way messages', () => {
  it('travel as one ONE_WAY frame where there is one', () => {
    const writing = new Writing()
    writing.oneWay(Buffer.from('abc'), flagsOf(1, 1, false), 0x0102)
    writing.clock.turn()
    expect(writing.channel.bytes.toString('hex')).toBe('0b000000' + '07' + '21' + '0201' + '00000000' + '616263')
    writing.end()
  })

  it('travel as one BATCH frame where there are two, a little-endian length in front of each', () => {
    const writing = new Writing()
    writing.oneWay(Buffer.from('abc'), flagsOf(1, 1, false), 0x0102)
    writing.oneWay(Buffer.from('de'), flagsOf(1, 1, false), 0x0102)
    writing.clock.turn()
    expect(writing.channel.bytes.toString('hex')).toBe(
      '15000000' + '08' + '21' + '0201' + '00000000' + '03000000' + '616263' + '02000000' + '6465',
    )
    writing.end()
  })

  it('make 10 BATCH frames of 100 where 1,000 of them are sent in one turn with batch.maxMessages of 100', () => {
    const writing = new Writing({ ...RAW, batch: { maxMessages: 100 } })
    for (let n = 0; n < 1_000; n += 1) writing.oneWay(Buffer.from(String(n).padStart(4)))
    writing.clock.turn()
    expect(writing.frames.map(({ kind }) => kind)).toEqual(Array.from({ length: 10 }, () => KIND.BATCH))
    expect(writing.frames.map(({ body }) => body.length)).toEqual(Array.from({ length: 10 }, () => 100 * 8))
    const texts = writing.frames.flatMap(({ body }) => {
      return Array.from({ length: body.length / 8 }, (_, index) => body.toString('latin1', index * 8, index * 8 + 8))
    })
    expect(texts).toEqual(Array.from({ length: 1_000 }, (_, n) => '\x04\0\0\0' + String(n).padStart(4)))
    expect(writing.environment.counters.framesSent).toBe(10)
    writing.end()
  })

  it.each([
    ['method', flagsOf(1, 1, false), 8],
    ['lane', flagsOf(1, 2, false), 7],
    ['codec', flagsOf(2, 1, false), 7],
  ])('of another %s begin another frame', (_, flags, method) => {
    const writing = new Writing()
    for (const text of ['a', 'b']) writing.oneWay(Buffer.from(text), flagsOf(1, 1, false), 7)
    for (const text of ['c', 'd']) writing.oneWay(Buffer.from(text), flags, method)
    writing.oneWay(Buffer.from('e'), flagsOf(1, 1, false), 7)
    writing.clock.turn()
    expect(writing.frames.map(({ kind }) => kind)).toEqual([KIND.BATCH, KIND.BATCH, KIND.ONE_WAY])
    expect(writing.frames.map((frame) => [frame.flags, frame.aux])).toEqual([
      [flagsOf(1, 1, false), 7],
      [flags, method],
      [flagsOf(1, 1, false), 7],
    ])
    writing.end()
  })

  it('with metadata travel alone', () => {
    const writing = new Writing()
    for (const text of ['a', 'b', 'c']) {
      writing.loop.beginOneWay(flagsOf(1, 1, true), 7)
      writing.loop.putMetadata(Buffer.of(0, 0))
      writing.loop.out.put(Buffer.from(text))
      writing.loop.endOneWay()
    }
    writing.clock.turn()
    expect(writing.frames.map(({ kind, body }) => [kind, body.toString()])).toEqual(
      ['a', 'b', 'c'].map((text) => [KIND.ONE_WAY, '\0\0' + text]),
    )
    writing.end()
  })

  it('keep their place among calls', () => {
    const writing = new Writing()
    writing.oneWay(Buffer.from('a'))
    writing.call(1, body(1))
    writing.oneWay(Buffer.from('b'))
    writing.oneWay(Buffer.from('c'))
    writing.clock.turn()
    expect(writing.frames.map(({ kind }) => kind)).toEqual([KIND.ONE_WAY, KIND.CALL, KIND.BATCH])
    writing.end()
  })

  it('of 4 KiB and more travel alone, by reference, behind those that were sent before', () => {
    const writing = new Writing(RAW)
    const large = body(4_096)
    for (const one of [body(1), body(1), large, body(1)]) writing.oneWay(one)
    writing.clock.turn()
    expect(writing.frames.map(({ kind, body }) => [kind, body.length])).toEqual([
      [KIND.BATCH, 10],
      [KIND.ONE_WAY, 4_096],
      [KIND.ONE_WAY, 1],
    ])
    writing.end()
  })
})

describe('a message that is taken back', () => {
  it.each([0, 1, 2, 3])('leaves no trace in a batch that has %i others', (others) => {
    const [writing, pristine] = [new Writing(), new Writing()]
    for (const one of [writing, pristine]) {
      for (let n = 0; n < others; n += 1) one.oneWay(Buffer.from(`before ${n}`))
      if (one === writing) {
        one.loop.beginOneWay(0, 7)
        one.loop.out.put(body(100))
        one.loop.abandon()
      }
      // After a first message taken back, and with one before it, the open frame has the form of a batch already.
      for (let n = 0; n < 2; n += 1) one.oneWay(Buffer.from(`after ${n}`))
      one.clock.turn()
    }
    expect(writing.channel.bytes.toString('latin1')).toBe(pristine.channel.bytes.toString('latin1'))
    writing.end()
    pristine.end()
  })

  it('leaves a batch of one readable', () => {
    const writing = new Writing()
    writing.oneWay(Buffer.from('abc'))
    writing.loop.beginOneWay(0, 7)
    writing.loop.out.put(body(5_000))
    writing.loop.abandon()
    writing.clock.turn()
    expect(writing.frames.map(({ kind, body }) => [kind, body.toString('latin1')])).toEqual([
      [KIND.BATCH, '\x03\0\0\0abc'],
    ])
    writing.end()
  })

  it('that is open when the loop closes is forgotten with its batch', () => {
    const writing = new Writing()
    writing.oneWay(Buffer.from('abc'))
    writing.loop.beginOneWay(0, 7)
    writing.loop.out.put(Buffer.from('de'))
    writing.loop.close()
    writing.loop.endOneWay()
    expect([writing.loop.encoding, writing.loop.queuedBytes]).toEqual([false, 0])
    writing.end()
  })

  it('leaves no trace of a call, small or by reference, and the next one goes out', () => {
    const writing = new Writing(RAW)
    for (const bytes of [10, 10_000]) {
      writing.loop.beginCall(0, 7, 1, 0)
      writing.loop.out.put(body(bytes))
      writing.loop.abandon()
      expect([writing.loop.encoding, writing.loop.queuedBytes]).toEqual([false, 0])
    }
    writing.clock.turn()
    expect(writing.channel.writes).toHaveLength(0)
    writing.call(2, body(1))
    writing.clock.turn()
    expect(writing.frames.map(({ id }) => id)).toEqual([2])
    writing.end()
  })

  it.each([
    ['frame', 'maxFrameBytes', 1_024 - 12],
    ['message', 'maxMessageBytes', 1_024],
  ] as const)('is one over the %s limit of the peer, and one at it is not', (what, limit, most) => {
    const writing = new Writing(RAW)
    writing.loop[limit] = 1_024
    writing.call(1, body(most))
    expect(() => writing.call(2, body(most + 1))).toThrow(
      expect.objectContaining({ reason: 'message-too-large', message: expect.stringContaining(`a ${what} of`) }),
    )
    writing.call(3, body(1))
    writing.clock.turn()
    expect(writing.frames.map(({ id, body: { length } }) => [id, length])).toEqual([
      [1, most + 4],
      [3, 5],
    ])
    expect(writing.environment.counters.failures['message-too-large']).toBe(1)
    writing.end()
  })
})
