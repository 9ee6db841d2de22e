import { describe, expect, it } from 'vitest'
import { failure } from '../../src/base/errors.js'
import { encodeFault } from '../../src/wire/fault.js'
import { KIND } from '../../src/wire/frame.js'
import { callFrame, frame, methodFrame } from '../fixtures/raw-peer.js'
import { type Options, Talk } from './bench.js'

const HEARTBEAT = { intervalMs: 10_000, timeoutMs: 5_000 }

function ready(options: Options = {}): Talk {
  const talk = Talk.ready({ heartbeat: HEARTBEAT, ...options })
  // The first PINGs measure the round trip of whoever knows of credit; the raw peer does not.
  expect(talk.sent).toEqual([])
  return talk
}

/** Lets time pass in small steps, as it does. */
function wait(talk: Talk, ms: number): void {
  for (let left = ms; left > 0; left -= 50) {
    talk.clock.advance(Math.min(50, left))
    talk.pass()
  }
}

function pings(talk: Talk): number[] {
  return talk.sent.filter(({ kind }) => kind === KIND.PING).map(({ id }) => id)
}

describe('a peer that says nothing', () => {
  it('is sent a PING within the interval, and is cut when it does not answer in time', () => {
    const talk = ready()
    wait(talk, 8_700)
    expect(pings(talk)).toEqual([])
    wait(talk, 1_300)
    expect(pings(talk)).toEqual([1])
    expect(talk.connection.state).toBe('ready')
    wait(talk, 5_000)
    expect(talk.connection.state).toBe('closed')
    expect(talk.errors[0]).toMatchObject({ reason: 'heartbeat-timeout', code: 'UNAVAILABLE', origin: 'network' })
    expect(talk.environment.counters.failures['heartbeat-timeout']).toBe(1)
    talk.end()
  })

  it.each([0, 1, 7, 500, 1_249, 1_250, 1_251, 3_333, 9_999])(
    'is found within interval and timeout after its last byte, which came after %i ms',
    (lastMs) => {
      const talk = ready()
      wait(talk, lastMs)
      talk.channel.say(methodFrame(1, 'm'))
      wait(talk, HEARTBEAT.intervalMs + HEARTBEAT.timeoutMs + 50)
      expect(talk.reason).toBe('heartbeat-timeout')
      talk.end()
    },
  )

  it('lives as long as it answers, or says anything else', () => {
    const talk = ready()
    for (let beat = 1; beat <= 5; beat += 1) {
      wait(talk, 10_000)
      expect(pings(talk)).toHaveLength(beat)
      talk.channel.say(frame(KIND.PONG, { id: pings(talk).at(-1) ?? 0 }))
      wait(talk, 1_250)
    }
    wait(talk, 10_000)
    talk.channel.say(methodFrame(1, 'm'))
    wait(talk, 9_000)
    talk.channel.say(callFrame(1, 1, null))
    wait(talk, 9_000)
    expect(talk.connection.state).toBe('ready')
    talk.end()
  })

  it('is sent no PING while it talks', () => {
    const talk = ready()
    talk.channel.say(methodFrame(1, 'm'))
    for (let id = 1; id <= 20; id += 1) {
      wait(talk, 5_000)
      talk.channel.say(callFrame(id, 1, null))
    }
    expect(pings(talk)).toEqual([])
    talk.end()
  })

  it('is not to blame while we do not read', () => {
    const talk = ready()
    talk.connection.pauseReading(1 << 10)
    wait(talk, 60_000)
    expect(talk.connection.state).toBe('ready')
    talk.connection.resumeReading(1 << 10)
    wait(talk, 13_600)
    expect(talk.connection.state).toBe('ready')
    wait(talk, 1_500)
    expect(talk.connection.state).toBe('closed')
    talk.end()
  })

  it('is not to blame when our own event loop stood still: what it said meanwhile is read first', () => {
    const talk = ready()
    wait(talk, 10_000)
    // The answer waits in the socket while nothing runs here.
    talk.clock.stall(60_000)
    talk.channel.say(frame(KIND.PONG, { id: 1 }))
    talk.pass()
    expect(talk.connection.state).toBe('ready')
    wait(talk, 5_000)
    expect(talk.connection.state).toBe('ready')
    talk.end()
  })

  it('is left alone while the connection drains, whoever began that', () => {
    const goAway = frame(KIND.GO_AWAY, {
      body: encodeFault({ processed: 'no', retryAfterMs: 0, reason: 'closed', message: 'bye' }),
    })
    const theirs = ready()
    theirs.channel.say(goAway)
    const ours = ready()
    ours.connection.leave(0, failure('closed', 'bye'))
    for (const talk of [theirs, ours]) {
      wait(talk, 60_000)
      expect(pings(talk)).toEqual([])
      expect(talk.connection.state).toBe('draining')
      talk.end()
    }
  })

  it('may send PINGs to who drains: each is answered', () => {
    const talk = ready()
    talk.connection.leave(0, failure('closed', 'bye'))
    talk.channel.say(frame(KIND.PING, { id: 9 }))
    talk.pass()
    expect(talk.sent.map(({ kind }) => kind)).toEqual([KIND.GO_AWAY, KIND.PONG])
    expect(talk.connection.state).toBe('draining')
    talk.end()
  })

  it('is asked each time, however short the interval', () => {
    const talk = ready({ heartbeat: { intervalMs: 800, timeoutMs: 400 } })
    for (let beat = 1; beat <= 3; beat += 1) {
      wait(talk, 800)
      expect(pings(talk)).toHaveLength(beat)
      talk.channel.say(frame(KIND.PONG, { id: pings(talk).at(-1) ?? 0 }))
      wait(talk, 100)
    }
    talk.end()
  })

  it('goes unnoticed with an interval of 0', () => {
    const talk = ready({ heartbeat: { intervalMs: 0 } })
    expect(talk.environment.wheel.armed).toBe(0)
    wait(talk, 60_000)
    expect(talk.connection.state).toBe('ready')
    talk.end()
  })
})
