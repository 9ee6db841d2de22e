import { describe, expect, test } from 'vitest'
import { VirtualClock } from '../../src/testing/virtual-clock.js'

describe('the virtual clock', () => {
  test('stands still until it is moved', async () => {
    const clock = new VirtualClock({ now: 5, wallNow: 1_000 })
    await clock.settle()
    expect([clock.now(), clock.wallNow()]).toEqual([5, 1_000])
    clock.advance(2.5)
    expect([clock.now(), clock.wallNow()]).toEqual([7.5, 1_002])
    clock.setWall(50)
    expect([clock.now(), clock.wallNow()]).toEqual([7.5, 50])
  })

  test('fires timers in the order they fall due, each at its own moment', () => {
    const clock = new VirtualClock()
    const fired: [string, number][] = []
    const note = (name: string) => () => fired.push([name, clock.now()])
    clock.setTimer(note('c'), 30)
    clock.setTimer(note('a'), 10)
    clock.setTimer(note('b'), 10)
    clock.advance(9)
    expect(fired).toEqual([])
    clock.advance(100)
    expect(fired).toEqual([
      ['a', 10],
      ['b', 10],
      ['c', 30],
    ])
    expect(clock.now()).toBe(109)
  })

  test('fires a timer that a timer set, when it falls due on the way', () => {
    const clock = new VirtualClock()
    const fired: number[] = []
    const again = () => {
      fired.push(clock.now())
      if (fired.length < 3) clock.setTimer(again, 10)
    }
    clock.setTimer(again, 10)
    clock.advance(100)
    expect(fired).toEqual([10, 20, 30])
    expect(clock.timers).toBe(0)
  })

  test('forgets a timer that was taken back', () => {
    const clock = new VirtualClock()
    clock.clearTimer(clock.setTimer(() => expect.unreachable(), 10))
    clock.advance(100)
    expect(clock.nextDueAt).toBe(Number.POSITIVE_INFINITY)
  })

  test('fires late what fell due during a stall', () => {
    const clock = new VirtualClock()
    const fired: number[] = []
    clock.setTimer(() => fired.push(clock.now()), 20)
    clock.setTimer(() => fired.push(clock.now()), 10)
    clock.stall(100)
    expect(fired).toEqual([100, 100])
  })

  test('lets promises go on between two timers', async () => {
    const clock = new VirtualClock()
    const order: string[] = []
    clock.setTimer(() => void Promise.resolve().then(() => order.push('promise of the first')), 10)
    clock.setTimer(() => order.push('second'), 20)
    await clock.advanceAsync(100)
    expect(order).toEqual(['promise of the first', 'second'])
  })

  test('ends turns when the test says so, if it was asked to', () => {
    const clock = new VirtualClock({ turns: 'manual' })
    const order: string[] = []
    clock.nextTurn(() => {
      order.push('next turn')
      clock.nextTurn(() => order.push('the one after'))
    })
    clock.endOfTurn(() => order.push('end of turn'))
    expect(order).toEqual([])
    clock.turn()
    expect(order).toEqual(['end of turn', 'next turn'])
    clock.turn()
    expect(order).toEqual(['end of turn', 'next turn', 'the one after'])
  })

  test('ends real turns by itself, if it was not', async () => {
    const clock = new VirtualClock()
    const order: string[] = []
    clock.nextTurn(() => order.push('next turn'))
    clock.endOfTurn(() => order.push('end of turn'))
    await clock.settle()
    expect(order).toEqual(['end of turn', 'next turn'])
  })
})
