import { createHook } from 'node:async_hooks'
import { describe, expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.js'

const nextTurn = () => new Promise<void>((resolve) => systemClock.nextTurn(resolve))

/**
 * Runs `start` and tells how many of the timers that it set are still there. The runner has timers of its own,
 * which come and go while a test waits, so those of the whole process tell nothing.
 */
function timersLeftBy(start: () => void): () => Promise<number> {
  const left = new Set<number>()
  let starting = true
  const hook = createHook({
    init: (id, kind) => {
      if (starting && kind === 'Timeout') left.add(id)
    },
    destroy: (id) => {
      left.delete(id)
    },
  }).enable()
  start()
  starting = false
  return async () => {
    // Node tells of what was destroyed in a turn of its own.
    for (let turns = 0; turns < 10; turns += 1) await nextTurn()
    hook.disable()
    return left.size
  }
}

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
    let calls = 0
    let called = () => {}
    const wasCalled = new Promise<void>((resolve) => {
      called = resolve
    })
    const timersLeft = timersLeftBy(() => {
      systemClock.setTimer(() => {
        calls += 1
        called()
      }, 1)
    })
    await wasCalled
    expect(await timersLeft()).toBe(0)
    expect(calls).toBe(1)
  })

  test('never calls back a timer that was taken back', async () => {
    let calls = 0
    const timersLeft = timersLeftBy(() => {
      systemClock.clearTimer(
        systemClock.setTimer(() => {
          calls += 1
        }, 1),
      )
    })
    expect(await timersLeft()).toBe(0)
    await new Promise<void>((resolve) => systemClock.setTimer(resolve, 5))
    expect(calls).toBe(0)
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
