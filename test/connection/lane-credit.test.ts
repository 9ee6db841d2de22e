import { describe, expect, it } from 'vitest'
import { FLAG, KIND } from '../../src/wire/frame.js'
import { FEATURE } from '../../src/wire/hello.js'
import { frame, u32 } from '../fixtures/raw-peer.js'
import { type Options, Talk } from './bench.js'

const KiB = 1_024
const HIGH = 0
const NORMAL = 1
const LOW = 2
const BULK = 3

/** A connection to a peer that takes `laneWindowBytes` of one-way messages a lane, and holds itself to ours. */
function ready(options: Options = {}, laneWindowBytes = KiB): Talk {
  const flow = { maxStreams: 0, streamWindowBytes: KiB, laneWindowBytes }
  return Talk.ready(options, { features: FEATURE.FLOW, flow })
}

function oneWay(bytes: number, lane = NORMAL): Buffer {
  return frame(KIND.ONE_WAY, { flags: lane << FLAG.LANE_SHIFT, aux: 7, body: Buffer.alloc(bytes, 120) })
}

function credit(bytes: number, lane = NORMAL, id = 0): Buffer {
  return frame(KIND.CREDIT, { aux: lane, id, body: u32(bytes) })
}

function granted(talk: Talk): (readonly [lane: number, bytes: number])[] {
  const frames = talk.sent
  return frames.filter(({ kind }) => kind === KIND.CREDIT).map(({ aux, body }) => [aux, body.readUInt32LE(0)])
}

describe('a peer that sends one-way messages', () => {
  it('is held to the credit of each lane, which a message may overdraw once', () => {
    const talk = ready({ flow: { laneWindowBytes: KiB } })
    // 12 bytes of every message's cost are its frame's.
    talk.channel.say(oneWay(KiB - 13), oneWay(5_000), oneWay(3, HIGH))
    expect(talk.connection.state).toBe('ready')
    talk.channel.say(oneWay(0))
    expect(talk.reason).toBe('credit-exceeded')
    expect(talk.heard.filter(([what]) => what === 'one-way')).toHaveLength(3)
    talk.end()
  })

  it('has no more once a message took the last byte of it', () => {
    const talk = ready({ flow: { laneWindowBytes: KiB } })
    talk.channel.say(oneWay(KiB - 12), oneWay(0))
    expect(talk.reason).toBe('credit-exceeded')
    talk.end()
  })

  it('pays for a batch as for one message', () => {
    const talk = ready({ flow: { laneWindowBytes: KiB } })
    const body = Buffer.concat([u32(1), Buffer.of(120), u32(2), Buffer.of(120, 121)])
    const batch = frame(KIND.BATCH, { flags: NORMAL << FLAG.LANE_SHIFT, aux: 7, body })
    const costs: number[] = []
    talk.onMessage = ({ cost }) => void costs.push(cost)
    talk.channel.say(batch)
    expect(costs).toEqual([12 + 5, 6])
    talk.end()
  })

  it('gets credit back for what was consumed, half a window at a time', () => {
    const talk = ready({ flow: { laneWindowBytes: KiB, maxWindowBytes: KiB } })
    talk.channel.say(oneWay(500))
    talk.connection.flow?.consume(NORMAL, 511)
    talk.pass()
    expect(granted(talk)).toEqual([])
    talk.connection.flow?.consume(NORMAL, 1)
    talk.pass()
    expect(granted(talk)).toEqual([[NORMAL, 512]])
    talk.end()
  })

  it.each([
    ['low', LOW],
    ['bulk', BULK],
  ])('gets little of it back in the %s lane while something urgent comes, and all again soon after', (_name, lane) => {
    const wide = 128 * KiB
    const talk = ready({ flow: { laneWindowBytes: wide, maxWindowBytes: wide } })
    talk.onMessage = ({ lane: of, cost }) => talk.connection.flow?.consume(of, cost)
    /** Uses up what there is, and returns what is granted instead. */
    const refill = (bytes: number): number => {
      const before = granted(talk).length
      talk.channel.say(oneWay(bytes - 12, lane))
      talk.pass()
      return granted(talk)
        .slice(before)
        .reduce((sum, [, more]) => sum + more, 0)
    }
    expect(refill(wide)).toBe(wide)
    talk.channel.say(oneWay(1, HIGH))
    expect(refill(wide)).toBe(16 * KiB)
    talk.clock.advance(19)
    expect(refill(16 * KiB)).toBe(16 * KiB)
    talk.clock.advance(1)
    expect(refill(16 * KiB)).toBe(wide)
    talk.channel.say(oneWay(1, NORMAL))
    expect(refill(wide)).toBe(16 * KiB)
    talk.channel.say(oneWay(1, LOW + BULK - lane))
    talk.clock.advance(20)
    expect(refill(16 * KiB)).toBe(wide)
    talk.end()
  })

  it.each([
    ['a call', frame(KIND.CALL, { flags: NORMAL << FLAG.LANE_SHIFT, aux: 7, id: 1, body: u32(0) })],
    ['a batch', frame(KIND.BATCH, { flags: HIGH << FLAG.LANE_SHIFT, aux: 7, body: u32(0) })],
  ])('gets little of it back in the bulk lane also while it is %s that is urgent', (_name, urgent) => {
    const wide = 128 * KiB
    const talk = ready({ flow: { laneWindowBytes: wide, maxWindowBytes: wide } })
    talk.onMessage = ({ lane: of, cost }) => talk.connection.flow?.consume(of, cost)
    talk.channel.say(urgent)
    talk.channel.say(oneWay(wide - 12, BULK))
    talk.pass()
    expect(granted(talk)).toEqual([[BULK, 16 * KiB]])
    talk.end()
  })

  it('is not held back for something urgent that came long ago', () => {
    const wide = 128 * KiB
    const talk = ready({ flow: { laneWindowBytes: wide, maxWindowBytes: wide } })
    talk.onMessage = ({ lane: of, cost }) => talk.connection.flow?.consume(of, cost)
    talk.channel.say(oneWay(1, HIGH))
    talk.pass()
    talk.clock.advance(21)
    talk.channel.say(oneWay(wide - 12, BULK))
    talk.pass()
    expect(granted(talk)).toEqual([[BULK, wide]])
    talk.end()
  })

  it('that knows of no credit is not held to any', () => {
    const talk = Talk.ready({ flow: { laneWindowBytes: KiB } })
    talk.channel.say(oneWay(5_000), oneWay(5_000), oneWay(5_000))
    expect([talk.connection.state, talk.connection.flow]).toEqual(['ready', null])
    talk.channel.say(credit(1))
    expect(talk.reason).toBe('frame-unexpected')
    talk.end()
  })
})

