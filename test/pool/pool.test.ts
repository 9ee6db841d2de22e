import { describe, expect } from 'vitest'
import type { Pool } from '../../src/pool/pool.js'
import { type FakeEndpoint, type FakeMember, it } from './members.js'

const FULL = { idleTimeoutMs: 60_000 }

/** Makes every ready connection look as busy as it takes to grow. */
function busy(pool: Pool<FakeMember>, inFlight: number): void {
  for (const member of pool.members()) member.inFlight = inFlight
}

/** The connection ends by itself, as the owner of the pool hears of it. */
function kill(pool: Pool<FakeMember>, member: FakeMember): void {
  member.usable = false
  pool.leave(member)
}

describe('a pool', () => {
  it('makes its least connections at once, before anybody asks', async ({ stage }) => {
    const { pool, endpoint } = await stage.filled({ min: 3, max: 5 })
    expect(pool.facts()).toEqual({ size: 3, ready: 3, borrowed: 0, leased: 0 })
    expect([endpoint.dials, stage.ready, stage.wheel.armed]).toEqual([3, 3, 0])
  })

  it('of none at least makes its first connection for the first who asks, and only one for many', async ({ stage }) => {
    const { pool, endpoint } = await stage.filled({ min: 0, max: 5 })
    expect(endpoint.dials).toBe(0)
    for (let asked = 0; asked < 100; asked += 1) expect(pool.pick()).toBeNull()
    await stage.clock.settle()
    expect([endpoint.dials, stage.ready]).toEqual([1, 1])
    expect(pool.pick()).toBe(endpoint.made[0])
  })

  it('grows when the less busy connection is busy enough, one at a time, and never over the most', async ({
    stage,
  }) => {
    const { pool, endpoint } = await stage.filled({ min: 1, max: 4, growAtInFlight: 8 })
    busy(pool, 7)
    for (let asked = 0; asked < 100; asked += 1) pool.pick()
    await stage.clock.settle()
    expect(pool.facts().size).toBe(1)
    for (const size of [2, 3, 4, 4, 4]) {
      busy(pool, 8)
      for (let asked = 0; asked < 100; asked += 1) pool.pick()
      expect(pool.facts().size).toBe(size)
      await stage.clock.settle()
      expect(pool.facts()).toMatchObject({ size, ready: size })
    }
    expect(endpoint.most).toBe(4)
    busy(pool, 0)
  })

  it('counts as borrowed what has calls', async ({ stage }) => {
    const { pool } = await stage.filled({ min: 3, max: 3 })
    const [first, second] = pool.members()
    for (const member of [first, second]) if (member !== undefined) member.inFlight = 2
    expect(pool.facts()).toEqual({ size: 3, ready: 3, borrowed: 2, leased: 0 })
    busy(pool, 0)
    expect(pool.facts().borrowed).toBe(0)
  })

  it('finds a ready connection that passes, and knows which it offers', async ({ stage }) => {
    const { pool, endpoint } = await stage.filled({ min: 3, max: 3 })
    const wanted = endpoint.made[1] as FakeMember
    expect(pool.find((member) => member === wanted)).toBe(wanted)
    expect(pool.find(() => false)).toBeNull()
    expect(pool.offers(wanted)).toBe(true)
    kill(pool, wanted)
    expect(pool.offers(wanted)).toBe(false)
  })

  it('refuses to keep more than it may have', ({ stage }) => {
    expect(() => stage.pool(stage.endpoints(1), { min: 5, max: 4 })).toThrow(
      expect.objectContaining({ reason: 'option-range', details: { option: 'pool.min' } }),
    )
  })
})

describe('idle connections', () => {
  /** Grows from 1 to 4. */
  async function grown(pool: Pool<FakeMember>, settle: () => Promise<void>): Promise<void> {
    for (let size = 1; size < 4; size += 1) {
      busy(pool, 512)
      for (let asked = 0; asked < 10; asked += 1) pool.pick()
      await settle()
    }
    busy(pool, 0)
    expect(pool.facts().size).toBe(4)
  }

  it('are closed down to the least, not before their time, and then no timer is left', async ({ stage }) => {
    const { clock, wheel } = stage
    const { pool, endpoint } = await stage.filled({ ...FULL, min: 1, max: 4 })
    await grown(pool, () => clock.settle())
    await clock.advanceAsync(59_000)
    expect(pool.facts().size).toBe(4)
    expect(wheel.armed).toBe(1)
    // The sweep looks four times in that time, and first has to see a connection once.
    await clock.advanceAsync(31_100)
    expect(pool.facts()).toEqual({ size: 1, ready: 1, borrowed: 0, leased: 0 })
    expect(endpoint.made.map(({ retired }) => retired).sort()).toEqual([0, 1, 1, 1])
    await clock.advanceAsync(60_000)
    expect([wheel.armed, clock.timers, endpoint.dials]).toEqual([0, 0, 4])
  })

  it('are those without a call: who has one open, or had one since, is kept', async ({ stage }) => {
    const { clock } = stage
    const { pool } = await stage.filled({ ...FULL, min: 1, max: 4 })
    await grown(pool, () => clock.settle())
    const [open, active] = pool.members() as [FakeMember, FakeMember]
    open.inFlight = 1
    for (let passed = 0; passed < 600_000; passed += 20_000) {
      active.call()
      await clock.advanceAsync(20_000)
    }
    expect(pool.members()).toEqual([open, active])
    open.inFlight = 0
    await clock.advanceAsync(120_000)
    expect(pool.facts().size).toBe(1)
  })
})

