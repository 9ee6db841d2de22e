import { describe, expect } from 'vitest'
import type { Pool } from '../../src/pool/pool.js'
import { type FakeEndpoint, type FakeMember, it, type PoolStage } from './members.js'

/** Makes calls one after the other, each with an outcome at once. Returns how many each endpoint got. */
function run(pool: Pool<FakeMember>, calls: number, fails: (endpoint: number) => boolean): number[] {
  const got: number[] = []
  for (let made = 0; made < calls; made += 1) {
    const member = pool.pick()
    if (member === null) throw new Error('nobody to call')
    got[member.endpoint] = (got[member.endpoint] ?? 0) + 1
    member.call(fails(member.endpoint))
    if (fails(member.endpoint)) pool.onFault(member)
  }
  return got
}

async function filled(stage: PoolStage, count: number, options = {}) {
  const endpoints = stage.endpoints(count)
  const pool = stage.pool(endpoints, { min: 1, max: 1, ...options })
  await stage.age()
  return { pool, endpoints }
}

const states = (pool: Pool<FakeMember>): string[] => {
  const sorted = [...pool.endpoints()].sort((a, b) => a.address.localeCompare(b.address))
  return sorted.map(({ state }) => state)
}

const never = (): boolean => false
const first = (endpoint: number): boolean => endpoint === 0