describe('credit that a peer grants', () => {
  it.each([
    ['nothing', credit(0), 'credit-invalid'],
    ['more than 2^31 - 1 bytes in all', credit(2 ** 31 - KiB), 'credit-invalid'],
    ['negative', credit(0xffff_ffff), 'credit-invalid'],
    ['to a lane that there is not', credit(1, 4), 'frame-malformed'],
    ['in three bytes', frame(KIND.CREDIT, { aux: 1, body: Buffer.alloc(3) }), 'frame-malformed'],
  ])('ends the connection: %s', (_, bytes, reason) => {
    const talk = ready()
    talk.channel.say(bytes)
    expect(talk.reason).toBe(reason)
    talk.end()
  })

  it('may come to 2^31 - 1 bytes', () => {
    const talk = ready()
    talk.channel.say(credit(2 ** 31 - 1 - KiB))
    expect(talk.connection.state).toBe('ready')
    talk.end()
  })

  it('lets messages go that had to wait for it, in order, and those of other lanes did not wait', () => {
    const talk = ready()
    const send = (text: string, lane = NORMAL): void => {
      const { writes } = talk.connection
      const oneWays = writes.oneWay(lane)
      const flags = lane << FLAG.LANE_SHIFT
      const held = writes.mustWait || oneWays.holding
      if (held) writes.beginHeldOneWay(flags, 7)
      else writes.beginOneWay(flags, 7)
      writes.out.put(Buffer.from(text))
      if (held) writes.holdOneWay(flags, 7, oneWays)
      else writes.endOneWay()
    }
    const sent = (): string[] =>
      talk.sent
        .filter(({ kind }) => kind === KIND.ONE_WAY || kind === KIND.BATCH)
        .map(({ kind, body }) => body.toString('latin1', kind === KIND.BATCH ? 4 : 0, kind === KIND.BATCH ? 5 : 1))
    send('a'.repeat(KiB))
    talk.pass()
    for (const text of ['b', 'c', 'd']) send(text)
    send('e', HIGH)
    talk.pass()
    expect(sent()).toEqual(['a', 'e'])
    talk.channel.say(credit(12))
    talk.pass()
    expect(sent()).toEqual(['a', 'e'])
    talk.channel.say(credit(1))
    talk.pass()
    // One message overdraws the credit, and no other joins it in a batch.
    expect(sent()).toEqual(['a', 'e', 'b'])
    expect(talk.connection.writes.oneWay(NORMAL).credit?.available).toBe(1 - 12 - 1)
    talk.channel.say(credit(18))
    talk.pass()
    // Both in one batch: the first of them, 17 bytes with its frame, left credit for the other.
    expect(sent()).toEqual(['a', 'e', 'b', 'c'])
    talk.end()
  })

  it('is used up by a batch that is still open: a large message that does not join it waits', () => {
    const talk = ready()
    const { writes } = talk.connection
    const oneWays = writes.oneWay(NORMAL)
    const flags = NORMAL << FLAG.LANE_SHIFT
    for (const bytes of [KiB / 2, KiB / 2, 8 * KiB]) {
      const held = oneWays.holding
      if (held) writes.beginHeldOneWay(flags, 7)
      else writes.beginOneWay(flags, 7)
      writes.out.put(Buffer.alloc(bytes, 120))
      if (held) writes.holdOneWay(flags, 7, oneWays)
      else writes.endOneWay()
    }
    talk.pass()
    const cost = 12 + 2 * (4 + KiB / 2)
    expect(talk.sent.filter(({ kind }) => kind === KIND.ONE_WAY || kind === KIND.BATCH)).toMatchObject([
      { kind: KIND.BATCH, body: { length: cost - 12 } },
    ])
    expect(oneWays.credit?.available).toBe(KiB - cost)
    talk.channel.say(credit(cost - KiB + 1))
    talk.pass()
    expect(talk.sent.at(-1)).toMatchObject({ kind: KIND.ONE_WAY, body: { length: 8 * KiB } })
    expect(oneWays.credit?.available).toBe(1 - 12 - 8 * KiB)
    talk.end()
  })
})
