import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AgedLanes, type Job, messagesOf } from '../../src/rpc/aged-lanes.js'
import { Orphans } from '../../src/rpc/orphans.js'

const UNBOUNDED = {
  maxMessages: Number.POSITIVE_INFINITY,
  maxBytes: Number.POSITIVE_INFINITY,
  overflow: 'wait',
} as const

/** The messages of one job, and what became of them. */
class Messages {
  readonly names: string[]
  readonly costs: number[]
  readonly job: Job
  ran = false

  constructor(name: string, costs: readonly number[], lane: number, lost: string[]) {
    this.names = costs.map((_, index) => `${name}.${index}`)
    this.costs = [...costs]
    const { names } = this
    const left = this.costs
    this.job = {
      lane,
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
                lost.push(...names.splice(from, count))
              },
            },
      aging: null,
      stale: false,
      waits: false,
      start: () => {
        this.ran = true
      },
      drop: () => lost.push(...names.splice(0)),
    }
  }
}

class Bench {
  readonly lost: string[] = []
  readonly lanes = new AgedLanes(UNBOUNDED, 100)
  readonly orphans: Orphans

  constructor(maxMessages: number, maxBytes: number) {
    this.orphans = new Orphans(this.lanes, maxMessages, maxBytes)
  }

  offer(name: string, costs: readonly number[] = [1], lane = 1): Messages {
    const messages = new Messages(name, costs, lane, this.lost)
    this.lanes.offer(messages.job)
    return messages
  }

  /** As the queue of a handler does. */
  run(): Job | undefined {
    const job = this.lanes.next()
    if (job === undefined) return undefined
    this.orphans.ran(job)
    job.start()
    return job
  }
}

describe('messages that wait though their connection is gone', () => {
  it('are as many as the bounds of their handler, the newest of them; the others of the queue are not touched', () => {
    const bench = new Bench(2, 1_000)
    const live = ['x', 'y', 'z'].map((name) => bench.offer(name))
    const gone = ['a', 'b', 'c', 'd'].map((name) => bench.offer(name))
    for (const { job } of gone) bench.orphans.add(job)
    expect(bench.lost).toEqual(['a.0', 'b.0'])
    expect(bench.lanes.length).toBe(5)
    while (bench.run() !== undefined);
    expect([...live, ...gone].map(({ ran }) => ran)).toEqual([true, true, true, false, false, true, true])
  })

  it('are bounded by bytes, but for one that is larger than the bound alone', () => {
    const bench = new Bench(1_000, 100)
    for (const cost of [40, 60, 1, 500]) bench.orphans.add(bench.offer(`${cost}`, [cost]).job)
    expect(bench.lost).toEqual(['40.0', '60.0', '1.0'])
    bench.orphans.add(bench.offer('100', [100]).job)
    expect(bench.lost).toEqual(['40.0', '60.0', '1.0', '500.0'])
  })

  it('are counted one by one, also where many run as one', () => {
    const bench = new Bench(3, 1_000)
    const first = bench.offer('a', [1, 1, 1, 1, 1])
    const second = bench.offer('b', [1, 1])
    bench.orphans.add(first.job)
    expect(bench.lost).toEqual(['a.0', 'a.1'])
    bench.orphans.add(second.job)
    expect(bench.lost).toEqual(['a.0', 'a.1', 'a.2', 'a.3'])
    expect([first.names, second.names]).toEqual([['a.4'], ['b.0', 'b.1']])
    expect(bench.lanes.aheadOf(3)).toBe(3)
  })

  it('are counted once, however often their connection is said to be gone', () => {
    const bench = new Bench(1, 1_000)
    const { job } = bench.offer('a')
    bench.orphans.add(job)
    bench.orphans.add(job)
    expect(bench.lost).toEqual([])
    bench.run()
    // Those that have run wait no more.
    const { job: other } = bench.offer('b')
    bench.run()
    bench.orphans.add(job)
    bench.orphans.add(other)
    bench.orphans.add(bench.offer('c').job)
    expect(bench.lost).toEqual([])
  })

  it('all go where nothing may wait', () => {
    const bench = new Bench(0, 1_000)
    bench.orphans.add(bench.offer('a').job)
    expect(bench.lost).toEqual(['a.0'])
    expect(bench.lanes.length).toBe(0)
  })

  it('keep within the bounds of each lane, and are those of a naive queue', () => {
    const step = fc.oneof(
      fc.record({
        lane: fc.integer({ min: 0, max: 1 }),
        costs: fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 }),
      }),
      fc.record({ orphan: fc.nat(40) }),
      fc.constant('run' as const),
    )
    fc.assert(
      fc.property(fc.nat(8), fc.integer({ min: 1, max: 120 }), fc.array(step), (maxMessages, maxBytes, steps) => {
        const bench = new Bench(maxMessages, maxBytes)
        const all: Messages[] = []
        /** Orphaned messages, the first that were orphaned first. */
        const naive: { lane: number; name: string; cost: number }[] = []
        const naiveLost: string[] = []
        const ofLane = (lane: number): typeof naive => naive.filter((one) => one.lane === lane)
        for (const one of steps) {
          if (one === 'run') {
            const job = bench.run()
            const ran = all.find((messages) => messages.job === job)
            for (const name of ran?.names ?? []) {
              const at = naive.findIndex((other) => other.name === name)
              if (at >= 0) naive.splice(at, 1)
            }
          } else if ('orphan' in one) {
            const messages = all[one.orphan]
            if (messages === undefined || !messages.job.waits || messages.job.orphaned === true) continue
            const { lane } = messages.job
            messages.names.forEach((name, index) => {
              naive.push({ lane, name, cost: messages.costs[index] ?? 0 })
            })
            bench.orphans.add(messages.job)
            const over = (): boolean => {
              const held = ofLane(lane)
              return (
                held.length > maxMessages ||
                (held.length > 1 && held.reduce((sum, { cost }) => sum + cost, 0) > maxBytes)
              )
            }
            while (over()) {
              const at = naive.findIndex((one) => one.lane === lane)
              for (const { name } of naive.splice(at, 1)) naiveLost.push(name)
            }
          } else all.push(bench.offer(String(all.length), one.costs, one.lane))
          expect(bench.lost).toEqual(naiveLost)
          const waiting = all.filter(({ job }) => job.waits)
          expect(bench.lanes.aheadOf(3)).toBe(waiting.reduce((sum, { job }) => sum + messagesOf(job), 0))
        }
      }),
    )
  })
})