describe('an endpoint that fails every call', () => {
  it('gets no calls from the fifth failure on, and not before', async ({ stage }) => {
    const { pool } = await filled(stage, 5)
    const [bad] = pool.members().filter(({ endpoint }) => endpoint === 0) as [FakeMember]
    for (let failed = 0; failed < 4; failed += 1) {
      bad.call(true)
      pool.onFault(bad)
      expect(pool.offers(bad)).toBe(true)
    }
    bad.call(true)
    pool.onFault(bad)
    expect(pool.offers(bad)).toBe(false)
    expect(run(pool, 1_000, first)[0]).toBeUndefined()
    expect([states(pool)[0], stage.counters.endpointsEjected]).toEqual(['ejected', 1])
  })

  it('gets at most one call of a hundred in ten seconds, also where it is faster than the others', async ({
    stage,
  }) => {
    const { pool } = await filled(stage, 5)
    const got = [0, 0, 0, 0, 0]
    for (let ms = 0; ms < 10_000; ms += 10) {
      // The others always have something under way.
      for (const member of pool.members()) member.inFlight = member.endpoint === 0 ? 0 : 3
      run(pool, 1, first).forEach((calls, endpoint) => {
        got[endpoint] = (got[endpoint] ?? 0) + calls
      })
      await stage.clock.advanceAsync(10)
    }
    for (const member of pool.members()) member.inFlight = 0
    expect(got.reduce((sum, calls) => sum + calls)).toBe(1_000)
    expect(got[0]).toBeLessThanOrEqual(10)
    for (const calls of got.slice(1)) expect(calls).toBeGreaterThan(150)
  })

  it('is put out as fast after ten thousand answers', async ({ stage }) => {
    const { pool } = await filled(stage, 5)
    run(pool, 10_000, never)
    expect(run(pool, 1_000, first)[0]).toBe(5)
  })

  it('stays out for longer each time, and every time with jitter', async ({ stage }) => {
    const { pool } = await filled(stage, 5, { ejection: { minMs: 1_000, maxMs: 4_000 } })
    run(pool, 100, first)
    const times: number[] = []
    for (let round = 0; round < 5; round += 1) {
      times.push(pool.endpoints().find(({ address }) => address === 'fake:0')?.ejectedForMs ?? Number.NaN)
      await stage.clock.advanceAsync(4_000)
      expect(states(pool)[0]).toBe('probing')
      // One call is enough to see that nothing is better.
      expect(run(pool, 100, first)[0]).toBe(1)
      expect(states(pool)[0]).toBe('ejected')
    }
    const fulls = [1_000, 2_000, 4_000, 4_000, 4_000]
    times.forEach((time, index) => {
      expect(time).toBeGreaterThanOrEqual((fulls[index] ?? 0) / 2)
      expect(time).toBeLessThanOrEqual(fulls[index] ?? 0)
    })
    expect(new Set(times).size).toBe(5)
  })

  it('comes back after as many answers as there are probes, and its time out starts anew when it was well', async ({
    stage,
  }) => {
    const { pool } = await filled(stage, 5, { ejection: { minMs: 1_000, maxMs: 8_000, probes: 3 } })
    run(pool, 100, first)
    await stage.clock.advanceAsync(1_000)
    expect(states(pool)[0]).toBe('probing')
    const [bad] = pool.members().filter(({ endpoint }) => endpoint === 0) as [FakeMember]
    for (let probe = 0; probe < 3; probe += 1) {
      expect([pool.pick(), pool.offers(bad)]).toEqual([bad, false])
      // Another one is not sent while this has no outcome.
      for (let asked = 0; asked < 10; asked += 1) expect(pool.pick()).not.toBe(bad)
      bad.call()
    }
    pool.pick()
    expect([states(pool)[0], pool.offers(bad)]).toEqual(['in-use', true])
    await stage.clock.advanceAsync(8_000)
    run(pool, 1_000, first)
    expect(pool.endpoints().find(({ state }) => state === 'ejected')?.ejectedForMs).toBeLessThanOrEqual(1_000)
  })

  it('gets another connection when it is back and busy, also while the others cannot be reached', async ({ stage }) => {
    const endpoints = stage.endpoints(3)
    const pauses = { minBackoffMs: 30_000, maxBackoffMs: 60_000 }
    const ejection = { minMs: 1_000, maxMs: 1_000, probes: 1 }
    const pool = stage.pool(endpoints, { min: 1, max: 2, growAtInFlight: 10, ...pauses, ejection })
    await stage.age()
    const at = (endpoint: number) => pool.members().find((member) => member.endpoint === endpoint) as FakeMember
    const [ill, ...others] = [at(0), at(1), at(2)]
    for (let failed = 0; failed < 6; failed += 1) {
      ill.call(true)
      pool.onFault(ill)
    }
    expect(pool.offers(ill)).toBe(false)
    for (const endpoint of endpoints.slice(1)) endpoint.outcome = 'refused'
    for (const other of others) other.inFlight = 50
    for (let picks = 0; picks < 5; picks += 1) {
      pool.pick()
      await stage.clock.advanceAsync(50)
    }
    await stage.clock.advanceAsync(1_500)
    for (let picks = 0; picks < 20 && !pool.offers(ill); picks += 1) if (pool.pick() === ill) ill.call()
    expect([pool.offers(ill), endpoints[0]?.dials]).toEqual([true, 1])
    ill.inFlight = 50
    for (let picks = 0; picks < 100; picks += 1) pool.pick()
    await stage.clock.advanceAsync(50)
    expect(endpoints[0]?.dials).toBe(2)
  })

  it('takes another probe after a second where the first one has no outcome', async ({ stage }) => {
    const { pool } = await filled(stage, 5, { ejection: { minMs: 1_000 } })
    run(pool, 100, first)
    await stage.clock.advanceAsync(1_000)
    const picked = (): number =>
      Array.from({ length: 20 }, () => pool.pick()).filter((one) => one?.endpoint === 0).length
    expect(picked()).toBe(1)
    await stage.clock.advanceAsync(998)
    expect(picked()).toBe(0)
    await stage.clock.advanceAsync(2)
    expect(picked()).toBe(1)
  })

  it('is never leased, nor is a leased connection sent a probe', async ({ stage }) => {
    const { pool } = await filled(stage, 3)
    const leases = [await pool.lease(), await pool.lease(), await pool.lease()]
    const bad = leases.find(({ member }) => member.endpoint === 0)
    for (const lease of leases) if (lease !== bad) lease.release()
    for (let failed = 0; failed < 5; failed += 1) {
      bad?.member.call(true)
      pool.onFault(bad?.member as FakeMember)
    }
    await stage.clock.advanceAsync(2_000)
    for (let asked = 0; asked < 10; asked += 1) expect(pool.pick()?.endpoint).not.toBe(0)
    bad?.release()
    // Given back it serves for the probe, and for nothing else.
    expect(pool.pick()?.endpoint).toBe(0)
    expect(pool.offers(bad?.member as FakeMember)).toBe(false)
    for (let asked = 0; asked < 10; asked += 1) expect(pool.pick()?.endpoint).not.toBe(0)
  })
})

