import { describe, expect, it } from 'vitest'
import { compressBlock } from '../../src/compression/lz4.js'
import { FLAG, KIND } from '../../src/wire/frame.js'
import { type Frame, frame, u32 } from '../fixtures/raw-peer.js'
import { type Options, Talk } from './bench.js'

const MiB = 1024 * 1024

function oneWay(text: string): Buffer {
  return frame(KIND.ONE_WAY, { aux: 1, body: Buffer.from(text) })
}

function batch(texts: readonly string[], compressed = false): Buffer {
  const body = Buffer.concat(texts.flatMap((text) => [u32(text.length), Buffer.from(text)]))
  const parts: Partial<Frame> = compressed ? { flags: FLAG.COMPRESSED, body: compressBlock(body) } : { body }
  return frame(KIND.BATCH, { aux: 1, ...parts })
}

function numbers(count: number, from = 0): string[] {
  return Array.from({ length: count }, (_, index) => String(from + index))
}

function texts({ heard }: Talk): unknown[] {
  return heard.filter(([what]) => what === 'one-way').map((one) => one[3])
}

function ready(options: Options = {}): Talk {
  return Talk.ready(options, { compressions: 1 })
}

describe('one turn', () => {
  it.each([
    ['frames', (all: string[]) => Buffer.concat(all.map(oneWay))],
    ['messages of a batch', (all: string[]) => batch(all)],
    ['messages of a compressed batch', (all: string[]) => batch(all, true)],
  ])('delivers 1,024 %s, and the rest in later turns, in order', (_, bytesOf) => {
    const talk = ready()
    const all = numbers(3_000)
    talk.channel.say(bytesOf(all))
    expect(texts(talk)).toEqual(all.slice(0, 1_024))
    expect(talk.channel.paused).toBe(true)
    talk.clock.turn()
    expect(texts(talk)).toEqual(all.slice(0, 2_048))
    talk.clock.turn()
    expect(texts(talk)).toEqual(all)
    expect(talk.channel.paused).toBe(false)
    expect(talk.environment.counters.turnsYielded).toBe(2)
    talk.end()
  })

  it('delivers as many messages as the limit, and yields with the last of them', () => {
    const talk = ready({ limits: { maxMessagesPerTurn: 10 } })
    talk.channel.say(Buffer.concat(numbers(9).map(oneWay)))
    expect(talk.environment.counters.turnsYielded).toBe(0)
    talk.channel.say(Buffer.concat(numbers(10, 9).map(oneWay)))
    expect(texts(talk)).toEqual(numbers(19))
    expect([talk.environment.counters.turnsYielded, talk.channel.paused]).toEqual([1, true])
    talk.clock.turn()
    expect(talk.channel.paused).toBe(false)
    talk.end()
  })

  it('ends after 4 ms of delivering, looked at every 16 messages', () => {
    const talk = ready()
    // The turn of the HELLO is over.
    talk.clock.stall(5)
    const all = numbers(200)
    talk.onMessage = () => talk.clock.stall(0.0625)
    talk.channel.say(Buffer.concat(all.map(oneWay)))
    expect(texts(talk)).toEqual(all.slice(0, 64))
    talk.clock.turn()
    expect(texts(talk)).toEqual(all.slice(0, 128))
    talk.clock.turn()
    talk.clock.turn()
    expect(texts(talk)).toEqual(all)
    talk.end()
  })

  it('does not end on time alone when what is delivered is fast', () => {
    const talk = ready()
    talk.onMessage = () => talk.clock.stall(0.003)
    talk.channel.say(Buffer.concat(numbers(1_000).map(oneWay)))
    expect(texts(talk)).toHaveLength(1_000)
    expect(talk.environment.counters.turnsYielded).toBe(0)
    talk.end()
  })

  it('keeps the order of a batch that was cut, of the frames behind it and of what came meanwhile', () => {
    const talk = ready({ limits: { maxMessagesPerTurn: 4 } })
    const bytes = Buffer.concat([oneWay('0'), batch(numbers(9, 1)), oneWay('10'), batch(numbers(3, 11)), oneWay('14')])
    talk.channel.say(bytes)
    expect(texts(talk)).toEqual(numbers(4))
    // What the system had read already is heard although the channel is paused.
    const late = oneWay('15')
    talk.connection.onBytes(late, late.length)
    expect(texts(talk)).toEqual(numbers(4))
    for (let delivered = 8; delivered < 16; delivered += 4) {
      talk.clock.turn()
      expect(texts(talk)).toEqual(numbers(delivered))
    }
    talk.clock.turn()
    expect(texts(talk)).toEqual(numbers(16))
    talk.clock.turn()
    expect(talk.channel.paused).toBe(false)
    talk.end()
  })

  it('does not deliver what is left after the connection was closed', () => {
    const talk = ready({ limits: { maxMessagesPerTurn: 4 } })
    talk.channel.say(batch(numbers(20)))
    talk.channel.cut(null)
    talk.clock.turn()
    talk.clock.turn()
    expect(texts(talk)).toEqual(numbers(4))
    talk.end()
  })
})

