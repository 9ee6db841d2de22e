import { describe, expect } from 'vitest'
import type { Pool } from '../../src/pool/pool.js'
import { type FakeEndpoint, type FakeMember, it } from './members.js'

/** What everything but bulk is given. */
function others(pool: Pool<FakeMember>): Set<FakeMember> {
  const seen = new Set<FakeMember>()
  for (let asked = 0; asked < 100; asked += 1) {
    const member = pool.pick()
    if (member !== null) seen.add(member)
  }
  return seen
}

describe('bulk', () => {
  it('waits for a connection of its own, which nothing else is given', async ({ stage }) => {
    const { pool, endpoint } = await stage.filled({ min: 1, max: 4 })
    expect(pool.pickBulk()).toBeNull()
    const ready = stage.ready
    await stage.clock.settle()
    expect([endpoint.dials, stage.ready]).toEqual([2, ready + 1])
    const own = pool.pickBulk() as FakeMember
    expect(own).toBe(endpoint.made[1])
    expect([...others(pool)]).toEqual([endpoint.made[0]])
    expect([pool.offers(own), pool.find(() => true)]).toEqual([true, endpoint.made[0]])
    expect(pool.facts()).toEqual({ size: 2, ready: 2, borrowed: 0, leased: 0 })
  })

  it('takes one that is idle where there are more than one', async ({ stage }) => {
    const { pool, endpoint } = await stage.filled({ min: 2, max: 2 })
    const own = pool.pickBulk()
    expect(own).not.toBeNull()
    expect([endpoint.dials, others(pool).has(own as FakeMember), others(pool).size]).toEqual([2, false, 1])
  })

  it('has one to each endpoint at most, the next when the last is busy', async ({ stage }) => {
    const endpoints = stage.endpoints(3)
    const pool = stage.pool(endpoints, { min: 1, max: 4 })
    await stage.age()
    pool.pickBulk()
    const seen = new Set<FakeMember>()
    for (let round = 0; round < 10; round += 1) {
      await stage.clock.settle()
      const own = pool.pickBulk() as FakeMember
      own.inFlight = 1
      seen.add(own)
    }
    expect([...seen].map(({ endpoint }) => endpoint).sort()).toEqual([0, 1, 2])
    expect(pool.facts().size).toBe(6)
    for (const member of seen) member.inFlight = 0
  })

  it.for([
    ['max is 1', { min: 1, max: 1 }],
    ['pool.separateBulk is off', { min: 1, max: 4, separateBulk: false }],
  ] as const)('goes beside everything else where %s', async ([, options], { stage }) => {
    const { pool, endpoint } = await stage.filled(options)
    expect(pool.pickBulk()).toBe(endpoint.made[0])
    await stage.clock.settle()
    expect(endpoint.dials).toBe(1)
  })

  it('goes beside everything else where a connection of its own cannot be had, and is told so', async ({ stage }) => {
    const { pool, endpoint } = await stage.filled({ min: 1, max: 4 })
    endpoint.outcome = 'refused'
    expect(pool.pickBulk()).toBeNull()
    const ready = stage.ready
    await stage.clock.settle()
    expect(stage.ready).toBe(ready + 1)
    for (let asked = 0; asked < 100; asked += 1) expect(pool.pickBulk()).toBe(endpoint.made[0])
    await stage.clock.advanceAsync(60_000)
    // It is not tried again for each message: only when something else has shown that it may be had.
    expect(endpoint.dials).toBe(2)
    endpoint.outcome = 'ok'
    const first = endpoint.made[0] as FakeMember
    first.usable = false
    pool.leave(first)
    await stage.age()
    expect(pool.pickBulk()).toBeNull()
    await stage.clock.settle()
    expect(others(pool).has(pool.pickBulk() as FakeMember)).toBe(false)
  })

  it('goes beside everything else where all other connections are leased', async ({ stage }) => {
    const { pool } = await stage.filled({ min: 2, max: 2 })
    const lease = await pool.lease()
    expect(pool.pickBulk()).toBe(pool.pick())
    lease.release()
  })

  it('gives its connection up when it is idle, and the others keep theirs', async ({ stage }) => {
    const { pool, endpoint } = await stage.filled({ min: 1, max: 4, idleTimeoutMs: 1_000 })
    pool.pickBulk()
    await stage.clock.settle()
    const own = pool.pickBulk() as FakeMember
    for (let ms = 0; ms < 5_000; ms += 200) {
      own.call()
      await stage.clock.advanceAsync(200)
    }
    // The other one was idle all the time.
    expect(endpoint.made.map(({ retired }) => retired)).toEqual([0, 0])
    await stage.clock.advanceAsync(2_000)
    expect(endpoint.made.map(({ retired }) => retired)).toEqual([0, 1])
    expect(stage.wheel.armed).toBe(0)
  })

  it('of a client that does nothing else has the only connection, until somebody else wants one', async ({ stage }) => {
    const [endpoint] = stage.endpoints(1) as [FakeEndpoint]
    const pool = stage.pool([endpoint], { min: 0, max: 4 })
    expect(pool.pickBulk()).toBeNull()
    await stage.clock.settle()
    expect([pool.pickBulk(), endpoint.dials]).toEqual([endpoint.made[0], 1])
    expect(pool.pick()).toBeNull()
    await stage.clock.settle()
    expect(pool.pick()).toBe(endpoint.made[1])
  })

  it('is not given a connection of an endpoint that is ejected', async ({ stage }) => {
    const endpoints = stage.endpoints(3)
    const pool = stage.pool(endpoints, { min: 1, max: 4 })
    await stage.age()
    pool.pickBulk()
    await stage.clock.settle()
    const own = pool.pickBulk() as FakeMember
    for (let failed = 0; failed < 5; failed += 1) {
      own.call(true)
      pool.onFault(own)
    }
    pool.pickBulk()
    await stage.clock.settle()
    for (let asked = 0; asked < 100; asked += 1) expect(pool.pickBulk()?.endpoint).not.toBe(own.endpoint)
  })
})
