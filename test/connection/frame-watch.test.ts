import { describe, expect, it } from 'vitest'
import { KIND } from '../../src/wire/frame.js'
import { frame } from '../fixtures/raw-peer.js'
import { type Options, Talk } from './bench.js'

const KiB = 1024

/** A frame of so many bytes, header included. */
function frameOf(bytes: number): Buffer {
  return frame(KIND.ONE_WAY, { aux: 1, body: Buffer.alloc(bytes - 12) })
}

/** A ready connection that has read the first bytes of a frame. */
function within(bytes: number, first: number, options: Options = {}): { talk: Talk; rest: Buffer } {
  const talk = Talk.ready(options)
  const whole = frameOf(bytes)
  talk.channel.say(whole.subarray(0, first))
  return { talk, rest: whole.subarray(first) }
}

describe('a frame that does not complete', () => {
  it.each([
    ['a large one ends the connection after 30 s', 1024 * KiB, 100_000, 30_000],
    ['one whose length alone is known is judged by it', 1024 * KiB, 4, 30_000],
    ['one of 10 KiB has 5 s, and 1 s for each KiB', 10 * KiB, 10 * KiB - 1, 15_000],
    ['one of 1 KiB has 6 s', KiB, 100, 6_000],
    // Header and all it is 12 bytes at least.
    ['one of which not even the length is known has 5 s', KiB, 3, 5_012],
  ])('%s', (_, bytes, first, allowedMs) => {
    const { talk, rest } = within(bytes, first)
    talk.clock.advance(allowedMs - 4)
    expect(talk.connection.state).toBe('ready')
    talk.clock.advance(8)
    expect(talk.reason).toBe('frame-stalled')
    expect(talk.errors[0]?.details).toMatchObject({ partialBytes: first })
    expect([talk.channel.ended, talk.environment.counters.failures['frame-stalled']]).toEqual([true, 1])
    talk.channel.say(rest)
    expect(talk.heard.map(([what]) => what)).toEqual(['closed'])
    talk.end()
  })

  it('has as long as limits.frameMs and limits.minFrameBytesPerSecond say', () => {
    const short = within(64 * KiB, 100, { limits: { frameMs: 50 } })
    short.talk.clock.advance(46)
    expect(short.talk.connection.state).toBe('ready')
    short.talk.clock.advance(8)
    expect(short.talk.reason).toBe('frame-stalled')
    short.talk.end()
    const fast = within(64 * KiB, 100, { limits: { minFrameBytesPerSecond: 64 * KiB } })
    fast.talk.clock.advance(5_996)
    expect(fast.talk.connection.state).toBe('ready')
    fast.talk.clock.advance(8)
    expect(fast.talk.reason).toBe('frame-stalled')
    fast.talk.end()
  })

  it('is not saved by a byte every second', () => {
    const { talk, rest } = within(1024 * KiB, 100)
    for (let second = 0; second < 29; second += 1) {
      talk.clock.advance(1_000)
      talk.channel.say(rest.subarray(second, second + 1))
    }
    expect(talk.connection.state).toBe('ready')
    talk.clock.advance(1_004)
    expect(talk.reason).toBe('frame-stalled')
    talk.end()
  })
})

describe('a frame that completes', () => {
  it('in the last moment is delivered, and the next one has all of its time', () => {
    const { talk, rest } = within(10 * KiB, 100)
    talk.clock.advance(14_990)
    const next = frameOf(10 * KiB)
    talk.channel.say(rest, next.subarray(0, 100))
    expect(talk.heard.map(([what]) => what)).toEqual(['one-way'])
    talk.clock.advance(14_990)
    talk.channel.say(next.subarray(100))
    expect(talk.heard.map(([what]) => what)).toEqual(['one-way', 'one-way'])
    talk.clock.advance(60_000)
    expect(talk.connection.state).toBe('ready')
    talk.end()
  })

  it('leaves nothing armed a second later', () => {
    const { talk, rest } = within(10 * KiB, 100)
    expect(talk.environment.wheel.armed).toBe(1)
    talk.channel.say(rest)
    talk.clock.advance(1_004)
    expect(talk.environment.wheel.armed).toBe(0)
    talk.end()
  })

  it('is one of many, each of them cut by the end of a chunk, for as long as the peer likes', () => {
    const talk = Talk.ready()
    const whole = frameOf(KiB)
    talk.channel.say(whole.subarray(0, 500))
    for (let second = 0; second < 100; second += 1) {
      talk.clock.advance(1_000)
      talk.channel.say(whole.subarray(500), whole.subarray(0, 500))
    }
    expect(talk.connection.state).toBe('ready')
    expect(talk.heard).toHaveLength(100)
    talk.end()
  })
})

describe('a frame of which nothing more is read', () => {
  it('is not held against the peer, and has all of its time once reading goes on', () => {
    const { talk, rest } = within(10 * KiB, 100)
    talk.connection.pauseReading(8)
    talk.channel.say(rest.subarray(0, 100))
    talk.clock.advance(60_000)
    expect(talk.connection.state).toBe('ready')
    talk.connection.resumeReading(8)
    talk.clock.advance(14_990)
    expect(talk.connection.state).toBe('ready')
    talk.clock.advance(20)
    expect(talk.reason).toBe('frame-stalled')
    talk.end()
  })
})
