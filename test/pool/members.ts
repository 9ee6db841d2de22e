import { expect, test } from 'vitest'
import { failure, type TransportError } from '../../src/base/errors.js'
import { seededRandom } from '../../src/base/random.js'
import { TimerWheel } from '../../src/base/timer-wheel.js'
import type { GateParts } from '../../src/pool/dial-gate.js'
import { type PoolOptions, poolRules } from '../../src/pool/options.js'
import { Pool, type PoolOwner } from '../../src/pool/pool.js'
import { deferred } from '../fixtures/deferred.js'
import { VirtualClock } from '../support/virtual-clock.js'

/** A connection without a network: its numbers are set by the test. */
export class FakeMember {
  readonly endpoint: number
  inFlight = 0
  activity = 0
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
  call(): void {
    this.activity += 1
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
  /** The most connections and dials that there were at once. */
  most = 0

  constructor(index: number) {
    this.index = index
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
  readonly parts: GateParts = { clock: this.clock, wheel: this.wheel, random: seededRandom(1) }
  readonly failures: { readonly error: TransportError; readonly hopeless: boolean }[] = []
  readonly #pools: Pool<FakeMember>[] = []
  ready = 0

  onReady(): void {
    this.ready += 1
  }

  onDialFailed(error: TransportError, hopeless: boolean): void {
    this.failures.push({ error, hopeless })
  }

  endpoints(count: number, outcome: Outcome = 'ok'): FakeEndpoint[] {
    return Array.from({ length: count }, (_, index) => {
      const endpoint = new FakeEndpoint(index)
      endpoint.outcome = outcome
      return endpoint
    })
  }

  pool(endpoints: readonly FakeEndpoint[], options: Partial<PoolOptions> = {}): Pool<FakeMember> {
    const dials = endpoints.map(({ dial }) => dial)
    const pool = new Pool(dials, this.parts, poolRules.parse(options, 'pool'), this)
    this.#pools.push(pool)
    return pool
  }

  /** Lets time pass that makes connections old enough not to be taken for lost at once. */
  async age(): Promise<void> {
    await this.clock.advanceAsync(1_000)
  }

  /** A pool of one endpoint, with all the time it wants to fill itself, and for its connections to last. */
  async filled(options: Partial<PoolOptions> = {}): Promise<{ pool: Pool<FakeMember>; endpoint: FakeEndpoint }> {
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
