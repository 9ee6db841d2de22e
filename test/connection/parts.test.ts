import { describe, expect, it } from 'vitest'
import { FLAG, KIND } from '../../src/wire/frame.js'
import { frame, u32 } from '../fixtures/raw-peer.js'
import { type Options, Talk } from './bench.js'

const NORMAL = 1 << FLAG.LANE_SHIFT
const HIGH = 0

/** A part: the first says how much all of them are. */
function part(text: string, flags = NORMAL, total?: number): Buffer {
  const body = Buffer.concat([total === undefined ? Buffer.alloc(0) : u32(total), Buffer.from(text)])
  return frame(KIND.PART, { flags, body })
}

function last(text: string, kind: number = KIND.ONE_WAY, flags = NORMAL): Buffer {
  return frame(kind, { flags: flags | FLAG.MORE, aux: 7, id: kind === KIND.ONE_WAY ? 0 : 3, body: Buffer.from(text) })
}

function ready(options: Options = {}): Talk {
  return Talk.ready(options)
}

describe('a message in parts', () => {
  it('is whole when the last of them has come, which says what it is', () => {
    const talk = ready()
    talk.channel.say(part('ab', NORMAL, 5), part('cd'), last('e'))
    expect(talk.heard).toEqual([['one-way', 0, 7, 'abcde']])
    talk.end()
  })

  it('may be a call, its deadline and metadata with it', () => {
    const talk = ready()
    const body = Buffer.concat([u32(9), Buffer.of(0, 0), Buffer.from('value')]).toString('latin1')
    const flags = NORMAL | FLAG.METADATA
    talk.channel.say(part(body.slice(0, 3), NORMAL, body.length), last(body.slice(3), KIND.CALL, flags))
    expect(talk.heard).toEqual([['call', 3, 7, 'value']])
    talk.end()
  })

  it('lets whole messages of every lane and parts of other lanes go between', () => {
    const talk = ready()
    const whole = (text: string, flags: number): Buffer =>
      frame(KIND.ONE_WAY, { flags, aux: 7, body: Buffer.from(text) })
    talk.channel.say(part('ab', NORMAL, 3), whole('same lane', NORMAL), part('xy', HIGH, 3), whole('other', HIGH))
    talk.channel.say(last('c'), last('z', KIND.ONE_WAY, HIGH))
    expect(talk.heard.map((one) => one[3])).toEqual(['same lane', 'other', 'abc', 'xyz'])
    talk.end()
  })

  it('is taken back by an empty part, and another may come', () => {
    const talk = ready()
    talk.channel.say(part('ab', NORMAL, 9), part(''), part('cd', NORMAL, 3), last('e'))
    expect(talk.heard.map((one) => one[3])).toEqual(['cde'])
    talk.end()
  })

  it.each([
    ['that come short of their total', [part('ab', NORMAL, 9), last('c')]],
    ['that are more than their total', [part('ab', NORMAL, 3), part('cd')]],
    ['the last of which is too long', [part('ab', NORMAL, 3), last('cd')]],
    ['without a first', [last('c')]],
    ['the first of which is empty', [part('', NORMAL, 3)]],
    ['the first of which has no total', [part('ab')]],
    ['of more than any message has', [part('ab', NORMAL, 1_024 + 8_192 + 7)]],
  ])('ends the connection: parts %s', (_, frames) => {
    const talk = ready({ limits: { maxMessageBytes: 1_024, metadataBytes: 8_192 } })
    talk.channel.say(...frames)
    expect([talk.reason, talk.heard.filter(([what]) => what !== 'closed')]).toEqual(['part-invalid', []])
    talk.end()
  })

  it('may be as large as any message: deadline, metadata and payload', () => {
    const talk = ready({ limits: { maxMessageBytes: 1_024, metadataBytes: 8_192 } })
    talk.channel.say(part('ab', NORMAL, 1_024 + 8_192 + 6))
    expect(talk.connection.state).toBe('ready')
    talk.end()
  })

  it('ends the connection when no part comes for limits.frameMs, and not before', () => {
    const talk = ready({ limits: { frameMs: 1_000 } })
    talk.channel.say(part('ab', NORMAL, 9))
    talk.clock.advance(999)
    talk.channel.say(part('c'))
    talk.clock.advance(1_000)
    expect(talk.connection.state).toBe('ready')
    talk.clock.advance(1_010)
    expect(talk.reason).toBe('frame-stalled')
    talk.end()
  })

  it('ends the connection when its parts come slower than limits.minFrameBytesPerSecond, and not before', () => {
    for (const [bytes, reason] of [
      [100, undefined],
      [99, 'frame-stalled'],
    ] as const) {
      const talk = ready({ limits: { frameMs: 1_000, minFrameBytesPerSecond: 100 } })
      talk.channel.say(part('a', NORMAL, 1_000))
      talk.clock.advance(1_010)
      talk.channel.say(part('b'.repeat(bytes)))
      talk.clock.advance(1_010)
      expect(talk.reason).toBe(reason)
      talk.end()
    }
  })

  it('waits while we do not read: none can come then', () => {
    const talk = ready({ limits: { frameMs: 1_000 } })
    talk.channel.say(part('ab', NORMAL, 3))
    talk.connection.pauseReading(8)
    talk.clock.advance(10_000)
    talk.connection.resumeReading(8)
    talk.channel.say(last('c'))
    expect(talk.heard.map((one) => one[3])).toEqual(['abc'])
    talk.end()
  })

  it('is forgotten with its timer when the connection ends', () => {
    const talk = ready()
    talk.channel.say(part('ab', NORMAL, 9))
    talk.end()
  })
})
