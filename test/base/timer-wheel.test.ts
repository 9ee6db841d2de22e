import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { TimerWheel, WheelTimer } from '../../src/base/timer-wheel.js'
import { VirtualClock } from '../support/virtual-clock.js'

const TICK_MS = 2
const DAY_MS = 24 * 60 * 60 * 1_000

/** A wheel, and timers that note when they fired. */
function stage(now = 0) {
  const clock = new VirtualClock({ now, turns: 'manual' })
  const wheel = new TimerWheel(clock)
  const fired: [name: string, at: number][] = []
  const timer = (name: string, then?: () => void) =>
    new WheelTimer(() => {
      fired.push([name, clock.now()])
      then?.()
    })
  const names = () => fired.map(([name]) => name)
  return { clock, wheel, fired, timer, names }
}

describe('a timer on the wheel', () => {
  test('fires once, not early and at most a tick late', () => {
    for (let delayMs = 0; delayMs <= 300; delayMs += 1) {
      const { clock, wheel, fired, timer } = stage()
      clock.advance(delayMs % 7)
      const armedAt = clock.now()
      wheel.arm(timer('it'), delayMs)
      clock.advance(1_000)
      expect(fired).toHaveLength(1)
      const lateMs = (fired[0]?.[1] ?? Number.NaN) - (armedAt + delayMs)
      expect(lateMs).toBeGreaterThanOrEqual(0)
      expect(lateMs).toBeLessThanOrEqual(TICK_MS)
      expect(wheel.armed).toBe(0)
    }
  })

  test.each([
    126,
    127,
    128,
    129,
    130,
    8_190,
    8_191,
    8_192,
    8_193,
    8_194,
    524_286,
    524_287,
    524_288,
    524_289,
    524_290,
    33_554_430,
    33_554_432,
    33_554_434,
    DAY_MS - 1,
    DAY_MS,
    DAY_MS + 1,
  ])('comes down through the levels in time when it is armed for %d ms', (delayMs) => {
    for (const startMs of [0, 1, 2, 127, 128, 8_191, 8_192, 600_000, 12_345_678]) {
      const { clock, wheel, fired, timer } = stage()
      const keeper = timer('keeper')
      wheel.arm(keeper, 2 * DAY_MS)
      clock.advance(startMs)
      wheel.arm(timer('it'), delayMs)
      clock.advance(delayMs + TICK_MS)
      const [name, at] = fired[0] ?? ['nothing fired', 0]
      expect(name).toBe('it')
      expect(at - startMs - delayMs).toBeGreaterThanOrEqual(0)
      expect(at - startMs - delayMs).toBeLessThanOrEqual(TICK_MS)
      wheel.disarm(keeper)
    }
  })

  test('fires in the order of the deadlines', () => {
    const { clock, wheel, timer, names } = stage()
    for (const delayMs of [500, 10, 9_000, 130, 64, 700_000, 4]) wheel.arm(timer(`${delayMs}`), delayMs)
    clock.advance(DAY_MS)
    expect(names()).toEqual(['4', '10', '64', '130', '500', '9000', '700000'])
  })

  test('does not fire once it is disarmed, and may be disarmed twice', () => {
    const { clock, wheel, timer, names } = stage()
    const it = timer('it')
    wheel.arm(it, 10)
    wheel.disarm(it)
    wheel.disarm(it)
    clock.advance(1_000)
    expect(names()).toEqual([])
    expect(wheel.armed).toBe(0)
  })

  test('moves when it is armed again', () => {
    const { clock, wheel, fired, timer } = stage()
    const it = timer('it')
    wheel.arm(it, 10)
    clock.advance(8)
    wheel.arm(it, 10)
    expect(wheel.armed).toBe(1)
    clock.advance(1_000)
    expect(fired).toEqual([['it', 18]])
    wheel.arm(it, 500)
    wheel.arm(it, 4)
    clock.advance(1_000)
    expect(fired).toEqual([
      ['it', 18],
      ['it', 1_012],
    ])
  })

  test('can be armed again for ever from its own callback', () => {
    const { clock, wheel, fired, timer } = stage()
    const it: WheelTimer = timer('it', () => {
      if (fired.length < 100) wheel.arm(it, 10)
    })
    wheel.arm(it, 10)
    clock.advance(DAY_MS)
    expect(fired.map(([, at]) => at)).toEqual(Array.from({ length: 100 }, (_, index) => (index + 1) * 10))
    expect(wheel.armed).toBe(0)
    expect(clock.timers).toBe(0)
  })

  test('armed from a callback without delay fires in a later tick, so that the wheel cannot spin in place', () => {
    const { clock, wheel, fired, timer } = stage()
    const it: WheelTimer = timer('it', () => {
      if (fired.length < 5) wheel.arm(it, 0)
    })
    wheel.arm(it, 0)
    clock.advance(100)
    const moments = fired.map(([, at]) => at)
    expect(moments).toHaveLength(5)
    expect(new Set(moments).size).toBe(5)
  })

  test('disarmed by another callback of the same tick does not fire', () => {
    const { clock, wheel, timer, names } = stage()
    const second = timer('second')
    wheel.arm(
      timer('first', () => wheel.disarm(second)),
      10,
    )
    wheel.arm(second, 10)
    clock.advance(1_000)
    expect(names()).toEqual(['first'])
    expect(wheel.armed).toBe(0)
  })

  test('armed anew by another callback of the same tick fires at its new time only', () => {
    const { clock, wheel, fired, timer } = stage()
    const second = timer('second')
    wheel.arm(
      timer('first', () => wheel.arm(second, 128)),
      10,
    )
    wheel.arm(second, 10)
    clock.advance(1_000)
    expect(fired).toEqual([
      ['first', 10],
      ['second', 138],
    ])
  })

  test('disarmed and armed anew by another callback of the same tick fires at its new time only', () => {
    const { clock, wheel, fired, timer } = stage()
    const second = timer('second')
    const first = timer('first', () => {
      wheel.disarm(second)
      wheel.arm(second, 128)
    })
    wheel.arm(first, 10)
    wheel.arm(second, 10)
    clock.advance(1_000)
    expect(fired).toEqual([
      ['first', 10],
      ['second', 138],
    ])
  })

  test.each([1e12, Number.MAX_SAFE_INTEGER, Number.POSITIVE_INFINITY])(
    'armed for %d ms waits, and does not overflow',
    (delayMs) => {
      const { clock, wheel, timer, names } = stage()
      const it = timer('it')
      wheel.arm(it, delayMs)
      clock.advance(30 * DAY_MS)
      expect(names()).toEqual([])
      wheel.disarm(it)
      expect(clock.timers).toBe(0)
    },
  )

  test('armed after years of uptime still fires in time', () => {
    const { clock, wheel, fired, timer } = stage(0.25)
    clock.advance(3 * 365 * DAY_MS)
    const armedAt = clock.now()
    wheel.arm(timer('it'), 1_000)
    clock.advance(2_000)
    expect((fired[0]?.[1] ?? 0) - armedAt).toBeLessThan(1_000 + TICK_MS + 1)
  })

  test('whose callback throws takes no other timer with it', () => {
    const { clock, wheel, timer, names } = stage()
    const failing = new WheelTimer(() => {
      throw new Error('a callback failed')
    })
    wheel.arm(timer('before'), 10)
    wheel.arm(failing, 10)
    wheel.arm(timer('same tick'), 10)
    wheel.arm(timer('later'), 500)
    clock.advance(1_000)
    expect(() => clock.turn()).toThrow('a callback failed')
    expect(names()).toEqual(['before', 'same tick', 'later'])
    expect(wheel.armed).toBe(0)
    expect(clock.timers).toBe(0)
  })
})

