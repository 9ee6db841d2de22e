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

function jobOf(parts: Partial<Job>): Job {
  const job: Job = { lane: 0, bytes: 1, aging: null, stale: false, waits: false, start: () => {}, drop: () => {} }
  // Getters stay getters.
  return Object.defineProperties(job, Object.getOwnPropertyDescriptors(parts))
}

/** Takes out and runs all that is to run. */
function drain(lanes: AgedLanes): void {
  for (let job = lanes.next(); job !== undefined; job = lanes.next()) job.start()
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
    const job = jobOf({ drop: () => expect.unreachable() })
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
      waits: false,
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

describe('a job that is given up while it waits', () => {
  it('gives back its place and its bytes at once, and never runs', () => {
    for (const bounds of [
      { maxMessages: 2, maxBytes: 1_000 },
      { maxMessages: 1_000, maxBytes: 20 },
    ]) {
      const lanes = new AgedLanes({ ...bounds, overflow: 'reject' }, INTERVAL_MS)
      const ran: string[] = []
      const job = (name: string): Job => jobOf({ bytes: 10, start: () => ran.push(name) })
      const [a, b, c, d] = [job('a'), job('b'), job('c'), job('d')]
      expect([lanes.offer(a), lanes.offer(b), lanes.offer(c)]).toEqual(['accepted', 'accepted', 'rejected'])
      lanes.withdraw(a)
      expect([lanes.length, lanes.aheadOf(0)]).toEqual([1, 1])
      expect([lanes.offer(c), lanes.offer(d)]).toEqual(['accepted', 'rejected'])
      drain(lanes)
      expect(ran).toEqual(['b', 'c'])
    }
  })

  it('gives it back once, whatever becomes of it afterwards', () => {
    const lanes = new AgedLanes({ maxMessages: 2, maxBytes: 1_000, overflow: 'reject' }, INTERVAL_MS)
    const [given, taken, last] = [jobOf({}), jobOf({}), jobOf({})]
    lanes.offer(given)
    lanes.offer(taken)
    lanes.offer(last)
    for (let times = 0; times < 3; times += 1) lanes.withdraw(given)
    // One that was never taken in, and one that is out again, have nothing to give.
    lanes.withdraw(last)
    expect(lanes.next()).toBe(taken)
    lanes.withdraw(taken)
    expect(lanes.next()).toBeUndefined()
    expect([lanes.length, lanes.aheadOf(0)]).toEqual([0, 0])
    expect([jobOf({}), jobOf({}), jobOf({})].map((one) => lanes.offer(one))).toEqual([
      'accepted',
      'accepted',
      'rejected',
    ])
  })

  it('is not what makes room for a newer one', () => {
    const lanes = new AgedLanes({ maxMessages: 3, maxBytes: 1_000, overflow: 'drop-oldest' }, INTERVAL_MS)
    const ends: string[] = []
    const jobs = ['a', 'b', 'c', 'd', 'e'].map((name) =>
      jobOf({ start: () => ends.push(`${name} run`), drop: () => ends.push(`${name} dropped`) }),
    )
    for (const one of jobs.slice(0, 3)) lanes.offer(one)
    lanes.withdraw(jobs[0] as Job)
    lanes.offer(jobs[3] as Job)
    expect(ends).toEqual([])
    lanes.offer(jobs[4] as Job)
    drain(lanes)
    expect(ends).toEqual(['b dropped', 'c run', 'd run', 'e run'])
  })

  it('is passed over by the next: of those that lie there are never more than of those that wait', () => {
    const lanes = new AgedLanes(BOUNDS, INTERVAL_MS)
    let looks = 0
    const flood = (): Job => {
      let waits = false
      return jobOf({
        get waits() {
          looks += 1
          return waits
        },
        set waits(now) {
          waits = now
        },
      })
    }
    const stays = [jobOf({}), jobOf({}), jobOf({})]
    for (const one of stays) lanes.offer(one)
    for (let count = 0; count < 10_000; count += 1) {
      const job = flood()
      lanes.offer(job)
      lanes.withdraw(job)
    }
    // Each costs the same few looks, however many came before it.
    expect(looks).toBeLessThan(10_000 * 8)
    looks = 0
    drain(lanes)
    expect(looks).toBeLessThanOrEqual(stays.length * 2)
  })

  it('does not run where refusing another is what has it given up', () => {
    for (const [first, second] of [
      [10, 1_000],
      [10, 10],
    ] as const) {
      const lanes = new AgedLanes(BOUNDS, INTERVAL_MS)
      const ends: string[] = []
      let closed = false
      const job = (name: string, maxWaitMs: number): Job =>
        jobOf({
          get stale() {
            return closed
          },
          aging: {
            queuedAt: 0,
            waitedMs: 200,
            maxWaitMs,
            refuse: () => {
              ends.push(`${name} refused`)
              closed = true
            },
          },
          start: () => ends.push(`${name} run`),
          drop: () => ends.push(`${name} dropped`),
        })
      lanes.offer(job('a', first))
      lanes.offer(job('b', second))
      drain(lanes)
      expect(ends).toEqual(['a refused', 'b dropped'])
    }
  })

  it.each(['reject', 'drop-newest', 'drop-oldest'] as const)(
    'leaves the others as if it had never come: %s',
    (overflow) => {
      const step = fc.oneof(
        fc.record({ lane: fc.integer({ min: 0, max: 1 }), bytes: fc.integer({ min: 1, max: 40 }) }),
        fc.record({ giveUp: fc.nat(30) }),
        fc.constant('next' as const),
      )
      const sizes = [fc.integer({ min: 1, max: 10 }), fc.integer({ min: 1, max: 150 })] as const
      fc.assert(
        fc.property(...sizes, fc.array(step, { maxLength: 200 }), (maxMessages, maxBytes, steps) => {
          const lanes = new AgedLanes({ maxMessages, maxBytes, overflow }, INTERVAL_MS)
          const jobs: Job[] = []
          /** What waits, in order: an array in which nothing is left lying. */
          let naive: Job[] = []
          const lost = new Set<Job>()
          const ofLane = (lane: number): Job[] => naive.filter((one) => one.lane === lane)
          const full = (lane: number): boolean => {
            const held = ofLane(lane).reduce((sum, one) => sum + one.bytes, 0)
            return ofLane(lane).length >= maxMessages || held >= maxBytes
          }
          for (const one of steps) {
            if (one === 'next') {
              const job = lanes.next()
              expect(job === undefined).toBe(naive.length === 0)
              if (job !== undefined) expect(ofLane(job.lane)[0]).toBe(job)
              naive = naive.filter((other) => other !== job)
            } else if ('giveUp' in one) {
              const job = jobs[one.giveUp]
              if (job !== undefined) lanes.withdraw(job)
              naive = naive.filter((other) => other !== job)
            } else {
              // Who is told that it makes room may give it up at that.
              const drop = (): void => {
                lost.add(job)
                lanes.withdraw(job)
              }
              const job: Job = jobOf({ ...one, drop })
              jobs.push(job)
              const { lane } = job
              while (overflow === 'drop-oldest' && full(lane)) {
                const [oldest] = ofLane(lane)
                naive = naive.filter((other) => other !== oldest)
              }
              const taken = !full(lane)
              if (taken) naive.push(job)
              expect(lanes.offer(job) === 'accepted').toBe(taken)
            }
            expect(lanes.length).toBe(naive.length)
            expect(lanes.aheadOf(3)).toBe(naive.length)
            for (const job of naive) expect(lost.has(job)).toBe(false)
          }
        }),
      )
    },
  )
})
