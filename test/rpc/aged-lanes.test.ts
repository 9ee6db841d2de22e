import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LANE } from '../../src/mailbox/lane.js'
import { AgedLanes, type Job } from '../../src/rpc/aged-lanes.js'

const BOUNDS = { maxMessages: 1_000, maxBytes: Number.POSITIVE_INFINITY, overflow: 'reject' } as const
const INTERVAL_MS = 100

/** Jobs that say what became of them, on a time that the test sets. */
class Bench {
  now = 0
  readonly lanes = new AgedLanes(BOUNDS, INTERVAL_MS)
  readonly ends: string[] = []

  offer(name: string, { lane = LANE.normal as number, maxWaitMs = 50, stale = false, ages = true } = {}): void {
    const queuedAt = this.now
    const { ends } = this
    const now = (): number => this.now
    const aging = {
      queuedAt,
      maxWaitMs,
      get waitedMs() {
        return now() - queuedAt
      },
      refuse: () => ends.push(`${name} refused`),
    }
    const end = (what: string) => (): void => void ends.push(`${name} ${what}`)
    this.lanes.offer({
      lane,
      bytes: 1,
      stale,
      aging: ages ? aging : null,
      start: end('run'),
      drop: end('dropped'),
    } as Job)
  }

  run(): void {
    this.lanes.next()?.start()
  }
}

describe('what waits for a handler', () => {
  it('is run whatever its age, after a burst', () => {
    const bench = new Bench()
    bench.offer('a')
    bench.offer('b')
    bench.now = 99
    bench.run()
    bench.run()
    expect(bench.ends).toEqual(['a run', 'b run'])
  })

  it('is refused when it is too old in a queue that has not been empty for the interval', () => {
    const bench = new Bench()
    bench.offer('a')
    bench.offer('b')
    bench.now = 60
    bench.offer('c')
    bench.now = 100
    bench.run()
    // At the interval nothing is refused yet; past it b is, and c has waited for less than it may.
    bench.now = 101
    bench.offer('d')
    bench.run()
    expect(bench.ends).toEqual(['a run', 'b refused', 'c run'])
  })

  it('is run at its longest wait, and refused past it', () => {
    for (const [waited, end] of [
      [150, 'run'],
      [151, 'refused'],
    ] as const) {
      const bench = new Bench()
      bench.offer('a', { maxWaitMs: 150 })
      bench.offer('b', { maxWaitMs: 1_000 })
      bench.now = waited
      bench.run()
      expect(bench.ends[0]).toBe(`a ${end}`)
    }
  })

  it('is run where nothing waits behind it, however old it is', () => {
    const bench = new Bench()
    bench.offer('a')
    bench.offer('b')
    bench.now = 10_000
    bench.run()
    expect(bench.ends).toEqual(['a refused', 'b run'])
  })

  it('begins anew when the queue was empty', () => {
    const bench = new Bench()
    bench.offer('a')
    bench.now = 200
    bench.run()
    bench.offer('b')
    bench.offer('c')
    bench.now = 300
    bench.run()
    expect(bench.ends).toEqual(['a run', 'b run'])
  })

  it('is dropped when nobody waits for it, and never refused where it may wait for ever', () => {
    const bench = new Bench()
    bench.offer('a', { stale: true })
    bench.offer('b', { ages: false })
    bench.offer('c')
    bench.now = 10_000
    bench.run()
    expect(bench.ends).toEqual(['a dropped', 'b run'])
  })

  it('ends in exactly one way each, and never leaves a handler idle while something waits', () => {
    const step = fc.oneof(
      fc.record({ lane: fc.integer({ min: 0, max: 3 }), maxWaitMs: fc.nat(300), stale: fc.boolean() }),
      fc.record({ pass: fc.nat(200) }),
      fc.constant('run' as const),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const bench = new Bench()
        let offered = 0
        let alive = 0
        for (const one of steps) {
          if (one === 'run') {
            const before = bench.ends.length
            bench.run()
            if (alive > 0) expect(bench.ends.at(-1)).toMatch(/run$/)
            for (const end of bench.ends.slice(before)) if (!end.endsWith('dropped')) alive -= 1
          } else if ('pass' in one) bench.now += one.pass
          else {
            bench.offer(String(offered), one)
            offered += 1
            if (!one.stale) alive += 1
          }
        }
        const names = bench.ends.map((end) => end.split(' ')[0])
        expect(new Set(names).size).toBe(names.length)
        expect(names.length + bench.lanes.length).toBe(offered)
      }),
    )
  })
})
