import { describe, expect, it } from 'vitest'
import { KIND } from '../../src/wire/frame.js'
import { type Options, Writing } from './bench.js'

function newBlocked(options: Options = {}): Writing {
  const writing = new Writing(options)
  writing.channel.full = true
  writing.call(1, Buffer.from('x'))
  writing.clock.turn()
  expect(writing.loop.blocked).toBe(true)
  return writing
}

describe('a channel that is full', () => {
  it('is handed nothing more: what is sent gathers, and goes on when there is room', () => {
    const writing = newBlocked()
    for (let id = 2; id <= 1_000; id += 1) writing.call(id, Buffer.alloc(100))
    writing.clock.turn()
    expect(writing.channel.writes).toHaveLength(1)
    expect(writing.loop.queuedBytes).toBe(17 + 999 * 116)
    expect([writing.loop.handedBytes, writing.loop.endPosition]).toEqual([17, 17])
    writing.channel.flush()
    expect(writing.frames.map(({ id }) => id)).toEqual(Array.from({ length: 1_000 }, (_, index) => index + 1))
    expect([writing.loop.blocked, writing.loop.queuedBytes]).toEqual([false, 0])
    // What waited leaves as it would have in one turn: 8 KiB to a write.
    expect(writing.environment.counters.writes).toBe(1 + Math.ceil((999 * 116) / (71 * 116)))
    expect(writing.told).toEqual(['drained'])
    writing.end()
  })

  it('goes on in an order that is the same, where it fills up again at once', () => {
    const writing = newBlocked()
    for (const id of [2, 3]) {
      writing.call(id, Buffer.from('x'))
      writing.clock.turn()
      expect(writing.channel.writes).toHaveLength(id - 1)
      writing.channel.take()
      expect(writing.channel.writes).toHaveLength(id)
    }
    expect(writing.loop.blocked).toBe(true)
    expect(writing.told).toEqual([])
    writing.channel.flush()
    expect(writing.frames.map(({ id }) => id)).toEqual([1, 2, 3])
    expect(writing.told).toEqual(['drained'])
    writing.end()
  })

  it('makes no room where a write failed', () => {
    const writing = newBlocked()
    writing.call(2, Buffer.from('x'))
    writing.channel.cut(null)
    expect(writing.frames.map(({ id }) => id)).toEqual([1])
    expect(writing.told).toEqual([])
    writing.end()
  })

  it('is given up after limits.writeStallMs without progress', () => {
    const writing = newBlocked({ limits: { writeStallMs: 10_000 } })
    writing.clock.advance(9_999)
    expect(writing.told).toEqual([])
    writing.clock.advance(3)
    expect(writing.told).toEqual(['stalled'])
    writing.end()
  })

  it('is not given up while the peer takes something, however slowly', () => {
    const writing = new Writing({ compression: { algorithm: 'none' } })
    writing.channel.full = true
    // Each is large enough to be handed over by reference, as a write of its own.
    for (let id = 1; id <= 10; id += 1) writing.call(id, Buffer.alloc(5_000))
    writing.clock.turn()
    for (let taken = 0; taken < 8; taken += 1) {
      writing.clock.advance(9_990)
      writing.channel.take()
    }
    expect(writing.told).toEqual([])
    expect(writing.loop.blocked).toBe(true)
    writing.clock.advance(10_002)
    expect(writing.told).toEqual(['stalled'])
    writing.end()
  })

  it('arms no timer once it has room again', () => {
    const writing = newBlocked()
    writing.channel.flush()
    expect(writing.environment.wheel.armed).toBe(0)
    writing.clock.advance(60_000)
    expect(writing.told).toEqual(['drained'])
    writing.end()
  })

  it('keeps as many control frames as limits.maxQueuedControlFrames, and not one more', () => {
    const writing = newBlocked({ limits: { maxQueuedControlFrames: 50 } })
    for (let n = 0; n < 50; n += 1) writing.loop.control(KIND.PONG, 0, 0, n)
    expect(writing.told).toEqual([])
    writing.loop.control(KIND.PONG, 0, 0, 50)
    expect(writing.told).toEqual(['flood'])
    writing.end()
  })

  it('counts control frames anew once it had room', () => {
    const writing = newBlocked({ limits: { maxQueuedControlFrames: 50 } })
    for (let round = 0; round < 3; round += 1) {
      for (let n = 0; n < 50; n += 1) writing.loop.control(KIND.PONG, 0, 0, n)
      writing.channel.take()
    }
    expect(writing.told).toEqual([])
    writing.end()
  })
})

describe('control frames', () => {
  it('without end are no flood on a channel with room', () => {
    const writing = new Writing({ limits: { maxQueuedControlFrames: 5 } })
    for (let n = 0; n < 100; n += 1) writing.loop.control(KIND.PONG, 0, 0, n)
    expect(writing.told).toEqual([])
    writing.end()
  })

  it('sent while a message is being encoded come after it', () => {
    const writing = new Writing()
    writing.loop.beginCall(0, 7, 1, 0)
    writing.loop.control(KIND.CANCEL, 0, 1, 9)
    writing.loop.out.put(Buffer.from('x'))
    writing.loop.endMessage()
    writing.clock.turn()
    writing.clock.turn()
    expect(writing.frames.map(({ kind }) => kind)).toEqual([KIND.CALL, KIND.CANCEL])
    writing.end()
  })

  it('on a closed loop say nothing', () => {
    const writing = new Writing()
    writing.loop.close()
    writing.loop.control(KIND.PING, 0, 0, 1)
    writing.clock.turn()
    expect(writing.channel.writes).toHaveLength(0)
    writing.end()
  })
})
