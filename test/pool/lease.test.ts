import { describe, expect } from 'vitest'
import { FakeEndpoint, type FakeMember, it } from './members.js'

const exhausted = expect.objectContaining({ name: 'TransportError', reason: 'pool-exhausted' })
const refused = expect.objectContaining({ name: 'TransportError', reason: 'connect-refused' })

describe('a lease', () => {
  it('is exclusive: nobody picks or leases its connection until it is given back', async ({ stage }) => {
    const { pool } = await stage.filled({ min: 2, max: 2 })
    const lease = await pool.lease()
    expect(pool.facts()).toEqual({ size: 2, ready: 1, borrowed: 1, leased: 1 })
    expect(pool.offers(lease.member)).toBe(false)
    for (let asked = 0; asked < 100; asked += 1) expect(pool.pick()).not.toBe(lease.member)
    const other = await pool.lease()
    expect(other.member).not.toBe(lease.member)
    expect(pool.pick()).toBeNull()
    lease.release()
    expect(pool.pick()).toBe(lease.member)
    other.release()
    expect(pool.facts()).toEqual({ size: 2, ready: 2, borrowed: 0, leased: 0 })
  })

  it('takes no connection that has calls', async ({ stage }) => {
    const { pool, endpoint } = await stage.filled({ min: 2, max: 2 })
    const [first, second] = endpoint.made as [FakeMember, FakeMember]
    first.inFlight = 1
    const lease = await pool.lease()
    expect(lease.member).toBe(second)
    await expect(pool.lease()).rejects.toEqual(exhausted)
    first.inFlight = 0
    lease.release()
  })

  it('is refused at once when everything is in use', async ({ stage }) => {
    const { pool } = await stage.filled({ min: 1, max: 3 })
    const leases = [await pool.lease()]
    for (const _ of [1, 2]) leases.push(await pool.lease())
    expect(new Set(leases.map(({ member }) => member)).size).toBe(3)
    await expect(pool.lease()).rejects.toEqual(exhausted)
    for (const lease of leases) lease.release()
    expect(pool.facts()).toMatchObject({ size: 3, ready: 3, borrowed: 0 })
  })

  it('that is destroyed takes its connection along, which is replaced', async ({ stage }) => {
    const { pool, endpoint } = await stage.filled({ min: 1, max: 1 })
    const lease = await pool.lease()
    lease.destroy()
    expect(lease.member.retired).toBe(1)
    expect(pool.facts()).toMatchObject({ leased: 0, borrowed: 0, ready: 0 })
    await stage.clock.settle()
    expect(pool.facts()).toEqual({ size: 1, ready: 1, borrowed: 0, leased: 0 })
    expect(endpoint.dials).toBe(2)
  })

  it('whose connection is lost meanwhile gives nothing back', async ({ stage }) => {
    const { pool, endpoint } = await stage.filled({ min: 1, max: 1 })
    for (const how of ['release', 'destroy'] as const) {
      const lease = await pool.lease()
      lease.member.usable = false
      pool.leave(lease.member)
      await stage.age()
      lease[how]()
      expect(pool.offers(lease.member)).toBe(false)
      expect(pool.facts()).toEqual({ size: 1, ready: 1, borrowed: 0, leased: 0 })
      expect(lease.member.retired).toBe(1)
    }
    expect(endpoint.dials).toBe(3)
  })

  it('whose connection takes no calls any more is not offered again', async ({ stage }) => {
    const { pool } = await stage.filled({ min: 1, max: 1 })
    const lease = await pool.lease()
    lease.member.usable = false
    lease.release()
    expect(pool.offers(lease.member)).toBe(false)
    await stage.clock.settle()
    expect(pool.pick()?.usable).toBe(true)
  })

  it('cannot be given back twice, in no way', async ({ stage }) => {
    const { pool } = await stage.filled({ min: 1, max: 1 })
    const twice = expect.objectContaining({ reason: 'double-release' })
    for (const first of ['release', 'destroy'] as const) {
      const lease = await pool.lease()
      lease[first]()
      expect(() => lease.release()).toThrow(twice)
      expect(() => lease.destroy()).toThrow(twice)
      await stage.age()
      expect(pool.facts()).toEqual({ size: 1, ready: 1, borrowed: 0, leased: 0 })
    }
  })

  it('in a block of `using` comes back at its end, thrown or not, given back before or not', async ({ stage }) => {
    const { pool } = await stage.filled({ min: 1, max: 1 })
    for (const ending of ['ends', 'throws', 'releases', 'destroys']) {
      const work = async (): Promise<void> => {
        using lease = await pool.lease()
        expect(pool.facts()).toMatchObject({ borrowed: 1, leased: 1 })
        if (ending === 'throws') throw new RangeError('in the middle')
        if (ending === 'releases') lease.release()
        if (ending === 'destroys') lease.destroy()
      }
      if (ending === 'throws') await expect(work()).rejects.toThrow('in the middle')
      else await work()
      await stage.age()
      expect(pool.facts()).toEqual({ size: 1, ready: 1, borrowed: 0, leased: 0 })
    }
  })

  it('given back over the least is retired when it stays idle', async ({ stage }) => {
    const { pool } = await stage.filled({ min: 1, max: 2, idleTimeoutMs: 1_000 })
    const leases = [await pool.lease(), await pool.lease()]
    await stage.clock.advanceAsync(10_000)
    expect(pool.facts()).toMatchObject({ size: 2, leased: 2 })
    for (const lease of leases) lease.release()
    await stage.clock.advanceAsync(2_000)
    expect(pool.facts()).toEqual({ size: 1, ready: 1, borrowed: 0, leased: 0 })
    expect(stage.wheel.armed).toBe(0)
  })
})