describe('connections that are lost', () => {
  it('are replaced, however many, and none of them is picked', async ({ stage }) => {
    for (const killed of [1, 3, 7, 8]) {
      const { pool, endpoint } = await stage.filled({ min: 8, max: 8 })
      for (const member of endpoint.made.slice(0, killed)) kill(pool, member)
      for (let asked = 0; asked < 1_000; asked += 1) expect(pool.pick()?.usable).not.toBe(false)
      await stage.clock.settle()
      expect(pool.facts()).toMatchObject({ size: 8, ready: 8 })
      expect(endpoint.dials).toBe(8 + killed)
      expect(endpoint.most).toBe(8)
      for (let asked = 0; asked < 1_000; asked += 1) expect(pool.pick()?.usable).toBe(true)
    }
  })

  it('are told of twice and counted once', async ({ stage }) => {
    const { pool, endpoint } = await stage.filled({ min: 2, max: 2 })
    const lost = endpoint.made[0] as FakeMember
    kill(pool, lost)
    kill(pool, lost)
    await stage.clock.settle()
    expect([pool.facts().size, endpoint.dials, lost.retired]).toEqual([2, 3, 1])
  })

  it('before they joined are never offered, and made again', async ({ stage }) => {
    const [endpoint] = stage.endpoints(1, 'lost') as [FakeEndpoint]
    const pool = stage.pool([endpoint], { min: 1, max: 1 })
    await stage.clock.settle(10)
    expect([pool.pick(), stage.ready, endpoint.dials]).toEqual([null, 0, 1])
    endpoint.outcome = 'ok'
    await stage.clock.advanceAsync(102)
    expect(pool.pick()?.usable).toBe(true)
    expect(pool.facts()).toMatchObject({ size: 1, ready: 1 })
  })

  it('at once, over and over, are made again no faster than a dead endpoint is dialled', async ({ stage }) => {
    const [endpoint] = stage.endpoints(1) as [FakeEndpoint]
    const pool = stage.pool([endpoint], { min: 1, max: 4 })
    for (let now = 0; now < 1_000; now += 5) {
      await stage.clock.advanceAsync(5)
      for (const member of pool.members()) kill(pool, member)
    }
    expect(endpoint.dials).toBeGreaterThanOrEqual(3)
    expect(endpoint.dials).toBeLessThanOrEqual(5)
  })

  it('beyond the least, and cannot be had again, are not dialled for ever when nobody waits', async ({ stage }) => {
    const { pool, endpoint } = await stage.filled({ min: 1, max: 2, growAtInFlight: 1 })
    endpoint.outcome = 'refused'
    busy(pool, 1)
    pool.pick()
    busy(pool, 0)
    await stage.clock.advanceAsync(60_000)
    expect([endpoint.dials, pool.facts().size, stage.wheel.armed]).toEqual([2, 1, 0])
  })
})

describe('several endpoints', () => {
  it('are filled evenly', async ({ stage }) => {
    const endpoints = stage.endpoints(3)
    const pool = stage.pool(endpoints, { min: 2, max: 4, growAtInFlight: 1 })
    await stage.clock.settle()
    expect(endpoints.map(({ alive }) => alive.length)).toEqual([2, 2, 2])
    for (let asked = 0; asked < 9; asked += 1) {
      busy(pool, 1)
      pool.pick()
      await stage.clock.settle()
    }
    busy(pool, 0)
    expect(endpoints.map(({ alive }) => alive.length)).toEqual([4, 4, 4])
  })

  it('of which some are dead give every connection from those that live', async ({ stage }) => {
    const endpoints = stage.endpoints(3)
    for (const { index } of endpoints.slice(0, 2)) (endpoints[index] as FakeEndpoint).outcome = 'refused'
    const pool = stage.pool(endpoints, { min: 1, max: 1 })
    await stage.clock.advanceAsync(2_000)
    expect(pool.members().map(({ endpoint }) => endpoint)).toEqual([2])
    expect(stage.failures.map(({ hopeless }) => hopeless)).not.toContain(true)
  })

  it('that are all dead are hopeless, and not before the last one failed', async ({ stage }) => {
    const pool = stage.pool(stage.endpoints(3, 'refused'), { min: 1, max: 1 })
    await stage.clock.advanceAsync(2_000)
    expect(stage.failures.slice(0, 3).map(({ hopeless }) => hopeless)).toEqual([false, false, true])
    expect(pool.pick()).toBeNull()
  })
})

describe('a pool that is closed', () => {
  it('makes nothing more: neither for who asks nor for what is lost', async ({ stage }) => {
    const { pool, endpoint } = await stage.filled({ min: 2, max: 4, growAtInFlight: 1 })
    pool.close()
    busy(pool, 1)
    expect(pool.pick()).not.toBeNull()
    for (const member of endpoint.made) kill(pool, member)
    expect(pool.pick()).toBeNull()
    await stage.clock.advanceAsync(60_000)
    expect([endpoint.dials, pool.facts().size]).toEqual([2, 0])
  })

  it('retires a connection whose dial ends later', async ({ stage }) => {
    const [endpoint] = stage.endpoints(1, 'waits') as [FakeEndpoint]
    const pool = stage.pool([endpoint], { min: 1, max: 1 })
    await stage.clock.settle()
    pool.close()
    endpoint.waiting[0]?.ok()
    await stage.clock.settle()
    expect(endpoint.made.map(({ retired }) => retired)).toEqual([1])
    expect([stage.ready, pool.facts().size]).toEqual([0, 0])
  })
})
