import { describe, expect, it } from 'vitest'
import { failure } from '../../src/base/errors.js'
import type { Stream } from '../../src/connection/stream.js'
import type { Talk } from './bench.js'
import {
  block,
  creditFrame,
  expectNone,
  endFrame as frameOfEnd,
  Noting,
  open,
  sent,
  talking,
  write,
} from './stream-bench.js'

const KiB = 1_024

/** Streams whose credit a first message has used up, on a connection that holds 4 KiB of what waits. */
class Crowd {
  readonly talk: Talk
  readonly sinks: Noting[] = []
  readonly streams: Stream[] = []

  constructor(count: number) {
    this.talk = talking(true, { limits: { maxQueuedBytes: 4 * KiB }, mailbox: { maxBytes: 64 * KiB } }, 1)
    for (let at = 0; at < count; at += 1) {
      const sink = new Noting()
      this.sinks.push(sink)
      const stream = open(this.talk, sink)
      write(stream, 'first')
      this.streams.push(stream)
    }
    this.talk.pass()
    this.talk.channel.writes.length = 0
  }

  /** Of the streams, by the order in which they were opened. */
  writes(at: number, value: string | Buffer): boolean {
    return write(this.streams[at] as Stream, value)
  }

  grants(at: number, bytes: number): void {
    this.talk.channel.say(creditFrame((this.streams[at] as Stream).id, bytes))
    this.talk.pass()
  }

  end(): void {
    for (const { id } of this.streams) this.talk.channel.say(frameOfEnd(id))
    this.talk.pass()
    expectNone(this.talk)
    this.talk.end()
  }
}

describe('where the streams of a connection hold all that they may', () => {
  it('a writer who was never told to wait is let wait, and its message goes when it may', () => {
    const crowd = new Crowd(2)
    expect(crowd.writes(0, Buffer.alloc(4 * KiB))).toBe(false)
    expect(crowd.writes(1, 'second')).toBe(false)
    crowd.grants(1, 100)
    expect(sent(crowd.talk)).toEqual(['data 3 second'])
    expect(crowd.sinks[1]?.heard).toEqual(['room'])
    crowd.end()
  })

  it('costs no bytes for those who wait beyond that, however many they are', () => {
    const crowd = new Crowd(20)
    for (let at = 0; at < 20; at += 1) crowd.writes(at, Buffer.alloc(4 * KiB))
    expect(crowd.talk.connection.info().queuedBytes).toBe(4 * KiB)
    for (let at = 0; at < 20; at += 1) crowd.grants(at, 8 * KiB)
    expect(sent(crowd.talk)).toHaveLength(20)
    expect(crowd.talk.connection.info().queuedBytes).toBe(0)
    crowd.end()
  })

  it('whoever goes on though it was told to wait is refused', () => {
    const crowd = new Crowd(2)
    crowd.writes(0, Buffer.alloc(4 * KiB))
    crowd.writes(1, 'second')
    expect(() => crowd.writes(1, 'third')).toThrow(expect.objectContaining({ reason: 'queue-full' }))
    expect(() => crowd.writes(0, 'third')).toThrow(expect.objectContaining({ reason: 'queue-full' }))
    expect(crowd.talk.environment.counters.failures['queue-full']).toBe(2)
    crowd.grants(1, 100)
    expect(sent(crowd.talk)).toEqual(['data 3 second'])
    crowd.end()
  })

  it('a message that comes a byte below the bound waits as bytes, and is counted', () => {
    const crowd = new Crowd(2)
    crowd.writes(0, Buffer.alloc(4 * KiB - 1))
    expect(crowd.writes(1, Buffer.alloc(8))).toBe(false)
    expect(crowd.talk.connection.info().queuedBytes).toBe(4 * KiB + 7)
    crowd.end()
  })

  it('the end of a stream goes behind the message that waits', () => {
    const crowd = new Crowd(2)
    crowd.writes(0, Buffer.alloc(4 * KiB))
    crowd.writes(1, 'second')
    crowd.streams[1]?.end()
    expect(sent(crowd.talk)).toEqual([])
    crowd.grants(1, 100)
    expect(sent(crowd.talk)).toEqual(['data 3 second', 'end 3'])
    crowd.end()
  })

  it('a message that cannot be encoded when its turn comes is told, and its stream goes on', () => {
    const crowd = new Crowd(2)
    crowd.writes(0, Buffer.alloc(4 * KiB))
    const bad = {
      encode: () => {
        throw new Error('no such value')
      },
    }
    expect(crowd.streams[1]?.write(1 << 5, bad, null)).toBe(false)
    crowd.grants(1, 100)
    expect(crowd.sinks[1]?.heard).toEqual(['not sent: no such value'])
    expect(crowd.writes(1, 'third')).toBe(true)
    crowd.talk.pass()
    expect(sent(crowd.talk)).toEqual(['data 3 third'])
    expect(crowd.talk.environment.counters.streamMessagesSent).toBe(4)
    crowd.end()
  })

  it('a message that waits is dropped when its stream is given up', () => {
    const crowd = new Crowd(2)
    crowd.writes(0, Buffer.alloc(4 * KiB))
    crowd.writes(1, 'second')
    crowd.talk.channel.say(frameOfEnd(3))
    crowd.talk.pass()
    expect(sent(crowd.talk)).toEqual([])
    crowd.end()
  })
})

describe('large messages of many streams', () => {
  const LARGE = 300 * KiB

  it('go into the outbox one at a time, and the others wait with their streams', () => {
    const talk = talking(true, { limits: { maxQueuedBytes: 64 * 1_024 * KiB } }, 1)
    const sinks = Array.from({ length: 4 }, () => new Noting())
    const streams = sinks.map((sink) => open(talk, sink))
    for (const stream of streams) write(stream, 'first')
    talk.pass()
    for (const stream of streams) write(stream, Buffer.alloc(LARGE))
    block(talk)
    for (const { id } of streams) talk.channel.say(creditFrame(id, LARGE))
    // It has room for one write, and none for the next.
    talk.channel.take()
    // One is on its way in parts; of the others nobody has made a second copy.
    expect(talk.connection.writes.queuedBytes).toBeLessThan(2 * LARGE)
    talk.channel.full = false
    for (let turns = 0; turns < 100; turns += 1) {
      talk.channel.flush()
      talk.pass()
    }
    expect(sent(talk).filter((one) => one.endsWith(' last'))).toEqual(streams.map(({ id }) => `data ${id} last`))
    for (const { id } of streams) talk.channel.say(frameOfEnd(id))
    talk.pass()
    expectNone(talk)
    talk.end()
  })

  it('are taken back when their stream is given up amid its parts, and the next one follows', () => {
    const talk = talking(true, {}, 1)
    const [one, two] = [open(talk, new Noting()), open(talk, new Noting())]
    for (const stream of [one, two]) write(stream, 'first')
    talk.pass()
    for (const stream of [one, two]) write(stream, Buffer.alloc(LARGE))
    talk.channel.writes.length = 0
    talk.channel.full = true
    for (const { id } of [one, two]) talk.channel.say(creditFrame(id, LARGE))
    talk.pass()
    one.reset(failure('cancelled', 'enough'))
    talk.channel.full = false
    for (let turns = 0; turns < 100; turns += 1) {
      talk.channel.flush()
      talk.pass()
    }
    expect(sent(talk)).toContain('part taken back')
    expect(sent(talk)).toContain('data 3 last')
    expect(sent(talk)).not.toContain('data 1 last')
    for (const { id } of [one, two]) talk.channel.say(frameOfEnd(id))
    talk.pass()
    talk.end()
  })
})