describe('a lease that waits', () => {
  it('gets its own connection, also when several are asked for at once', async ({ stage }) => {
    for (const min of [0, 1, 2]) {
      const [endpoint] = stage.endpoints(1) as [FakeEndpoint]
      const pool = stage.pool([endpoint], { min, max: 3 })
      const asked = await Promise.allSettled([1, 2, 3, 4].map(() => pool.lease()))
      const leases = asked.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
      expect(new Set(leases.map(({ member }) => member)).size).toBe(3)
      expect(asked.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))).toEqual([exhausted])
      expect(endpoint.most).toBe(3)
      for (const lease of leases) lease.release()
      expect(pool.facts()).toMatchObject({ size: 3, ready: 3, borrowed: 0 })
    }
  })

  it('gets what another one gives back, if that is sooner', async ({ stage }) => {
    const { pool, endpoint } = await stage.filled({ min: 1, max: 2 })
    const first = await pool.lease()
    endpoint.outcome = 'waits'
    const second = pool.lease()
    await stage.clock.settle()
    first.release()
    expect((await second).member).toBe(first.member)
    endpoint.waiting[0]?.ok()
    await stage.clock.settle()
    expect(pool.facts()).toEqual({ size: 2, ready: 1, borrowed: 1, leased: 1 })
  })

  it('gets the error of the dial that it waits for', async ({ stage }) => {
    const [endpoint] = stage.endpoints(1, 'refused') as [FakeEndpoint]
    const pool = stage.pool([endpoint], { min: 0, max: 2 })
    await expect(Promise.allSettled([pool.lease(), pool.lease()])).resolves.toEqual([
      { status: 'rejected', reason: refused },
      { status: 'rejected', reason: refused },
    ])
    expect(pool.facts().leased).toBe(0)
  })

  it('waits for another endpoint when the first one fails', async ({ stage }) => {
    const [dead, alive] = stage.endpoints(2) as [FakeEndpoint, FakeEndpoint]
    dead.outcome = 'refused'
    const pool = stage.pool([dead, alive], { min: 0, max: 3 })
    const asked = Promise.all([pool.lease(), pool.lease(), pool.lease()])
    await stage.clock.advanceAsync(1_000)
    const leases = await asked
    expect(leases.map(({ member }) => member.endpoint)).toEqual([1, 1, 1])
    for (const lease of leases) lease.release()
  })

  it('is refused when the pool is closed', async ({ stage }) => {
    const [endpoint] = stage.endpoints(1, 'waits') as [FakeEndpoint]
    const pool = stage.pool([endpoint], { min: 0, max: 2 })
    const waiting = pool.lease()
    await stage.clock.settle()
    pool.close()
    await expect(waiting).rejects.toMatchObject({ reason: 'closed' })
    endpoint.waiting[0]?.ok()
    await stage.clock.settle()
    await expect(pool.lease()).rejects.toMatchObject({ reason: 'closed' })
  })

  it('does not keep those waiting who only want to call: they get another connection', async ({ stage }) => {
    for (const order of ['call first', 'lease first']) {
      const pool = stage.pool(stage.endpoints(1), { min: 0, max: 2 })
      if (order === 'call first') expect(pool.pick()).toBeNull()
      const leasing = pool.lease()
      if (order === 'lease first') expect(pool.pick()).toBeNull()
      const lease = await leasing
      await stage.clock.settle()
      expect(pool.facts()).toEqual({ size: 2, ready: 1, borrowed: 1, leased: 1 })
      expect(pool.pick()).not.toBe(lease.member)
      lease.release()
    }
  })

  it('hears of it when the connection that was made for it is lost at birth', async ({ stage }) => {
    const { pool, endpoint } = await stage.filled({ min: 1, max: 2 })
    const first = await pool.lease()
    endpoint.outcome = 'lost'
    await expect(pool.lease()).rejects.toMatchObject({ reason: 'connection-lost' })
    expect(pool.facts()).toMatchObject({ leased: 1 })
    expect(endpoint.made.map(({ retired }) => retired)).toEqual([0, 1])
    first.release()
  })

  it('waits for no endpoint that cannot be reached, where the others have as many as they may', async ({ stage }) => {
    const [alive, dead] = stage.endpoints(2) as [FakeEndpoint, FakeEndpoint]
    dead.outcome = 'refused'
    for (const min of [0, 1]) {
      const pool = stage.pool([alive, dead], { min, max: 1 })
      await stage.age()
      const first = await pool.lease()
      const dials = dead.dials
      const second = pool.lease()
      second.catch(() => {})
      await stage.clock.advanceAsync(800)
      await expect(second).rejects.toEqual(refused)
      expect(dead.dials - dials).toBeLessThanOrEqual(2)
      first.release()
      pool.close()
    }
  })

  it('waits for no endpoint that was put out, beside one that cannot be reached', async ({ stage }) => {
    const [full, dead] = stage.endpoints(3) as [FakeEndpoint, FakeEndpoint]
    const out = new FakeEndpoint(2)
    dead.outcome = 'refused'
    const pool = stage.pool([full, dead, out], { min: 1, max: 2 })
    await stage.age()
    const [bad] = out.made as [FakeMember]
    for (let failed = 0; failed < 5; failed += 1) {
      bad.call(true)
      pool.onFault(bad)
    }
    const leases = [await pool.lease(), await pool.lease()]
    expect(leases.map(({ member }) => member.endpoint)).toEqual([0, 0])
    const third = pool.lease()
    third.catch(() => {})
    await stage.clock.advanceAsync(800)
    await expect(third).rejects.toEqual(refused)
    for (const lease of leases) lease.release()
  })

  it('waits for each endpoint that may be reached, and for none of them twice', async ({ stage }) => {
    const endpoints = stage.endpoints(4)
    const pool = stage.pool(endpoints, { min: 0, max: 1 })
    const first = await pool.lease()
    const others = endpoints.filter(({ index }) => index !== first.member.endpoint)
    for (const other of others) other.outcome = 'refused'
    const second = pool.lease()
    await expect(second).rejects.toEqual(refused)
    expect(others.map(({ dials }) => dials)).toEqual([1, 1, 1])
    // Who asks again does not wait for those that failed as often as they will: one more attempt says enough.
    const third = pool.lease()
    third.catch(() => {})
    await stage.clock.advanceAsync(1_000)
    await expect(third).rejects.toEqual(refused)
    first.release()
  })

  it('is refused when the endpoint that was to give it is no longer one of ours', async ({ stage }) => {
    const [full, silent] = stage.endpoints(2) as [FakeEndpoint, FakeEndpoint]
    silent.outcome = 'waits'
    const pool = stage.pool([full, silent], { min: 1, max: 1 })
    await stage.age()
    const first = await pool.lease()
    const second = pool.lease()
    pool.update([full.place()])
    await expect(second).rejects.toEqual(exhausted)
    // What is leased from an endpoint of the past takes no place of another one.
    pool.update([silent.place()])
    silent.outcome = 'ok'
    for (const dial of [...silent.waiting]) dial.ok()
    await stage.clock.settle()
    const third = await pool.lease()
    expect(third.member.endpoint).toBe(1)
    third.release()
    first.release()
  })
})
