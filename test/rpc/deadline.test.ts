import { describe, expect, it } from 'vitest'
import { TimerWheel } from '../../src/base/timer-wheel.js'
import { Turns } from '../../src/base/turns.js'
import { DeadlineWatch } from '../../src/rpc/deadline.js'
import { turn } from '../fixtures/stage.js'
import { VirtualClock } from '../support/virtual-clock.js'

/** Open calls as a caller has them: what is due is settled, the earliest of the rest is told. */
class OpenCalls {
  readonly clock = new VirtualClock()
  readonly deadlines = new Set<number>()
  readonly settledAt = new Map<number, number>()
  readonly watch: DeadlineWatch
  readonly wheel = new TimerWheel(this.clock)
  readonly parts = { clock: this.clock, wheel: this.wheel, turns: new Turns(this.clock) }
  scans = 0

  constructor() {
    this.watch = new DeadlineWatch(this.parts, (now) => {
      this.scans += 1
      let next = Number.POSITIVE_INFINITY
      for (const deadline of [...this.deadlines]) {
        if (deadline > now) next = Math.min(next, deadline)
        else {
          this.deadlines.delete(deadline)
          this.settledAt.set(deadline, now)
        }
      }
      return next
    })
  }

  add(inMs: number): number {
    const deadline = this.clock.now() + inMs
    this.deadlines.add(deadline)
    this.watch.note(deadline)
    return deadline
  }
}

describe('deadlines of many calls', () => {
  it('settle each call when its own has passed: never before, and within 10 ms', () => {
    const calls = new OpenCalls()
    const all = [700, 30, 5, 1_000, 301, 30.5, 2].map((inMs) => calls.add(inMs))
    for (let ms = 0; ms < 1_100; ms += 1) calls.clock.advance(1)
    expect([...calls.settledAt.keys()].sort()).toEqual([...all].sort())
    for (const [deadline, at] of calls.settledAt) {
      expect(at).toBeGreaterThanOrEqual(deadline)
      expect(at - deadline).toBeLessThanOrEqual(10)
    }
  })

  it('do not wait for a longer one that was there before', () => {
    const calls = new OpenCalls()
    calls.add(60_000)
    const short = calls.add(50)
    calls.clock.advance(60)
    expect([...calls.settledAt.keys()]).toEqual([short])
  })

  it('cost a handful of scans while 100,000 calls settle in time', () => {
    const calls = new OpenCalls()
    for (let call = 0; call < 100_000; call += 1) {
      const deadline = calls.add(30_000)
      calls.deadlines.delete(deadline)
      calls.clock.advance(1)
    }
    // 100 s of calls, each with 30 s: one look per 30 s.
    expect(calls.scans).toBeLessThanOrEqual(4)
  })

  it('cost one scan for a thousand calls that expire together', () => {
    const calls = new OpenCalls()
    for (let call = 0; call < 1_000; call += 1) calls.add(100 + call / 1_000)
    calls.clock.advance(200)
    expect(calls.settledAt.size).toBe(1_000)
    expect(calls.scans).toBeLessThanOrEqual(2)
  })

  it('need no timer when there are none, and none after the last', () => {
    const calls = new OpenCalls()
    expect(calls.clock.timers).toBe(0)
    calls.add(10)
    expect(calls.clock.timers).toBe(1)
    calls.clock.advance(20)
    expect(calls.clock.timers).toBe(0)
  })

  it('arm no timer for a call that waits for ever', () => {
    const calls = new OpenCalls()
    calls.watch.note(Number.POSITIVE_INFINITY)
    expect(calls.wheel.armed).toBe(0)
  })

  it('count a timeout from the end of the turn that noted it, with one timer for all of the turn', async () => {
    const calls = new OpenCalls()
    for (const timeoutMs of [500, 100, 900]) {
      calls.deadlines.add(calls.clock.now() + timeoutMs)
      calls.watch.noteTimeout(timeoutMs)
    }
    expect(calls.clock.timers).toBe(0)
    await turn()
    expect(calls.clock.timers).toBe(1)
    calls.clock.advance(102)
    expect([calls.scans, calls.settledAt.size]).toEqual([1, 1])
    calls.clock.advance(1_000)
    expect([calls.scans, calls.settledAt.size]).toEqual([3, 3])
  })

  it('arm nothing when they are stopped before the turn ends', async () => {
    const calls = new OpenCalls()
    calls.watch.noteTimeout(100)
    calls.watch.stop()
    await turn()
    expect(calls.clock.timers).toBe(0)
  })

  it('stop at once, and can begin again', () => {
    const calls = new OpenCalls()
    calls.add(10)
    calls.watch.stop()
    expect(calls.clock.timers).toBe(0)
    calls.clock.advance(20)
    expect(calls.scans).toBe(0)
    calls.add(10)
    calls.clock.advance(20)
    expect(calls.scans).toBe(1)
  })

  it('may have new ones noted while the due ones are settled', () => {
    const calls = new OpenCalls()
    const second = calls.clock.now() + 25
    let noted = false
    const watch = new DeadlineWatch(calls.parts, (now) => {
      calls.scans += 1
      if (noted) return Number.POSITIVE_INFINITY
      noted = true
      watch.note(second)
      return now + 1_000
    })
    watch.note(calls.clock.now() + 10)
    calls.clock.advance(40)
    expect(calls.scans).toBe(2)
  })
})