describe('ejection', () => {
  it.for([
    [1, 0],
    [2, 1],
    [3, 1],
    [4, 2],
    [5, 2],
  ] as const)(
    'of %i endpoints takes at most %i, also when they fail one after the other',
    async ([count, most], { stage }) => {
      const { pool } = await filled(stage, count)
      for (let bad = 1; bad <= count; bad += 1) run(pool, 2_000, (endpoint) => endpoint < bad)
      expect(states(pool).filter((state) => state === 'ejected').length).toBeLessThanOrEqual(most)
      const one = await filled(stage, count)
      run(one.pool, 2_000, (endpoint) => endpoint < most)
      expect(states(one.pool).filter((state) => state === 'ejected')).toHaveLength(most)
    },
  )

  it('takes nobody when all of them fail alike: the fault is not with one', async ({ stage }) => {
    const { pool } = await filled(stage, 4)
    for (let round = 0; round < 100; round += 1) {
      for (const member of pool.members()) {
        member.call(true)
        pool.onFault(member)
      }
    }
    expect([states(pool), stage.counters.endpointsEjected]).toEqual([Array(4).fill('in-use'), 0])
  })

  it('takes nobody who fails less often than it answers, or hardly anybody', async ({ stage }) => {
    const { pool } = await filled(stage, 5)
    let turn = 0
    run(pool, 10_000, (endpoint) => {
      turn += 1
      return endpoint === 0 && turn % 10 === 0
    })
    expect(stage.counters.endpointsEjected).toBe(0)
  })

  it('takes nobody where there is no other to call', async ({ stage }) => {
    const [bad, dead] = stage.endpoints(2) as [FakeEndpoint, FakeEndpoint]
    dead.outcome = 'refused'
    const pool = stage.pool([bad, dead], { min: 1, max: 1 })
    await stage.age()
    run(pool, 100, () => true)
    expect(stage.counters.endpointsEjected).toBe(0)
  })

  it('is over for all when nobody else is left', async ({ stage }) => {
    const { pool } = await filled(stage, 2)
    run(pool, 100, first)
    expect(states(pool)[0]).toBe('ejected')
    const [good] = pool.members().filter(({ endpoint }) => endpoint === 1) as [FakeMember]
    good.usable = false
    pool.leave(good)
    expect(pool.pick()?.endpoint).toBe(0)
    expect(states(pool)[0]).toBe('in-use')
  })

  it('counts the calls that a lost connection takes along', async ({ stage }) => {
    const { pool, endpoints } = await filled(stage, 3)
    const bad = (endpoints[0] as FakeEndpoint).made[0] as FakeMember
    bad.inFlight = 5
    bad.usable = false
    bad.broken = true
    pool.leave(bad)
    await stage.age()
    expect([states(pool)[0], endpoints[0]?.alive.length]).toEqual(['ejected', 1])
    for (let asked = 0; asked < 100; asked += 1) expect(pool.pick()?.endpoint).not.toBe(0)
  })

  it('is off with failures of 0', async ({ stage }) => {
    const { pool } = await filled(stage, 5, { ejection: { failures: 0 } })
    expect(run(pool, 1_000, first)[0]).toBeGreaterThan(100)
  })

  it('forgets an endpoint that is no longer one of ours, with its timer', async ({ stage }) => {
    const { pool, endpoints } = await filled(stage, 3)
    run(pool, 100, first)
    expect(stage.wheel.armed).toBe(1)
    pool.update(endpoints.slice(1).map((endpoint) => endpoint.place()))
    expect([stage.wheel.armed, states(pool)]).toEqual([0, ['in-use', 'in-use']])
  })
})

