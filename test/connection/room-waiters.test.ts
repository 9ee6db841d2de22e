import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RoomWaiters } from '../../src/connection/room-waiters.js'
import type { OneWayTicket } from '../../src/connection/ticket.js'
import { LANE } from '../../src/mailbox/lane.js'
import { FLAG } from '../../src/wire/frame.js'
import { Writing } from './bench.js'

describe('those who wait for room', () => {
  it('get it in their order, and who gave up is passed over', () => {
    const waiters = new RoomWaiters()
    const heard: string[] = []
    const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => (): void => void heard.push(name)) as (() => void)[]
    for (const one of [a, b, c, d]) waiters.add(one as () => void)
    waiters.giveUp(b as () => void)
    expect(waiters.length).toBe(3)
    for (let next = waiters.next(); next !== undefined; next = waiters.next()) next()
    expect(heard).toEqual(['a', 'c', 'd'])
    expect(waiters.length).toBe(0)
  })

  it('are as many as a list of them says, and no more than that again are kept of those who gave up', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom('add', 'giveUp', 'next'), fc.nat(30))), (steps) => {
        const waiters = new RoomWaiters()
        const model: (() => void)[] = []
        for (const [step, choice] of steps) {
          if (step === 'add') {
            const made = (): void => {}
            waiters.add(made)
            model.push(made)
          } else if (step === 'next') expect(waiters.next()).toBe(model.shift())
          else if (model.length > 0) waiters.giveUp(model.splice(choice % model.length, 1)[0] as () => void)
          expect(waiters.length).toBe(model.length)
          expect(waiters.kept).toBeLessThanOrEqual(2 * model.length)
        }
      }),
    )
  })
})

class Held implements OneWayTicket {
  endPosition = Number.POSITIVE_INFINITY
  withdrawn = false
  readonly leftMs = 0

  begin(): number {
    return 1
  }

  leave(): number {
    return 1
  }

  onDropped(): void {}
}

describe('a lane at a socket that is full', () => {
  /** One of its messages waits. */
  function hold(writing: Writing, ticket: OneWayTicket): void {
    const flags = LANE.normal << FLAG.LANE_SHIFT
    const lane = writing.loop.oneWay(LANE.normal)
    expect(lane.admit(true)).toBe('accepted')
    writing.loop.beginHeldOneWay(flags, 7)
    writing.loop.out.put(Buffer.from('x'))
    writing.loop.holdOneWay(flags, 7, lane, ticket)
  }

  it('is empty when what waits was given up, and then has room for who waits for that', () => {
    const writing = new Writing({ compression: { algorithm: 'none' }, mailbox: { maxMessages: 2 } })
    writing.channel.full = true
    writing.call(1, Buffer.from('x'))
    writing.clock.turn()
    const lane = writing.loop.oneWay(LANE.normal)
    const [first, second, third] = [new Held(), new Held(), new Held()]
    hold(writing, first)
    hold(writing, second)
    lane.whenRoom(() => hold(writing, third))
    second.withdrawn = true
    expect([lane.isEmpty(), lane.mailbox.length, lane.waiting]).toEqual([false, 2, 1])
    first.withdrawn = true
    expect([lane.isEmpty(), lane.mailbox.length, lane.waiting]).toEqual([false, 1, 0])
    third.withdrawn = true
    expect([lane.isEmpty(), writing.environment.counters.oneWayDropped]).toEqual([true, 3])
    writing.end()
  })
})