describe('the timer of the system under a wheel', () => {
  test('is not set while nothing is armed', () => {
    const { clock, wheel, timer } = stage()
    expect(clock.timers).toBe(0)
    const timers = Array.from({ length: 1_000 }, (_, index) => timer(`${index}`))
    for (const [index, one] of timers.entries()) wheel.arm(one, index * 10)
    expect(clock.timers).toBe(1)
    for (const one of timers) wheel.disarm(one)
    expect(clock.timers).toBe(0)
    wheel.arm(timer('last'), 10)
    clock.advance(1_000)
    expect(clock.timers).toBe(0)
  })

  test('is not left behind by a timer that a callback armed and that fired in the same waking', () => {
    const { clock, wheel, timer, names } = stage()
    const second = timer('second')
    wheel.arm(
      timer('first', () => wheel.arm(second, 0)),
      10,
    )
    wheel.arm(timer('between'), 20)
    clock.stall(50)
    expect(names()).toEqual(['first', 'between', 'second'])
    expect(wheel.armed).toBe(0)
    expect(clock.timers).toBe(0)
  })

  test('is one, however many timers are armed', () => {
    const { clock, wheel, timer } = stage()
    for (let index = 0; index < 500; index += 1) {
      wheel.arm(timer(`${index}`), (index * 7_919) % 100_000)
      expect(clock.timers).toBe(1)
    }
    while (wheel.armed > 0) {
      clock.advance(clock.nextDueAt - clock.now())
      expect(clock.timers).toBe(wheel.armed > 0 ? 1 : 0)
    }
  })

  test('wakes for a far timer a handful of times, not at every tick', () => {
    const { clock, wheel, timer } = stage()
    wheel.arm(timer('it'), DAY_MS)
    let wakings = 0
    while (wheel.armed > 0) {
      clock.advance(clock.nextDueAt - clock.now())
      wakings += 1
    }
    expect(wakings).toBeLessThanOrEqual(10)
  })
})

