import { describe, expect, it } from 'vitest'
import { failure } from '../../src/base/errors.js'
import { PART_BYTES } from '../../src/connection/held-frame.js'
import { FLAG, KIND } from '../../src/wire/frame.js'
import {
  block,
  creditFrame,
  dataFrame,
  endFrame,
  expectNone,
  Noting,
  open,
  raw,
  sent,
  streamsOf,
  talking,
  unblock,
  write,
} from './stream-bench.js'

const KiB = 1_024
const enough = failure('cancelled', 'enough', { processed: 'maybe' })

describe('a stream whose open waits for the socket', () => {
  it('is not sent when it is given up before, and takes no place with the peer', () => {
    const talk = talking()
    block(talk)
    const sink = new Noting()
    const stream = open(talk, sink)
    write(stream, 'a')
    expect([stream.unsent, streamsOf(talk).ours]).toEqual([true, 1])
    expect(stream.reset(enough)).toBe(true)
    expect(streamsOf(talk).ours).toBe(0)
    unblock(talk)
    expect(sent(talk)).toEqual([])
    expectNone(talk)
    talk.end()
  })

  it('leaves in front of its data and its end, whatever else was made meanwhile', () => {
    const talk = talking()
    block(talk)
    const first = open(talk, new Noting())
    write(first, 'a')
    const second = open(talk, new Noting())
    write(second, 'b')
    second.end()
    write(first, 'c')
    first.end()
    unblock(talk)
    const of = (id: number): string[] => sent(talk).filter((one) => one.includes(` ${id}`))
    expect(of(first.id)).toEqual([`open ${first.id}`, `data ${first.id} a`, `data ${first.id} c`, `end ${first.id}`])
    expect(of(second.id)).toEqual([`open ${second.id}`, `data ${second.id} b`, `end ${second.id}`])
    talk.end()
  })

  it('gets the next id when it leaves: ids rise on the wire', () => {
    const talk = talking()
    block(talk)
    const low = open(talk, new Noting(), { flags: 3 << FLAG.LANE_SHIFT, lane: 3 })
    const high = open(talk, new Noting(), { flags: 0, lane: 0 })
    unblock(talk)
    expect(high.id).toBeLessThan(low.id)
    expect(sent(talk)).toEqual([`open ${high.id}`, `open ${low.id}`])
    // The ids that both had meanwhile belong to nobody.
    talk.channel.say(dataFrame(high.id, 'x'), endFrame(high.id), endFrame(low.id), dataFrame(low.id, 'x'))
    expect(talk.reason).toBe(undefined)
    expectNone(talk)
    talk.end()
  })

  it('says how much of its time is left', () => {
    const talk = talking()
    block(talk)
    open(talk, new Noting(), { timeoutMs: 5_000 })
    talk.clock.advance(2_000)
    unblock(talk)
    expect(talk.sent.map(({ body }) => body.readUInt32LE(0))).toEqual([3_000])
    talk.end()
  })

  it.each([
    ['data', (id: number) => dataFrame(id, 'x')],
    ['an end', (id: number) => endFrame(id)],
    ['credit', (id: number) => creditFrame(id, 1)],
  ])('is nothing that the peer can know of: %s for it ends the connection', (what, frameOf) => {
    const talk = talking()
    block(talk)
    const sink = new Noting()
    const { id } = open(talk, sink)
    talk.channel.say(frameOf(id))
    expect(talk.reason).toBe(what === 'credit' ? 'credit-invalid' : 'stream-id-invalid')
    expect(sink.heard).toEqual([expect.stringMatching(/^over: .*, no$/)])
    talk.end()
  })

  it('of which parts were sent is taken back when it is given up', () => {
    const talk = talking()
    block(talk)
    const request = { encoder: raw, value: Buffer.alloc(4 * PART_BYTES) }
    const stream = open(talk, new Noting(), { request })
    talk.channel.full = true
    // Takes what waited; the first part fills it again.
    talk.channel.take()
    expect(sent(talk)).toEqual(['part'])
    expect(stream.unsent).toBe(true)
    stream.reset(enough)
    unblock(talk)
    expect(sent(talk)).toEqual(['part', 'part taken back'])
    expectNone(talk)
    talk.end()
  })
})

