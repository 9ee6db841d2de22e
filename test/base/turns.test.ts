import { describe, expect, test } from 'vitest'
import { Turns } from '../../src/base/turns.js'
import { VirtualClock } from '../support/virtual-clock.js'

function stage() {
  const clock = new VirtualClock({ now: 100, turns: 'manual' })
  return { clock, turns: new Turns(clock) }
}

describe('a turn', () => {
  test('is the same for everything sent in it', () => {
    const { turns } = stage()
    expect(turns.current()).toBe(turns.current())
  })

  test('has not ended until its work is done, and then says when', () => {
    const { clock, turns } = stage()
    const turn = turns.current()
    expect(turn.endedAt).toBe(Number.POSITIVE_INFINITY)
    clock.advance(7)
    clock.turn()
    expect(turn.endedAt).toBe(107)
  })

  test('is another one after it ended', () => {
    const { clock, turns } = stage()
    const first = turns.current()
    clock.turn()
    clock.advance(1)
    const second = turns.current()
    expect(second).not.toBe(first)
    clock.turn()
    expect([first.endedAt, second.endedAt]).toEqual([100, 101])
  })

  test('calls back at its end, once, in order, with the time', () => {
    const { clock, turns } = stage()
    const heard: [string, number][] = []
    turns.whenEnds((now) => heard.push(['first', now]))
    turns.whenEnds((now) => heard.push(['second', now]))
    expect(heard).toEqual([])
    clock.turn()
    clock.turn()
    expect(heard).toEqual([
      ['first', 100],
      ['second', 100],
    ])
  })

  test('leaves to the next one what its callbacks start', () => {
    const { clock, turns } = stage()
    const heard: string[] = []
    const first = turns.current()
    turns.whenEnds(() => {
      expect(turns.current()).not.toBe(first)
      turns.whenEnds(() => heard.push('next'))
      heard.push('this')
    })
    clock.turn()
    expect(heard).toEqual(['this'])
    clock.turn()
    expect(heard).toEqual(['this', 'next'])
  })

  test('calls all back, also where one of them fails', () => {
    const { clock, turns } = stage()
    const heard: string[] = []
    turns.whenEnds(() => heard.push('first'))
    turns.whenEnds(() => {
      turns.whenEnds(() => heard.push('started meanwhile'))
      throw new Error('a mistake')
    })
    turns.whenEnds(() => heard.push('third'))
    expect(() => clock.turn()).toThrow('a mistake')
    clock.turn()
    expect(heard).toEqual(['first', 'third', 'started meanwhile'])
  })
})
