import { expect, test } from 'vitest'
import { Counters } from '../../src/base/counters.js'
import { failure, type TransportError } from '../../src/base/errors.js'
import type { InputOf } from '../../src/base/options.js'
import { seededRandom } from '../../src/base/random.js'
import { TimerWheel } from '../../src/base/timer-wheel.js'
import { poolRules } from '../../src/pool/options.js'
import { type Place, Pool, type PoolOwner, type PoolParts } from '../../src/pool/pool.js'
import { deferred } from '../fixtures/deferred.js'
import { VirtualClock } from '../support/virtual-clock.js'

/** A connection without a network: its numbers are set by the test. */
export class FakeMember {
  readonly endpoint: number
  inFlight = 0
  activity = 0
  answered = 0
  faults = 0
  broken = false
  usable = true
  retired = 0

  constructor(endpoint: number) {
    this.endpoint = endpoint
  }

  retire(): void {
    this.usable = false
    this.retired += 1
  }

  /** A call that comes and goes. */
  call(fails = false): void {
    this.activity += 1
    if (fails) this.faults += 1
    else this.answered += 1
  }
}

/** What dialling an endpoint brings: a connection, one that is lost already, a refusal, or what `waiting` is told. */
export type Outcome = 'ok' | 'lost' | 'refused' | 'waits'

export function refusal(): TransportError {
  return failure('connect-refused', 'nobody there')
}

/** An endpoint that is dialled. */
export class FakeEndpoint {
  readonly index: number
  readonly made: FakeMember[] = []
  outcome: Outcome = 'ok'
  /** Dials so far. */
  dials = 0
  /** Dials that wait. */
  readonly waiting: { readonly ok: () => void; readonly fail: (error: unknown) => void }[] = []
  /** How often its dials were given up. */
  closed = 0
  /** The most connections and dials that there were at once. */
  most = 0

  constructor(index: number) {
    this.index = index
  }

  /** As a pool knows it. */
  place(rank = 0): Place<FakeMember> {
    const close = (): void => {
      this.closed += 1
    }
    return { key: `fake:${this.index}`, rank, reach: () => ({ dial: this.dial, close }) }
  }

  get alive(): FakeMember[] {
    return this.made.filter(({ usable }) => usable)
  }

  readonly dial = async (): Promise<FakeMember> => {
    this.dials += 1
    if (this.outcome === 'refused') throw refusal()
    if (this.outcome === 'waits') {
      const { promise, resolve, reject } = deferred<void>()
      const entry = { ok: resolve, fail: reject }
      this.waiting.push(entry)
      this.most = Math.max(this.most, this.alive.length + this.waiting.length)
      await promise.finally(() => this.waiting.splice(this.waiting.indexOf(entry), 1))
    }
    const member = new FakeMember(this.index)
    member.usable = this.outcome !== 'lost'
    this.made.push(member)
    this.most = Math.max(this.most, this.alive.length + this.waiting.length)
    return member
  }
}

/** A pool of fake connections in virtual time. */
export class PoolStage implements PoolOwner {
  readonly clock = new VirtualClock()
  readonly wheel = new TimerWheel(this.clock)
  readonly counters = new Counters()
  readonly parts: PoolParts = {
    clock: this.clock,
    wheel: this.wheel,
    random: seededRandom(1),
    counters: this.counters,
  }
  readonly failures: { readonly error: TransportError; readonly hopeless: boolean }[] = []
  readonly #pools: Pool<FakeMember>[] = []
  ready = 0
  troubles = 0

  onReady(): void {
    this.ready += 1
  }

  onDialFailed(error: TransportError, hopeless: boolean): void {
    this.failures.push({ error, hopeless })
  }

  onTrouble(): void {
    this.troubles += 1
  }

  endpoints(count: number, outcome: Outcome = 'ok'): FakeEndpoint[] {
    return Array.from({ length: count }, (_, index) => {
      const endpoint = new FakeEndpoint(index)
      endpoint.outcome = outcome
      return endpoint
    })
  }

  pool(endpoints: readonly FakeEndpoint[], options: InputOf<typeof poolRules> = {}): Pool<FakeMember> {
    const pool = new Pool<FakeMember>(this.parts, poolRules.parse(options, 'pool'), this)
    this.#pools.push(pool)
    pool.update(endpoints.map((endpoint) => endpoint.place()))
    return pool
  }

  /** Lets time pass that makes connections old enough not to be taken for lost at once. */
  async age(): Promise<void> {
    await this.clock.advanceAsync(1_000)
  }

  /** A pool of one endpoint, with all the time it wants to fill itself, and for its connections to last. */
  async filled(options: InputOf<typeof poolRules> = {}): Promise<{ pool: Pool<FakeMember>; endpoint: FakeEndpoint }> {
    const [endpoint] = this.endpoints(1) as [FakeEndpoint]
    const pool = this.pool([endpoint], options)
    await this.age()
    return { pool, endpoint }
  }

  /** Closes the pools as their owner does, and looks for what is left. */
  async end(): Promise<void> {
    for (const pool of this.#pools) {
      pool.close()
      for (const member of pool.members()) pool.leave(member)
    }
    await this.clock.settle()
    expect(this.#pools.map((pool) => pool.facts())).toEqual(
      this.#pools.map(() => ({ size: 0, ready: 0, borrowed: 0, leased: 0 })),
    )
    expect(this.wheel.armed).toBe(0)
    expect(this.clock.timers).toBe(0)
  }
}

/** A test with a pool stage of its own. */
export const it = test.extend<{ stage: PoolStage }>({
  // biome-ignore lint/correctness/noEmptyPattern: the shape that vitest asks for
  stage: async ({}, use) => {
    const stage = new PoolStage()
    await use(stage)
    await stage.end()
  },
})