describe('bytes inflated', () => {
  const LIMITS = { inflatedBytesPerSecond: MiB, maxMessageBytes: 4 * MiB }
  const block = frame(KIND.ONE_WAY, { aux: 1, flags: FLAG.COMPRESSED, body: compressBlock(Buffer.alloc(MiB, 'x')) })

  it('beyond the share of the peer pause reading until the debt is repaid', () => {
    const talk = ready({ limits: LIMITS })
    talk.channel.say(block)
    expect([texts(talk).length, talk.channel.paused]).toEqual([1, false])
    talk.channel.say(block, oneWay('after'))
    // Delivered, since it is inflated; nothing after it.
    expect([texts(talk).length, talk.channel.paused]).toEqual([2, true])
    expect(talk.environment.counters).toMatchObject({ readsThrottled: 1, inflatedBodies: 2, inflatedBytes: 2 * MiB })
    talk.clock.advance(998)
    expect([texts(talk).length, talk.channel.paused]).toEqual([2, true])
    talk.clock.advance(4)
    expect([texts(talk).at(-1), talk.channel.paused]).toEqual(['after', false])
    talk.end()
  })

  it('within its share, second after second, pause nothing', () => {
    const talk = ready({ limits: LIMITS })
    for (let second = 0; second < 10; second += 1) {
      talk.channel.say(block)
      talk.clock.advance(1_000)
    }
    expect(talk.environment.counters).toMatchObject({ readsThrottled: 0, readPauses: 0, inflatedBodies: 10 })
    talk.end()
  })

  it('leave no timer behind where the connection ends while it is paused', () => {
    const talk = ready({ limits: LIMITS })
    talk.channel.say(block, block)
    expect(talk.channel.paused).toBe(true)
    talk.end()
  })
})

describe('reasons to pause', () => {
  it('add up: reading goes on when the last one is gone', () => {
    const talk = ready()
    talk.connection.pauseReading(4)
    talk.connection.pauseReading(8)
    talk.connection.pauseReading(8)
    talk.channel.say(oneWay('waits'))
    talk.connection.resumeReading(8)
    talk.connection.resumeReading(8)
    talk.channel.flush()
    expect([texts(talk), talk.channel.paused]).toEqual([[], true])
    talk.connection.resumeReading(4)
    talk.channel.flush()
    expect([texts(talk), talk.channel.paused]).toEqual([['waits'], false])
    expect(talk.environment.counters.readPauses).toBe(1)
    talk.end()
  })

  it('that a message gives stop reading right behind it, also within a batch', () => {
    const talk = ready()
    talk.onMessage = () => talk.connection.pauseReading(8)
    talk.channel.say(batch(['a', 'b', 'c']))
    expect(texts(talk)).toEqual(['a'])
    talk.connection.resumeReading(8)
    expect(texts(talk)).toEqual(['a', 'b'])
    talk.connection.resumeReading(8)
    talk.connection.resumeReading(8)
    expect([texts(talk), talk.channel.paused]).toEqual([['a', 'b', 'c'], false])
    talk.end()
  })
})

describe('what is malformed', () => {
  it.each([
    ['a batch whose last message is too long', frame(KIND.BATCH, { body: Buffer.concat([u32(2), Buffer.from('x')]) })],
    ['a batch that ends within a length', frame(KIND.BATCH, { body: Buffer.alloc(3) })],
    ['a CALL without its deadline', frame(KIND.CALL, { id: 1, body: Buffer.alloc(3) })],
    ['metadata without its length', frame(KIND.ONE_WAY, { flags: FLAG.METADATA, body: Buffer.alloc(1) })],
    ['metadata beyond its frame', frame(KIND.ONE_WAY, { flags: FLAG.METADATA, body: Buffer.of(9, 0, 0) })],
    ['an ERROR in parts', frame(KIND.ERROR, { flags: FLAG.MORE })],
    ['an ERROR that cannot be read', frame(KIND.ERROR, { id: 1 })],
  ])('ends the connection: %s', (_, bytes) => {
    const talk = ready()
    talk.channel.say(bytes, oneWay('after'))
    expect([talk.reason, talk.channel.ended, texts(talk)]).toEqual(['frame-malformed', true, []])
    talk.end()
  })
})
