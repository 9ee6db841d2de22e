import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LANE } from '../../src/mailbox/lane.js'
import type { MailboxBounds } from '../../src/mailbox/mailbox.js'
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

  it('is told that it is not taken where there is room for none, whatever may make room', () => {
    const job: Job = { lane: 0, bytes: 1, aging: null, stale: false, start: () => {}, drop: () => expect.unreachable() }
    for (const [overflow, offer] of [
      ['reject', 'rejected'],
      ['drop-newest', 'dropped'],
      ['drop-oldest', 'dropped'],
    ] as const) {
      const lanes = new AgedLanes({ maxMessages: 0, maxBytes: 1_024, overflow }, INTERVAL_MS)
      expect(lanes.offer(job)).toBe(offer)
      expect(lanes.length).toBe(0)
    }
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

/** Messages, in jobs of one or many, in queues of one lane; and beside them a queue of the same messages one by one. */
class Twins {
  readonly #bounds: MailboxBounds
  readonly #lanes: AgedLanes
  readonly run: string[] = []
  readonly lost: string[] = []
  readonly #naive: { readonly name: string; readonly bytes: number }[] = []
  readonly naiveLost: string[] = []
  readonly naiveRun: string[] = []

  constructor(bounds: MailboxBounds) {
    this.#bounds = bounds
    this.#lanes = new AgedLanes(bounds, INTERVAL_MS)
  }

  offer(first: number, costs: number[]): void {
    const names = costs.map((_, index) => `${first}.${index}`)
    const left = [...costs]
    const job: Job = {
      lane: LANE.normal,
      get bytes() {
        return left.reduce((sum, cost) => sum + cost, 0)
      },
      parts:
        costs.length === 1
          ? undefined
          : {
              costs: left,
              shed: (from, count) => {
                left.splice(from, count)
                this.lost.push(...names.splice(from, count))
              },
            },
      aging: null,
      stale: false,
      start: () => this.run.push(...names),
      drop: () => this.lost.push(...names),
    }
    names.forEach((name, index) => {
      this.#offerNaive(name, costs[index] ?? 0)
    })
    if (this.#lanes.offer(job) !== 'accepted') job.drop()
  }

  next(): void {
    const before = this.run.length
    this.#lanes.next()?.start()
    for (const { name } of this.#naive.splice(0, this.run.length - before)) this.naiveRun.push(name)
  }

  empty(): void {
    while (this.#lanes.length > 0) this.next()
    expect(this.#naive).toEqual([])
  }

  #offerNaive(name: string, bytes: number): void {
    const { maxMessages, maxBytes, overflow } = this.#bounds
    const full = (): boolean => {
      const held = this.#naive.reduce((sum, one) => sum + one.bytes, 0)
      return this.#naive.length >= maxMessages || held >= maxBytes
    }
    if (overflow === 'drop-oldest' && maxMessages > 0) {
      while (full()) this.naiveLost.push(this.#naive.shift()?.name ?? '')
    } else if (full()) {
      this.naiveLost.push(name)
      return
    }
    this.#naive.push({ name, bytes })
  }
}

describe('what waits as one for a handler that takes many at once', () => {
  it.each(['reject', 'drop-newest', 'drop-oldest'] as const)(
    'is bounded as its messages one by one are: %s',
    (overflow) => {
      const step = fc.oneof(
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 12 }),
        fc.constant('next' as const),
      )
      fc.assert(
        fc.property(fc.nat(10), fc.integer({ min: 1, max: 150 }), fc.array(step), (maxMessages, maxBytes, steps) => {
          const twins = new Twins({ maxMessages, maxBytes, overflow })
          steps.forEach((one, index) => {
            if (one === 'next') twins.next()
            else twins.offer(index, one)
          })
          twins.empty()
          expect(twins.run).toEqual(twins.naiveRun)
          expect([...twins.lost].sort()).toEqual([...twins.naiveLost].sort())
        }),
      )
    },
  )
})