describe('a client that keeps no connection ready', () => {
  /** Calls one after the other, with time in between to connect to another endpoint. */
  async function runSlowly(
    stage: PoolStage,
    pool: Pool<FakeMember>,
    calls: number,
    fails: (endpoint: number) => boolean,
  ) {
    let failed = 0
    for (let made = 0; made < calls; made += 1) {
      const member = pool.pick()
      await stage.clock.settle()
      if (member === null) continue
      const bad = fails(member.endpoint)
      member.call(bad)
      if (bad) {
        failed += 1
        pool.onFault(member)
      }
    }
    return failed
  }

  it('leaves the endpoint that it began with when that fails, for one that it never tried', async ({ stage }) => {
    const endpoints = stage.endpoints(5)
    const pool = stage.pool(endpoints, { min: 0, max: 4 })
    pool.pick()
    await stage.clock.settle()
    const begun = pool.pick()?.endpoint
    expect(await runSlowly(stage, pool, 500, (endpoint) => endpoint === begun)).toBeLessThanOrEqual(10)
    expect(stage.counters.endpointsEjected).toBe(1)
    // One more was enough.
    expect(endpoints.map(({ dials }) => dials).sort()).toEqual([0, 0, 0, 1, 1])
  })

  it('tries on until one is well', async ({ stage }) => {
    const endpoints = stage.endpoints(5)
    const pool = stage.pool(endpoints, { min: 0, max: 4 })
    pool.pick()
    await stage.clock.settle()
    const bad = new Set([pool.pick()?.endpoint])
    await runSlowly(stage, pool, 20, (endpoint) => bad.has(endpoint))
    for (const { endpoint } of pool.members()) bad.add(endpoint)
    // The second one fails as well, and the first one is still out.
    expect(bad.size).toBe(2)
    await runSlowly(stage, pool, 20, (endpoint) => bad.has(endpoint))
    expect(await runSlowly(stage, pool, 500, (endpoint) => bad.has(endpoint))).toBeLessThanOrEqual(10)
    expect(endpoints.reduce((sum, { dials }) => sum + dials, 0)).toBe(3)
  })

  it('leaves also two that fail alike, where others are left that it never tried', async ({ stage }) => {
    const endpoints = stage.endpoints(5)
    const pool = stage.pool(endpoints, { min: 0, max: 4 })
    const fail = async (member: FakeMember, times: number): Promise<void> => {
      for (let failed = 0; failed < times; failed += 1) {
        member.call(true)
        pool.onFault(member)
      }
      await stage.clock.settle()
    }
    pool.pick()
    await stage.clock.settle()
    const [one] = pool.members() as [FakeMember]
    await fail(one, 5)
    const [, two] = pool.members() as [FakeMember, FakeMember]
    await fail(two, 5)
    // A third one has come, which is well so far.
    expect([pool.members().length, pool.offers(one), pool.offers(two)]).toEqual([3, true, true])
    await fail(one, 1)
    await fail(two, 1)
    expect([pool.offers(one), pool.offers(two)]).toEqual([false, false])
    expect(endpoints.reduce((sum, { dials }) => sum + dials, 0)).toBe(3)
  })

  it('dials the others no faster than dead endpoints are dialled, and stays where it is', async ({ stage }) => {
    const endpoints = stage.endpoints(3)
    const pool = stage.pool(endpoints, { min: 0, max: 4 })
    pool.pick()
    await stage.clock.settle()
    const [only] = pool.members() as [FakeMember]
    const others = endpoints.filter(({ index }) => index !== only.endpoint)
    for (const other of others) other.outcome = 'refused'
    for (let ms = 0; ms < 10_000; ms += 10) {
      expect(pool.pick()).toBe(only)
      only.call(true)
      pool.onFault(only)
      await stage.clock.advanceAsync(10)
    }
    const dials = others.reduce((sum, other) => sum + other.dials, 0)
    expect(dials).toBeGreaterThanOrEqual(10)
    // Pauses of 400 to 800 ms each, after the first few.
    expect(dials).toBeLessThanOrEqual(2 * 28)
    expect(stage.counters.endpointsEjected).toBe(0)
    // Nobody asks any more.
    await stage.clock.advanceAsync(10_000)
    expect(others.reduce((sum, other) => sum + other.dials, 0)).toBeLessThanOrEqual(dials + 1)
    expect(pool.facts().size).toBe(1)
  })

  it('takes an endpoint back that has no connection to try it by', async ({ stage }) => {
    const endpoints = stage.endpoints(2)
    const pool = stage.pool(endpoints, { min: 0, max: 1, ejection: { minMs: 1_000 } })
    pool.pick()
    await stage.clock.settle()
    const begun = pool.pick() as FakeMember
    await runSlowly(stage, pool, 20, (endpoint) => endpoint === begun.endpoint)
    expect(
      pool
        .endpoints()
        .map(({ state }) => state)
        .sort(),
    ).toEqual(['ejected', 'in-use'])
    begun.retire()
    pool.leave(begun)
    await stage.clock.advanceAsync(1_000)
    pool.pick()
    expect(pool.endpoints().map(({ state }) => state)).toEqual(['in-use', 'in-use'])
    expect(endpoints.map(({ dials }) => dials)).toEqual([1, 1])
  })

  it('tries another one also where only leased connections are elsewhere', async ({ stage }) => {
    const endpoints = stage.endpoints(2)
    const pool = stage.pool(endpoints, { min: 0, max: 2 })
    const lease = await pool.lease()
    pool.pick()
    await stage.clock.settle()
    const begun = pool.pick() as FakeMember
    expect(begun.endpoint).not.toBe(lease.member.endpoint)
    expect(await runSlowly(stage, pool, 200, (endpoint) => endpoint === begun.endpoint)).toBeLessThanOrEqual(10)
    expect(endpoints[lease.member.endpoint]?.dials).toBe(2)
    lease.release()
  })
})
