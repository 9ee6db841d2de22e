import { describe, expect } from 'vitest'
import type { Pool } from '../../src/pool/pool.js'
import { type FakeEndpoint, type FakeMember, it } from './members.js'

const alive = (endpoints: readonly FakeEndpoint[]): number[] => endpoints.map((endpoint) => endpoint.alive.length)

/** The endpoints that calls are given to. */
function called(pool: Pool<FakeMember>): number[] {
  const seen = new Set<number>()
  for (let asked = 0; asked < 200; asked += 1) {
    const endpoint = pool.pick()?.endpoint
    if (endpoint !== undefined) seen.add(endpoint)
  }
  return [...seen].sort()
}

describe('each of several endpoints', () => {
  it('has its least connections from the start, and shares the calls', async ({ stage }) => {
    const endpoints = stage.endpoints(5)
    const pool = stage.pool(endpoints)
    await stage.age()
    expect(alive(endpoints)).toEqual([1, 1, 1, 1, 1])
    expect(called(pool)).toEqual([0, 1, 2, 3, 4])
  })

  it('has no more than its most, whatever happens to the others', async ({ stage }) => {
    const endpoints = stage.endpoints(2)
    const pool = stage.pool(endpoints, { min: 1, max: 2, growAtInFlight: 1 })
    await stage.age()
    ;(endpoints[1] as FakeEndpoint).outcome = 'refused'
    for (const member of pool.members()) {
      if (member.endpoint === 1) {
        member.usable = false
        pool.leave(member)
      } else member.inFlight = 1
    }
    for (let round = 0; round < 20; round += 1) {
      pool.pick()
      await stage.clock.advanceAsync(500)
      for (const member of pool.members()) member.inFlight = 1
    }
    expect(alive(endpoints)).toEqual([2, 0])
    for (const member of pool.members()) member.inFlight = 0
  })

  it('is begun with by chance where nothing is kept ready', async ({ stage }) => {
    const begunWith = new Set<number>()
    for (let clients = 0; clients < 30; clients += 1) {
      const endpoints = stage.endpoints(3)
      stage.pool(endpoints, { min: 0 }).pick()
      await stage.clock.settle()
      for (const { index, dials } of endpoints) if (dials > 0) begunWith.add(index)
    }
    expect(begunWith.size).toBe(3)
  })

  it('can all be leased at once', async ({ stage }) => {
    const endpoints = stage.endpoints(2)
    const pool = stage.pool(endpoints, { min: 1, max: 2 })
    await stage.age()
    const leases = await Promise.all([1, 2, 3, 4].map(() => pool.lease()))
    expect(alive(endpoints)).toEqual([2, 2])
    await expect(pool.lease()).rejects.toMatchObject({ reason: 'pool-exhausted' })
    for (const lease of leases) lease.release()
  })

  it('is told of with its address, its calls and its circuit', async ({ stage }) => {
    const endpoints = stage.endpoints(2)
    ;(endpoints[1] as FakeEndpoint).outcome = 'refused'
    const pool = stage.pool(endpoints)
    await stage.clock.advanceAsync(10)
    const [member] = pool.members() as [FakeMember]
    member.inFlight = 3
    member.call()
    const facts = [...pool.endpoints()].sort((a, b) => a.address.localeCompare(b.address))
    expect(facts).toEqual([
      {
        address: 'fake:0',
        state: 'in-use',
        ejectedForMs: 0,
        circuit: 'closed',
        connections: 1,
        inFlight: 3,
        answered: 1,
        faults: 0,
        failedDials: 0,
      },
      {
        address: 'fake:1',
        state: 'in-use',
        ejectedForMs: 0,
        circuit: 'open',
        connections: 0,
        inFlight: 0,
        answered: 0,
        faults: 0,
        failedDials: 1,
      },
    ])
    member.inFlight = 0
  })
})

