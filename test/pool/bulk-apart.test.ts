import { describe, expect } from 'vitest'
import type { Pool } from '../../src/pool/pool.js'
import { type FakeEndpoint, type FakeMember, it, refusal } from './members.js'

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

  it('that comes first of all leaves every endpoint a connection for everything else', async ({ stage }) => {
    for (const outcome of ['waits', 'ok'] as const) {
      const endpoints = stage.endpoints(2, outcome)
      const pool = stage.pool(endpoints, { min: 1, max: 4 })
      pool.pick()
      pool.pickBulk()
      await stage.clock.settle()
      for (const { waiting } of endpoints) for (const dial of [...waiting]) dial.ok()
      for (const endpoint of endpoints) endpoint.outcome = 'ok'
      await stage.age()
      const own = pool.pickBulk() as FakeMember
      expect([...others(pool)].map(({ endpoint }) => endpoint).sort()).toEqual([0, 1])
      expect(others(pool).has(own)).toBe(false)
      expect(pool.facts().size).toBe(3)
    }
  })

  it('goes on where the other connection of its endpoint is lost, which gets a new one', async ({ stage }) => {
    const endpoints = stage.endpoints(2)
    const pool = stage.pool(endpoints, { min: 1, max: 2 })
    await stage.age()
    pool.pickBulk()
    await stage.clock.settle()
    const own = pool.pickBulk() as FakeMember
    for (const member of others(pool)) {
      member.usable = false
      pool.leave(member)
    }
    await stage.age()
    expect([...others(pool)].map(({ endpoint }) => endpoint).sort()).toEqual([0, 1])
    expect(pool.pickBulk()).toBe(own)
    expect(endpoints.map(({ most }) => most).sort()).toEqual([1, 2])
  })

  it('shows whether an endpoint that was put out is well again', async ({ stage }) => {
    const endpoints = stage.endpoints(2)
    const pool = stage.pool(endpoints, { min: 1, max: 2, ejection: { minMs: 1_000, probes: 3 } })
    await stage.age()
    const ask = async (count: number, fails: (endpoint: number) => boolean): Promise<number[]> => {
      const got = [0, 0]
      for (let asked = 0; asked < count; asked += 1) {
        const member = pool.pickBulk()
        await stage.clock.settle()
        if (member === null) continue
        got[member.endpoint] = (got[member.endpoint] ?? 0) + 1
        member.call(fails(member.endpoint))
        if (fails(member.endpoint)) pool.onFault(member)
      }
      return got
    }
    const bad = (await ask(2, () => false)).indexOf(1)
    expect((await ask(20, (endpoint) => endpoint === bad))[bad]).toBe(5)
    await stage.clock.advanceAsync(1_000)
    // One is enough to see that nothing is better.
    expect((await ask(20, (endpoint) => endpoint === bad))[bad]).toBe(1)
    await stage.clock.advanceAsync(2_000)
    expect((await ask(20, () => false))[bad]).toBeGreaterThanOrEqual(3)
    expect(pool.endpoints().map(({ state }) => state)).toEqual(['in-use', 'in-use'])
    expect(endpoints.map(({ most }) => most)).toEqual([2, 2])
  })

  it('tries an endpoint that was put out on its own connection, and everything else on the other one', async ({
    stage,
  }) => {
    const endpoints = stage.endpoints(2)
    const pool = stage.pool(endpoints, { min: 1, max: 2, ejection: { minMs: 1_000 } })
    await stage.age()
    pool.pickBulk()
    await stage.clock.settle()
    const own = pool.pickBulk() as FakeMember
    const putOut = async (): Promise<void> => {
      for (let failed = 0; failed < 5; failed += 1) {
        own.call(true)
        pool.onFault(own)
      }
      await stage.clock.advanceAsync(1_000)
    }
    await putOut()
    expect(pool.pickBulk()).toBe(own)
    await stage.clock.advanceAsync(1_000)
    const probe = pool.pick() as FakeMember
    expect([probe.endpoint, probe === own]).toEqual([own.endpoint, false])
  })

  it('goes to an endpoint that was put out when nobody else is left', async ({ stage }) => {
    const endpoints = stage.endpoints(2)
    const pool = stage.pool(endpoints, { min: 1, max: 2 })
    await stage.age()
    pool.pickBulk()
    await stage.clock.settle()
    const own = pool.pickBulk() as FakeMember
    for (let failed = 0; failed < 5; failed += 1) {
      own.call(true)
      pool.onFault(own)
    }
    for (const member of pool.members()) {
      if (member.endpoint === own.endpoint) continue
      member.usable = false
      pool.leave(member)
    }
    expect([pool.offers(own), pool.pickBulk(), pool.offers(own)]).toEqual([false, own, true])
  })

  it.for(['bulk', 'everything else'] as const)(
    'and everything else try an endpoint that was put out also where it has no connection for %s',
    async (kind, { stage }) => {
      const [bad, good] = stage.endpoints(2) as [FakeEndpoint, FakeEndpoint]
      const pool = stage.pool([bad, good], { min: 0, max: 2, ejection: { minMs: 1_000, probes: 1 } })
      const pick = (): FakeMember | null => (kind === 'bulk' ? pool.pickBulk() : pool.pick())
      const pickOther = (): FakeMember | null => (kind === 'bulk' ? pool.pick() : pool.pickBulk())
      pickOther()
      await stage.clock.settle()
      const own = pickOther() as FakeMember
      for (let failed = 0; failed < 6; failed += 1) {
        own.call(true)
        pool.onFault(own)
        await stage.clock.settle()
      }
      expect(pool.offers(own)).toBe(false)
      await stage.clock.advanceAsync(1_000)
      expect(pick()).toBe(own)
      own.call()
      pick()
      expect(pool.offers(own)).toBe(true)
    },
  )

  it('lends its connection to the rest rather than have them go to an endpoint that was put out', async ({ stage }) => {
    const endpoints = stage.endpoints(2)
    const pool = stage.pool(endpoints, { min: 0, max: 4 })
    expect(pool.pick()).toBeNull()
    await stage.clock.settle()
    pool.pickBulk()
    await stage.clock.settle()
    const [bad, own] = [pool.pick() as FakeMember, pool.pickBulk() as FakeMember]
    expect(own.endpoint).not.toBe(bad.endpoint)
    for (let failed = 0; failed < 5; failed += 1) {
      bad.call(true)
      pool.onFault(bad)
    }
    expect(pool.pick()).toBe(own)
    // It gets another one, and nothing is mixed any more.
    pool.pickBulk()
    await stage.clock.settle()
    const next = pool.pickBulk() as FakeMember
    expect([next.endpoint, others(pool).has(next), [...others(pool)]]).toEqual([own.endpoint, false, [own]])
    expect(stage.counters.endpointsEjected).toBe(1)
  })

  it('lends its connection to the rest where they can get none, and is then beside them', async ({ stage }) => {
    const { pool, endpoint } = await stage.filled({ min: 1, max: 4 })
    pool.pickBulk()
    await stage.clock.settle()
    const own = pool.pickBulk()
    endpoint.outcome = 'refused'
    const first = endpoint.made[0] as FakeMember
    first.usable = false
    pool.leave(first)
    // One may be there soon.
    expect(pool.pick()).toBeNull()
    const ready = stage.ready
    await stage.clock.settle()
    expect([stage.ready > ready, pool.pick(), pool.pickBulk()]).toEqual([true, own, own])
    await stage.clock.advanceAsync(60_000)
    // The first two, one for the rest, and one for bulk.
    expect([endpoint.dials, pool.facts().size]).toEqual([4, 1])
  })

  it('waits for no endpoint that is silent where another one can give a connection', async ({ stage }) => {
    const [silent, well] = stage.endpoints(2) as [FakeEndpoint, FakeEndpoint]
    silent.outcome = 'waits'
    const pool = stage.pool([silent, well], { min: 1, max: 4 })
    await stage.clock.settle()
    pool.pickBulk()
    await stage.clock.settle()
    const own = pool.pickBulk() as FakeMember
    expect([own.endpoint, others(pool).has(own), [...others(pool)]]).toEqual([1, false, [well.made[0]]])
    for (const dial of [...silent.waiting]) dial.ok()
    await stage.clock.settle()
  })

  it('asks for addresses where none is known', async ({ stage }) => {
    const [endpoint] = stage.endpoints(1) as [FakeEndpoint]
    const pool = stage.pool([], { min: 0 })
    expect([pool.pickBulk(), stage.troubles]).toEqual([null, 1])
    pool.update([endpoint.place()])
    await stage.clock.settle()
    expect(pool.pickBulk()).toBe(endpoint.made[0])
  })

  it('is not dialled for when all who wanted it were told that there is nobody', async ({ stage }) => {
    const [endpoint] = stage.endpoints(1, 'refused') as [FakeEndpoint]
    const pool = stage.pool([endpoint], { min: 0 })
    pool.pickBulk()
    await stage.clock.advanceAsync(60_000)
    expect(stage.failures.map(({ hopeless }) => hopeless)).toEqual([true])
    expect([endpoint.dials, stage.wheel.armed]).toEqual([1, 0])
    const unresolved = stage.pool([], { min: 0 })
    unresolved.pickBulk()
    unresolved.onUnresolved(refusal())
    unresolved.update([endpoint.place()])
    await stage.clock.settle()
    expect(endpoint.dials).toBe(1)
  })

  it('goes beside everything else when the endpoint that was to give it a connection is put out', async ({ stage }) => {
    const endpoints = stage.endpoints(2)
    const pool = stage.pool(endpoints, { min: 1, max: 2 })
    await stage.age()
    for (let grown = 0; grown < 2; grown += 1) {
      pool.grow()
      await stage.clock.settle()
    }
    for (const member of pool.members()) member.inFlight = 1
    const [roomy] = endpoints as [FakeEndpoint]
    const [bad, lost] = roomy.made as [FakeMember, FakeMember]
    roomy.outcome = 'waits'
    lost.usable = false
    pool.leave(lost)
    expect(pool.pickBulk()).toBeNull()
    await stage.clock.settle()
    expect(roomy.waiting).toHaveLength(1)
    const ready = stage.ready
    for (let failed = 0; failed < 5; failed += 1) {
      bad.call(true)
      pool.onFault(bad)
    }
    expect([pool.offers(bad), stage.ready, pool.pickBulk()?.endpoint]).toEqual([false, ready + 1, 1])
    roomy.waiting[0]?.ok()
    await stage.clock.settle()
    for (const member of pool.members()) member.inFlight = 0
  })
})
