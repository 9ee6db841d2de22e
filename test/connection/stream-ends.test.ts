import { describe, expect, it } from 'vitest'
import { failure } from '../../src/base/errors.js'
import { STATUS } from '../../src/base/status.js'
import type { Stream } from '../../src/connection/stream.js'
import type { Talk } from './bench.js'
import {
  block,
  creditFrame,
  dataFrame,
  endFrame,
  expectNone,
  Noting,
  open,
  openFrame,
  resetFrame,
  sent,
  serving,
  streamsOf,
  talking,
  write,
} from './stream-bench.js'

const KiB = 1_024
const NOTHING = Buffer.alloc(0)
const enough = failure('cancelled', 'enough', { processed: 'maybe' })

describe('the end of a stream that we serve', () => {
  /** It has settled, and what it sent waits for credit, the end behind it. */
  function settledBehindData(talk: Talk, sink = new Noting()): number {
    const served = serving(talk, sink)
    talk.channel.say(openFrame(2))
    const stream = served[0]
    if (stream === undefined) throw new Error('nothing was opened')
    write(stream, 'x'.repeat(KiB))
    write(stream, 'a')
    stream.settle(null, NOTHING)
    talk.pass()
    expect(sent(talk)).toEqual([`data 2`])
    expect(streamsOf(talk).theirs).toBe(1)
    return 2
  }

  it('waits behind its data for credit', () => {
    const talk = talking()
    const id = settledBehindData(talk)
    talk.channel.say(creditFrame(id, KiB))
    talk.pass()
    expect(sent(talk).slice(1)).toEqual([`data ${id} a`, `end ${id}`])
    expectNone(talk)
    talk.end()
  })

  it('does not wait for credit that will not come: its opener has given it up', () => {
    const talk = talking()
    const sink = new Noting()
    const id = settledBehindData(talk, sink)
    talk.channel.say(resetFrame(id))
    talk.pass()
    expect(sent(talk).slice(1)).toEqual([`end ${id}`])
    expect(talk.sent.at(-1)?.aux).toBe(STATUS.CANCELLED.number)
    // Its handler has settled: there is nobody to be told.
    expect(sink.heard).toEqual([])
    expectNone(talk)
    talk.end()
  })

  it('does not wait for credit longer than limits.streamIdleMs', () => {
    const talk = talking(true, { limits: { streamIdleMs: 1_000 } })
    const id = settledBehindData(talk)
    talk.clock.advance(1_000)
    talk.pass()
    expect(sent(talk)).toHaveLength(1)
    talk.clock.advance(1_010)
    talk.pass()
    expect(sent(talk).slice(1)).toEqual([`end ${id}`])
    // Not in good order: something is missing.
    expect(talk.sent.at(-1)?.aux).toBe(STATUS.DEADLINE_EXCEEDED.number)
    expect(talk.environment.counters.failures['stream-idle']).toBe(1)
    expectNone(talk)
    talk.end()
  })

  it('is not sent on a connection that is closed', () => {
    const talk = talking()
    const served = serving(talk, new Noting())
    talk.channel.say(openFrame(2))
    talk.channel.cut(null)
    served[0]?.settle(null, NOTHING)
    talk.pass()
    expect(sent(talk)).toEqual([])
    talk.end()
  })
})