describe('data', () => {
  it('of more than 128 KiB travels in parts, and what is written next comes behind it', () => {
    const talk = talking(true, {}, 2 ** 20)
    const stream = open(talk, new Noting())
    write(stream, Buffer.alloc(130 * KiB))
    write(stream, 'next')
    stream.end()
    talk.pass()
    const { id } = stream
    expect(sent(talk)).toEqual([`open ${id}`, 'part', 'part', `data ${id} last`, `data ${id} next`, `end ${id}`])
    talk.end()
  })

  it('that the socket stops amid its parts keeps its place before the next', () => {
    const talk = talking(true, {}, 2 ** 20)
    const stream = open(talk, new Noting())
    talk.pass()
    talk.channel.writes.length = 0
    talk.channel.full = true
    write(stream, Buffer.alloc(200 * KiB))
    write(stream, 'next')
    stream.end()
    talk.pass()
    expect(sent(talk)).toEqual(['part'])
    unblock(talk)
    const { id } = stream
    expect(sent(talk)).toEqual(['part', 'part', 'part', `data ${id} last`, `data ${id} next`, `end ${id}`])
    talk.end()
  })

  it('beyond credit waits, in order, and the end behind it', () => {
    const talk = talking()
    const sink = new Noting()
    const stream = open(talk, sink)
    const { id } = stream
    expect(write(stream, 'x'.repeat(KiB - 13))).toBe(true)
    expect(write(stream, 'a')).toBe(false)
    expect(write(stream, 'b')).toBe(false)
    stream.end()
    talk.pass()
    const first = [`open ${id}`, `data ${id}`, `data ${id} a`]
    expect(sent(talk)).toEqual(first)
    // The last message went 12 bytes over: so much credit is still none.
    talk.channel.say(creditFrame(id, 12))
    talk.pass()
    expect(sent(talk)).toEqual(first)
    expect(sink.heard).toEqual([])
    talk.channel.say(creditFrame(id, 1))
    talk.pass()
    expect(sent(talk)).toEqual([...first, `data ${id} b`, `end ${id}`])
    talk.end()
  })

  it('is refused to who goes on when the queue is full, and nothing of it is sent', () => {
    const talk = talking(true, { mailbox: { maxMessages: 3 } })
    const stream = open(talk, new Noting())
    write(stream, 'x'.repeat(KiB))
    for (const text of ['a', 'b', 'c']) expect(write(stream, text)).toBe(false)
    expect(() => write(stream, 'd')).toThrow(expect.objectContaining({ reason: 'queue-full' }))
    talk.channel.say(creditFrame(stream.id, 10 * KiB))
    talk.pass()
    expect(sent(talk).slice(2)).toEqual(['a', 'b', 'c'].map((text) => `data ${stream.id} ${text}`))
    talk.end()
  })

  it('that is too large for the peer is refused, and the stream goes on', () => {
    const talk = talking(true, {}, 2 ** 20, false)
    const stream = open(talk, new Noting())
    expect(() => write(stream, Buffer.alloc(2 ** 20))).toThrow(expect.objectContaining({ reason: 'message-too-large' }))
    write(stream, 'a')
    talk.pass()
    expect(sent(talk)).toEqual([`open ${stream.id}`, `data ${stream.id} a`])
    talk.end()
  })

  it('that waits is dropped when the stream is given up, and only the reset is sent', () => {
    const talk = talking()
    const stream = open(talk, new Noting())
    write(stream, 'x'.repeat(KiB))
    write(stream, 'a')
    talk.pass()
    stream.reset(enough)
    talk.channel.say(creditFrame(stream.id, KiB))
    talk.pass()
    expect(sent(talk).slice(2)).toEqual([`reset ${stream.id}`])
    talk.channel.say(endFrame(stream.id, 1))
    expectNone(talk)
    talk.end()
  })

  it('gives credit back in halves of the window while it is read, and none for a stream that is over', () => {
    const talk = talking(true, { flow: { streamWindowBytes: KiB, maxWindowBytes: 4 * KiB } })
    const sink = new Noting()
    const stream = open(talk, sink)
    talk.pass()
    talk.channel.writes.length = 0
    talk.channel.say(dataFrame(stream.id, 'x'.repeat(500)))
    stream.consume(512)
    talk.pass()
    expect(talk.sent.map(({ kind, id, body }) => [kind, id, body.readUInt32LE(0)])).toEqual([
      [KIND.CREDIT, stream.id, 512],
    ])
    talk.channel.say(dataFrame(stream.id, 'x'.repeat(1_012)), endFrame(stream.id))
    stream.consume(1_024)
    talk.pass()
    expect(talk.sent).toHaveLength(1)
    expectNone(talk)
    talk.end()
  })
})
