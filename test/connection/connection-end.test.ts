import { describe, expect, it } from 'vitest'
import { failure } from '../../src/base/errors.js'
import { KIND } from '../../src/wire/frame.js'
import { preface } from '../../src/wire/preface.js'
import { callFrame, faultOf, frame, helloFrame } from '../fixtures/raw-peer.js'
import { Talk } from './bench.js'

const KiB = 1024
const closed = failure('closed', 'it is over')

function answer({ connection: { writes } }: Talk, id: number, bytes: number): void {
  writes.beginAnswer(0, id)
  writes.out.put(Buffer.alloc(bytes))
  writes.endMessage()
}

/** A ready connection whose channel is full, with one answer of 13 bytes on its way. */
function blocked(options: ConstructorParameters<typeof Talk>[0] = {}): Talk {
  const talk = Talk.ready({ compression: { algorithm: 'none' }, ...options })
  talk.channel.full = true
  answer(talk, 1, 1)
  talk.pass()
  expect(talk.connection.writes.queuedBytes).toBe(13)
  return talk
}

describe('a peer that is silent', () => {
  it.each([
    ['at once', Buffer.alloc(0)],
    ['within its preface', preface().subarray(0, 5)],
    ['within its HELLO', Buffer.concat([preface(), helloFrame().subarray(0, 20)])],
  ])('%s is given up after limits.handshakeMs', (_, said) => {
    const talk = new Talk()
    talk.channel.say(said)
    talk.clock.advance(4_999)
    expect(talk.connection.state).toBe('connecting')
    talk.clock.advance(3)
    expect([talk.connection.state, talk.channel.destroyed]).toEqual(['closed', true])
    talk.channel.flush()
    expect([talk.reason, talk.environment.counters.failures['handshake-timeout']]).toEqual(['handshake-timeout', 1])
    talk.end()
  })

  it('is not given up by a connection that was dialled: its dialer holds the time limit', () => {
    const talk = new Talk({}, 0)
    talk.clock.advance(60_000)
    expect([talk.connection.state, talk.environment.wheel.armed]).toEqual(['connecting', 0])
    talk.end()
  })

  it('after its HELLO is left alone', () => {
    const talk = Talk.ready()
    talk.clock.advance(600_000)
    expect(talk.connection.state).toBe('ready')
    talk.end()
  })
})

describe('pings', () => {
  it('are answered, each with its id', () => {
    const talk = Talk.ready()
    for (const id of [7, 0xffff_ffff]) {
      talk.channel.say(frame(KIND.PING, { id }))
      talk.pass()
    }
    expect(talk.sent.map(({ kind, id }) => [kind, id])).toEqual([
      [KIND.PONG, 7],
      [KIND.PONG, 0xffff_ffff],
    ])
    talk.end()
  })

  it('may be limits.pingBurst at once and limits.pingsPerSecond after that, and not one more', () => {
    const talk = Talk.ready({ limits: { pingBurst: 10, pingsPerSecond: 1 } })
    for (let n = 0; n < 10; n += 1) talk.channel.say(frame(KIND.PING))
    for (let second = 0; second < 5; second += 1) {
      talk.clock.advance(1_000)
      talk.channel.say(frame(KIND.PING))
    }
    expect(talk.connection.state).toBe('ready')
    talk.channel.say(frame(KIND.PING))
    expect([talk.reason, talk.channel.ended]).toEqual(['too-many-pings', true])
    talk.end()
  })

  it('get one pending pong: a peer that does not read gets no second one', () => {
    const talk = blocked()
    for (let id = 1; id <= 5; id += 1) talk.channel.say(frame(KIND.PING, { id }))
    talk.channel.flush()
    talk.channel.say(frame(KIND.PING, { id: 6 }))
    talk.pass()
    expect(talk.sent.map(({ kind, id }) => [kind, id])).toEqual([
      [KIND.ANSWER, 1],
      [KIND.PONG, 1],
      [KIND.PONG, 6],
    ])
    talk.end()
  })
})

describe('errors that a peer causes', () => {
  it('may be 200 in 10 s, and the next one ends the connection', () => {
    const talk = Talk.ready()
    for (let n = 0; n < 200; n += 1) talk.connection.strike()
    expect(talk.connection.state).toBe('ready')
    talk.connection.strike()
    expect([talk.reason, talk.channel.ended]).toEqual(['too-many-errors', true])
    const [last] = talk.sent
    expect(last && faultOf(last).reason).toBe('too-many-errors')
    talk.end()
  })

  it('are forgiven at 20 a second', () => {
    const talk = Talk.ready()
    for (let n = 0; n < 200; n += 1) talk.connection.strike()
    talk.clock.advance(1_000)
    for (let n = 0; n < 20; n += 1) talk.connection.strike()
    expect(talk.connection.state).toBe('ready')
    talk.connection.strike()
    expect(talk.reason).toBe('too-many-errors')
    talk.end()
  })
})