describe('a stream that nothing moves on for limits.streamIdleMs', () => {
  const options = { limits: { streamIdleMs: 1_000 }, flow: { streamWindowBytes: KiB } }

  function idle(talk: Talk): void {
    talk.clock.advance(1_010)
    talk.clock.advance(1_010)
    talk.pass()
  }

  it('is given up where its opener is to send, or to end its half', () => {
    const talk = talking(true, options)
    const sink = new Noting()
    const served = serving(talk, sink)
    talk.channel.say(openFrame(2), dataFrame(2, 'a'))
    served[0]?.consume(13)
    idle(talk)
    expect(sink.heard).toEqual(['data a', 'over: stream-idle, maybe'])
    talk.end()
  })

  it('is not where its opener has done what it could: what it sent is not read', () => {
    const talk = talking(true, options)
    const sink = new Noting()
    const served = serving(talk, sink)
    talk.channel.say(openFrame(2), dataFrame(2, 'x'.repeat(KiB)))
    sink.hungry = false
    idle(talk)
    expect(sink.heard).toEqual(['data of 1024'])
    served[0]?.consume(KiB + 12)
    sink.hungry = true
    idle(talk)
    expect(sink.heard.slice(1)).toEqual(['over: stream-idle, maybe'])
    talk.end()
  })

  it('is not where nobody waits for its opener, who only listens', () => {
    const talk = talking(true, options)
    const sink = new Noting()
    sink.hungry = false
    serving(talk, sink)
    talk.channel.say(openFrame(2))
    idle(talk)
    expect(sink.heard).toEqual([])
    talk.end()
  })

  it('is not where its opener gets something now and then', () => {
    const talk = talking(true, options)
    const sink = new Noting()
    const served = serving(talk, sink)
    talk.channel.say(openFrame(2))
    for (let round = 0; round < 5; round += 1) {
      write(served[0] as Stream, 'news')
      talk.clock.advance(900)
    }
    expect(sink.heard).toEqual([])
    talk.end()
  })

  it('is given up where the peer grants no credit, and not where it only has nothing to say', () => {
    const talk = talking(true, options)
    const [starved, patient] = [new Noting(), new Noting()]
    const stream = open(talk, starved)
    open(talk, patient)
    write(stream, 'x'.repeat(KiB))
    idle(talk)
    expect([starved.heard, patient.heard]).toEqual([['over: stream-idle, maybe'], []])
    expect(sent(talk).at(-1)).toBe(`reset ${stream.id}`)
    talk.end()
  })

  it('is kept where the peer grants credit now and then', () => {
    const talk = talking(true, options)
    const sink = new Noting()
    const stream = open(talk, sink)
    for (let round = 0; round < 5; round += 1) {
      write(stream, 'x'.repeat(KiB))
      talk.clock.advance(900)
      talk.channel.say(creditFrame(stream.id, 1))
    }
    expect(sink.heard).toEqual([])
    talk.end()
  })
})

describe('a connection that closes', () => {
  it('tells every stream once, and that the peer never had those whose open it did not send', () => {
    const talk = talking()
    const [left, held, given, theirs] = [new Noting(), new Noting(), new Noting(), new Noting()]
    serving(talk, theirs)
    open(talk, left)
    open(talk, given).reset(enough)
    talk.channel.say(openFrame(2))
    talk.pass()
    block(talk)
    open(talk, held)
    talk.channel.cut(null)
    const overs = [left, held, given, theirs].map(({ heard }) => heard)
    expect(overs).toEqual([
      ['over: connection-lost, maybe'],
      ['over: connection-lost, no'],
      [],
      ['over: connection-lost, maybe'],
    ])
    expect([streamsOf(talk).ours, streamsOf(talk).theirs]).toEqual([0, 0])
    talk.end()
  })

  it('tells a stream whose open was ready and not handed over that the peer never had it', () => {
    const talk = talking()
    const sink = new Noting()
    open(talk, sink)
    talk.connection.onEnded(failure('going-away', 'enough'))
    expect(sink.heard).toEqual(['over: going-away, no'])
    talk.end()
  })
})

describe('what waits for credit on a stream', () => {
  /** A stream of ours, behind whose window a message waits. */
  function waiting(talk: Talk): number {
    const stream = open(talk, new Noting())
    write(stream, 'x'.repeat(KiB))
    write(stream, 'y'.repeat(100))
    talk.pass()
    expect(streamsOf(talk).heldBytes).toBe(100)
    return stream.id
  }

  it('is dropped when its server has settled, and is in no count any more', () => {
    const talk = talking()
    const id = waiting(talk)
    talk.channel.say(endFrame(id), creditFrame(id, KiB))
    talk.pass()
    expect(streamsOf(talk).heldBytes).toBe(0)
    expect(sent(talk)).toEqual([`open ${id}`, `data ${id}`])
    expectNone(talk)
    talk.end()
  })

  it('is dropped with the connection, also behind a handler that has settled', () => {
    const talk = talking()
    const served = serving(talk, new Noting())
    talk.channel.say(openFrame(2))
    const stream = served[0]
    if (stream === undefined) throw new Error('nothing was opened')
    waiting(talk)
    write(stream, 'x'.repeat(KiB))
    write(stream, 'y'.repeat(100))
    stream.settle(null, NOTHING)
    talk.pass()
    const streams = streamsOf(talk)
    expect(streams.heldBytes).toBe(200)
    talk.end()
    expect(streams.heldBytes).toBe(0)
  })
})