describe('endpoints that change', () => {
  it('are dialled when they appear, and retired when they vanish: their calls may end', async ({ stage }) => {
    const endpoints = stage.endpoints(3)
    const [old, stays, fresh] = endpoints as [FakeEndpoint, FakeEndpoint, FakeEndpoint]
    const pool = stage.pool([old, stays])
    await stage.age()
    const kept = stays.made[0] as FakeMember
    pool.update([stays.place(), fresh.place()])
    await stage.clock.settle()
    expect([old.closed, stays.closed, stays.dials]).toEqual([1, 0, 1])
    // Retired, which lets its calls end; not cut.
    expect(old.made.map(({ retired }) => retired)).toEqual([1])
    expect(called(pool)).toEqual([1, 2])
    expect(pool.offers(kept)).toBe(true)
    expect(pool.facts()).toMatchObject({ size: 2, ready: 2 })
  })

  it('do not take along what is leased: that is retired when it is given back', async ({ stage }) => {
    const [old, fresh] = stage.endpoints(2) as [FakeEndpoint, FakeEndpoint]
    const pool = stage.pool([old])
    await stage.age()
    const lease = await pool.lease()
    pool.update([fresh.place()])
    await stage.clock.settle()
    expect([lease.member.retired, old.closed]).toEqual([0, 1])
    lease.release()
    expect([lease.member.retired, pool.offers(lease.member)]).toEqual([1, false])
    expect(called(pool)).toEqual([1])
  })

  it('that are dialled when they vanish are given up, and a connection that comes all the same is retired', async ({
    stage,
  }) => {
    const [old, fresh] = stage.endpoints(2) as [FakeEndpoint, FakeEndpoint]
    old.outcome = 'waits'
    const pool = stage.pool([old])
    await stage.clock.settle()
    pool.update([fresh.place()])
    old.waiting[0]?.ok()
    await stage.clock.settle()
    expect([old.closed, old.made.map(({ retired }) => retired)]).toEqual([1, [1]])
    expect(called(pool)).toEqual([1])
    expect(pool.facts().size).toBe(1)
  })

  it('serve who waited for the first of them, also without any at first', async ({ stage }) => {
    const [endpoint] = stage.endpoints(1) as [FakeEndpoint]
    const pool = stage.pool([], { min: 0 })
    expect(pool.pick()).toBeNull()
    const leasing = pool.lease()
    expect(stage.troubles).toBeGreaterThan(0)
    pool.update([endpoint.place()])
    const lease = await leasing
    await stage.clock.settle()
    expect(called(pool)).toEqual([0])
    lease.release()
  })

  it('fail who waits when no name can be looked up, and only where none is known', async ({ stage }) => {
    const [endpoint] = stage.endpoints(1) as [FakeEndpoint]
    const error = Object.assign(new Error('unresolved')) as never
    const pool = stage.pool([], { min: 0 })
    pool.pick()
    const leasing = expect(pool.lease()).rejects.toBe(error)
    pool.onUnresolved(error)
    await leasing
    expect(stage.failures).toEqual([{ error, hopeless: true }])
    pool.update([endpoint.place()])
    pool.onUnresolved(error)
    expect(stage.failures).toHaveLength(1)
  })
})

describe('endpoints of a higher rank', () => {
  it('are used while none of the lower can be reached, and left when one can be again', async ({ stage }) => {
    const endpoints = stage.endpoints(4)
    const [one, two, three, four] = endpoints as [FakeEndpoint, FakeEndpoint, FakeEndpoint, FakeEndpoint]
    for (const min of [0, 1]) {
      for (const endpoint of endpoints) endpoint.outcome = 'ok'
      const pool = stage.pool([], { min })
      const before = three.dials + four.dials
      pool.update([one.place(), two.place(), three.place(1), four.place(2)])
      pool.pick()
      await stage.age()
      expect(three.dials + four.dials).toBe(before)
      one.outcome = 'refused'
      two.outcome = 'refused'
      for (const member of [...pool.members()]) {
        member.usable = false
        pool.leave(member)
      }
      pool.pick()
      await stage.clock.advanceAsync(2_000)
      expect([called(pool), four.alive.length]).toEqual([[2], 0])
      two.outcome = 'ok'
      await stage.clock.advanceAsync(2_000)
      expect(called(pool)).toEqual([1])
      expect(three.alive).toHaveLength(0)
      pool.close()
    }
  })

  it('are waited for before a dial is called hopeless', async ({ stage }) => {
    const endpoints = stage.endpoints(3, 'refused')
    const pool = stage.pool([])
    pool.update(endpoints.map((endpoint, rank) => endpoint.place(rank)))
    await stage.clock.advanceAsync(50)
    expect(stage.failures.map(({ hopeless }) => hopeless)).toEqual([false, false, true])
  })

  it('are no longer of one when the list says so, and are of one again', async ({ stage }) => {
    const [one, two] = stage.endpoints(2) as [FakeEndpoint, FakeEndpoint]
    one.outcome = 'refused'
    const pool = stage.pool([], { min: 0 })
    pool.update([one.place(), two.place(1)])
    pool.pick()
    await stage.clock.advanceAsync(2_000)
    expect(called(pool)).toEqual([1])
    // Nobody stands in for the other any more.
    pool.update([one.place(), two.place()])
    await stage.clock.advanceAsync(2_000)
    const { dials } = one
    await stage.clock.advanceAsync(10_000)
    expect([called(pool), one.dials]).toEqual([[1], dials])
    pool.update([one.place(), two.place(1)])
    one.outcome = 'ok'
    await stage.clock.advanceAsync(2_000)
    expect(called(pool)).toEqual([0])
  })
})