describe('answers that a peer does not read', () => {
  const limits = { unreadSoftBytes: 2 * KiB, unreadHardBytes: 4 * KiB }

  it('pause reading once they are more than limits.unreadSoftBytes, until it has read them', () => {
    const talk = blocked({ limits })
    answer(talk, 2, 2 * KiB - 13 - 12)
    expect(talk.connection.writes.queuedBytes).toBe(2 * KiB)
    talk.connection.onUnreadAnswer(false)
    expect(talk.channel.paused).toBe(false)
    answer(talk, 3, 0)
    talk.connection.onUnreadAnswer(false)
    talk.channel.say(callFrame(1, 1, null))
    expect([talk.channel.paused, talk.heard]).toEqual([true, []])
    talk.channel.flush()
    talk.channel.flush()
    expect([talk.channel.paused, talk.heard.map(([what]) => what)]).toEqual([false, ['drained', 'call']])
    talk.end()
  })

  it('keep reading paused while they wait in the channel instead', () => {
    const talk = blocked({ limits })
    answer(talk, 2, 3 * KiB)
    talk.connection.onUnreadAnswer(false)
    talk.channel.take()
    expect([talk.channel.writes.length, talk.connection.writes.blocked, talk.channel.paused]).toEqual([2, true, true])
    talk.channel.take()
    expect(talk.channel.paused).toBe(false)
    talk.end()
  })

  it('end the connection once they are more than limits.unreadHardBytes', () => {
    const talk = blocked({ limits })
    answer(talk, 2, 4 * KiB - 13 - 12)
    expect(talk.connection.writes.queuedBytes).toBe(4 * KiB)
    talk.connection.onUnreadAnswer(false)
    expect(talk.connection.state).toBe('ready')
    answer(talk, 3, 0)
    talk.connection.onUnreadAnswer(false)
    expect([talk.reason, talk.channel.destroyed]).toEqual(['answers-unread', true])
    expect(talk.environment.counters.failures['answers-unread']).toBe(1)
    talk.end()
  })

  it('end the connection after limits.writeStallMs without progress', () => {
    const talk = blocked({ limits: { writeStallMs: 10_000 } })
    talk.clock.advance(9_996)
    expect(talk.connection.state).toBe('ready')
    talk.clock.advance(8)
    expect([talk.reason, talk.channel.destroyed]).toEqual(['write-stalled', true])
    expect(talk.environment.counters.failures['write-stalled']).toBe(1)
    talk.end()
  })

  it('end the connection where control frames pile up behind them', () => {
    const talk = blocked()
    for (let n = 0; n < 1_000; n += 1) talk.connection.writes.control(KIND.CANCEL, 0, 1, n)
    expect(talk.connection.state).toBe('ready')
    talk.connection.writes.control(KIND.CANCEL, 0, 1, 1_000)
    expect([talk.reason, talk.channel.destroyed]).toEqual(['too-many-control-frames', true])
    expect(talk.environment.counters.failures['too-many-control-frames']).toBe(1)
    talk.end()
  })
})

describe('the end', () => {
  it('in good order hands over what this turn sent, and then closes', () => {
    const talk = Talk.ready()
    answer(talk, 1, 10)
    talk.connection.end(closed)
    expect(talk.sent.map(({ id }) => id)).toEqual([1])
    expect([talk.connection.state, talk.channel.ended]).toEqual(['closed', true])
    expect(talk.heard).toEqual([['closed', 'closed', talk.connection.writes.handedBytes]])
    talk.end()
  })

  it('in good order waits for what is queued', () => {
    const talk = blocked()
    answer(talk, 2, 10)
    talk.connection.end(closed)
    expect([talk.connection.state, talk.channel.ended]).toEqual(['ready', false])
    talk.channel.take()
    // What waited is with the channel now, which is still full.
    expect([talk.connection.state, talk.channel.ended]).toEqual(['ready', false])
    talk.channel.flush()
    expect(talk.sent.map(({ id }) => id)).toEqual([1, 2])
    expect([talk.reason, talk.channel.ended]).toEqual(['closed', true])
    talk.end()
  })

  it('waits a second for the peer to take the last bytes, and then cuts', () => {
    const talk = Talk.ready()
    talk.connection.end(closed)
    talk.clock.advance(999)
    expect(talk.channel.destroyed).toBe(false)
    talk.clock.advance(3)
    expect(talk.channel.destroyed).toBe(true)
    talk.channel.flush()
    talk.end()
  })

  it('of the peer is an end of ours, told in the same turn', () => {
    const talk = Talk.ready()
    answer(talk, 1, 10)
    talk.channel.halfClose()
    expect(talk.heard.map(([what, reason]) => [what, reason])).toEqual([['closed', 'connection-lost']])
    expect([talk.errors[0]?.processed, talk.channel.ended, talk.sent.length]).toEqual(['maybe', true, 1])
    talk.end()
  })

  it('by destroy is told to the receiver in the same turn, with what was handed over', () => {
    const talk = blocked()
    const { handedBytes } = talk.connection.writes
    answer(talk, 2, 10)
    talk.connection.destroy(closed)
    expect(talk.heard).toEqual([['closed', 'closed', handedBytes]])
    expect([talk.connection.state, talk.channel.destroyed]).toEqual(['closed', true])
    talk.channel.flush()
    expect(talk.heard.at(-1)).toEqual(['gone', 'closed'])
    talk.end()
  })

  it('is one end, however often it is asked for, and whatever the peer says meanwhile', () => {
    const talk = Talk.ready()
    talk.connection.end(closed)
    talk.connection.fail(failure('frame-unknown', 'too late'))
    talk.connection.leave(1, closed)
    talk.channel.say(callFrame(1, 1, null))
    talk.channel.halfClose()
    talk.connection.destroy(failure('misuse', 'too late as well'))
    talk.channel.flush()
    expect(talk.heard.map(([what, reason]) => [what, reason])).toEqual([
      ['closed', 'closed'],
      ['gone', 'closed'],
    ])
    talk.end()
  })

  it('by the network is a lost connection, and nobody knows what the peer did', () => {
    const talk = Talk.ready()
    talk.channel.cut(null)
    expect([talk.reason, talk.errors[0]?.processed]).toEqual(['connection-lost', 'maybe'])
    expect(talk.heard.map(([what]) => what)).toEqual(['closed', 'gone'])
    talk.end()
  })
})