describe('a wheel beside a naive list of deadlines', () => {
  const TIMERS = 8
  const delay = fc.oneof(
    fc.nat(10),
    fc.nat(300),
    fc.nat(20_000),
    fc.nat(DAY_MS),
    fc.constantFrom(0, 128, 8_192, 524_288, 33_554_432, DAY_MS),
  )
  const which = fc.nat(TIMERS - 1)
  /** What a timer does when it fires. */
  const reaction = fc.oneof(
    fc.constant({ kind: 'nothing' as const }),
    fc.record({ kind: fc.constant('arm' as const), target: which, delayMs: delay }),
    fc.record({ kind: fc.constant('disarm' as const), target: which }),
  )
  const step = fc.oneof(
    fc.record({ kind: fc.constant('arm' as const), target: which, delayMs: delay, reaction }),
    fc.record({ kind: fc.constant('disarm' as const), target: which }),
    fc.record({ kind: fc.constant('advance' as const), ms: delay }),
    fc.record({ kind: fc.constant('stall' as const), ms: delay }),
  )

  test.each([0, 0.375])('fires the same timers, none early, none more than a tick late (origin %d)', (origin) => {
    // Ticks count from the origin. Away from a whole millisecond the system's timer rounds up by less than one more.
    const roundingMs = origin === 0 ? 0 : 1
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const clock = new VirtualClock({ now: origin })
        const wheel = new TimerWheel(clock)
        const dueAt = new Map<number, number>()
        const reactions = new Map<number, () => void>()
        let stalled = false

        const arm = (target: number, delayMs: number) => {
          dueAt.set(target, clock.now() + delayMs)
          wheel.arm(timers[target] as WheelTimer, delayMs)
        }
        const disarm = (target: number) => {
          dueAt.delete(target)
          wheel.disarm(timers[target] as WheelTimer)
        }
        const timers = Array.from({ length: TIMERS }, (_, target) => {
          return new WheelTimer(() => {
            const due = dueAt.get(target)
            if (due === undefined) throw new Error(`timer ${target} fired and was not armed`)
            expect(clock.now()).toBeGreaterThanOrEqual(due)
            if (!stalled) expect(clock.now() - due).toBeLessThanOrEqual(TICK_MS + roundingMs)
            dueAt.delete(target)
            const react = reactions.get(target)
            reactions.delete(target)
            react?.()
          })
        })

        for (const one of steps) {
          if (one.kind === 'arm') {
            const { reaction: then } = one
            arm(one.target, one.delayMs)
            reactions.delete(one.target)
            if (then.kind === 'arm') reactions.set(one.target, () => arm(then.target, then.delayMs))
            if (then.kind === 'disarm') reactions.set(one.target, () => disarm(then.target))
          } else if (one.kind === 'disarm') {
            disarm(one.target)
          } else {
            stalled = one.kind === 'stall'
            if (stalled) clock.stall(one.ms)
            else clock.advance(one.ms)
            stalled = false
          }
          expect(wheel.armed).toBe(dueAt.size)
          expect(clock.timers).toBe(dueAt.size > 0 ? 1 : 0)
          for (const due of dueAt.values()) expect(due).toBeGreaterThan(clock.now() - TICK_MS - roundingMs)
        }
        clock.advance(3 * DAY_MS)
        expect(dueAt.size).toBe(0)
        expect(clock.timers).toBe(0)
      }),
      { numRuns: 400 },
    )
  })
})
