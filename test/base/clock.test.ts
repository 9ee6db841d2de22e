import { describe, expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.js'

const nextTurn = () => new Promise<void>((resolve) => systemClock.nextTurn(resolve))
/** The test runner has some of its own. */
const timersOfTheProcess = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length

describe('the system clock', () => {
  test('never runs backwards', () => {
    let last = systemClock.now()
    for (let reading = 0; reading < 10_000; reading += 1) {
      const now = systemClock.now()
      expect(now).toBeGreaterThanOrEqual(last)
      last = now
    }
  })

  test('tells people milliseconds since 1970', () => {
    expect(new Date(systemClock.wallNow()).getUTCFullYear()).toBeGreaterThanOrEqual(2025)
    expect(Number.isInteger(systemClock.wallNow())).toBe(true)
  })

  test('calls back once and leaves no timer behind', async () => {
    const idle = timersOfTheProcess()
    let calls = 0
    await new Promise<void>((resolve) => {
      systemClock.setTimer(() => {
        calls += 1
        resolve()
      }, 1)
    })
    await nextTurn()
    expect(calls).toBe(1)
    expect(timersOfTheProcess()).toBe(idle)
  })

  test('never calls back a timer that was taken back', async () => {
    const idle = timersOfTheProcess()
    let calls = 0
    systemClock.clearTimer(
      systemClock.setTimer(() => {
        calls += 1
      }, 1),
    )
    await new Promise<void>((resolve) => systemClock.setTimer(resolve, 5))
    expect(calls).toBe(0)
    expect(timersOfTheProcess()).toBe(idle)
  })

  test.each([2 ** 31, 2 ** 40, Number.POSITIVE_INFINITY])(
    'does not mistake %d ms for one millisecond',
    async (delayMs) => {
      let calls = 0
      const handle = systemClock.setTimer(() => {
        calls += 1
      }, delayMs)
      await new Promise<void>((resolve) => systemClock.setTimer(resolve, 10))
      systemClock.clearTimer(handle)
      expect(calls).toBe(0)
    },
  )

  test('ends a turn after its microtasks and before the next turn, from a macrotask', async () => {
    const order: string[] = []
    await nextTurn()
    systemClock.nextTurn(() => order.push('next turn'))
    systemClock.endOfTurn(() => order.push('end of turn'))
    void Promise.resolve()
      .then(() => order.push('microtask'))
      .then(() => order.push('microtask of a microtask'))
    await nextTurn()
    await nextTurn()
    expect(order).toEqual(['microtask', 'microtask of a microtask', 'end of turn', 'next turn'])
  })

  test('ends a turn after its microtasks and before the next turn, from inside a timer', async () => {
    const order: string[] = []
    await new Promise<void>((resolve) => {
      systemClock.setTimer(() => {
        systemClock.nextTurn(() => {
          order.push('next turn')
          resolve()
        })
        systemClock.endOfTurn(() => order.push('end of turn'))
        void Promise.resolve()
          .then(() => order.push('microtask'))
          .then(() => order.push('microtask of a microtask'))
      }, 1)
    })
    expect(order).toEqual(['microtask', 'microtask of a microtask', 'end of turn', 'next turn'])
  })
})
