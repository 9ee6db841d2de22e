import { describe, expect, it } from 'vitest'
import type { TransportError } from '../../src/base/errors.js'
import { EndpointPool } from '../../src/pool/endpoint-pool.js'
import { type PoolOptions, poolRules } from '../../src/pool/options.js'
import { FakeEndpoint, type FakeMember, type Outcome, PoolStage } from './members.js'

/** The connections to one endpoint, and what their owner heard. */
function stage(outcome: Outcome, options: Partial<PoolOptions> = {}, goOn = true) {
  const { clock, wheel, parts } = new PoolStage()
  const endpoint = new FakeEndpoint(0)
  endpoint.outcome = outcome
  const members: FakeMember[] = []
  const errors: TransportError[] = []
  let gaveUp = 0
  const pool = new EndpointPool(endpoint.dial, parts, poolRules.parse(options, 'pool'), {
    onMember: (member) => members.push(member),
    onDialFailed: (error) => {
      errors.push(error)
      return goOn
    },
    onGaveUp: () => {
      gaveUp += 1
    },
  })
  return { clock, wheel, endpoint, pool, members, errors, gaveUp: () => gaveUp }
}

describe('an endpoint that refuses at once', () => {
  it('does not make us spin: the dials are those the pauses allow, however many are wanted', async () => {
    const { clock, wheel, endpoint, pool, errors } = stage('refused', { max: 4 })
    for (let asked = 0; asked < 4; asked += 1) pool.grow()
    await clock.settle(50)
    expect(endpoint.dials).toBe(1)
    await clock.advanceAsync(999)
    expect(endpoint.dials).toBeGreaterThanOrEqual(3)
    expect(endpoint.dials).toBeLessThanOrEqual(5)
    await clock.advanceAsync(59_000)
    // From half a pause to all of it: 400 to 800 ms.
    expect(endpoint.dials).toBeLessThanOrEqual(5 + 59_000 / 400)
    expect(endpoint.dials).toBeGreaterThanOrEqual(59_000 / 802)
    expect(errors.every(({ reason }) => reason === 'connect-refused')).toBe(true)
    expect(errors).toHaveLength(endpoint.dials)
    expect(pool.failures).toBe(endpoint.dials)
    pool.close()
    expect(wheel.armed).toBe(0)
  })

  it('gets what was asked for when it is back', async () => {
    const { clock, endpoint, pool, members } = stage('refused', { max: 4 })
    for (let asked = 0; asked < 4; asked += 1) pool.grow()
    await clock.advanceAsync(10_000)
    expect([members.length, pool.size]).toEqual([0, 4])
    endpoint.outcome = 'ok'
    await clock.advanceAsync(802)
    expect([members.length, pool.size, pool.failures]).toEqual([4, 4, 0])
    pool.close()
  })

  it('is left when its owner does not want to go on: it is told, and the place is free again', async () => {
    const { clock, endpoint, pool, members, gaveUp } = stage('refused', { max: 1 }, false)
    pool.grow()
    await clock.advanceAsync(10_000)
    expect([endpoint.dials, gaveUp(), pool.size, members.length]).toEqual([1, 1, 0, 0])
    endpoint.outcome = 'ok'
    pool.grow()
    await clock.advanceAsync(1_000)
    expect([endpoint.dials, pool.size, members.length]).toEqual([2, 1, 1])
    pool.close()
  })

  it('is tried again also after a failure that is none of ours, of which the owner is not told', async () => {
    const { clock, endpoint, pool, members, errors } = stage('waits', { max: 1 })
    pool.grow()
    await clock.settle()
    endpoint.waiting[0]?.fail(new RangeError('a mistake'))
    await clock.settle()
    expect([errors.length, pool.failures, members.length]).toEqual([0, 1, 0])
    endpoint.outcome = 'ok'
    await clock.advanceAsync(102)
    expect(members).toHaveLength(1)
    pool.close()
  })
})

describe('an endpoint that is asked for a thousand connections', () => {
  it('gets no more dials and connections than the most allowed, at no time', async () => {
    const { clock, endpoint, pool, members } = stage('waits', { max: 8 })
    for (let asked = 0; asked < 1_000; asked += 1) pool.grow()
    for (let round = 0; round < 40; round += 1) {
      await clock.settle()
      for (const { ok, fail } of [...endpoint.waiting]) {
        if (round % 5 === 4) fail(new Error('not now'))
        else ok()
      }
      await clock.advanceAsync(1_000)
      if (round % 4 !== 3) continue
      // Places that get free are taken by who waits.
      for (const member of members.splice(0)) pool.drop(member)
    }
    expect(endpoint.most).toBe(8)
    expect(endpoint.made.length).toBeGreaterThan(8)
    pool.close()
  })
})

describe('a connection that is dropped', () => {
  it('is retired once, and makes its place free', async () => {
    const { clock, endpoint, pool, members } = stage('ok', { max: 1 })
    pool.grow()
    await clock.settle()
    pool.drop(members[0] as FakeMember)
    expect(pool.size).toBe(0)
    pool.grow()
    await clock.settle()
    expect(endpoint.made.map(({ retired }) => retired)).toEqual([1, 0])
    expect([members.length, pool.size]).toEqual([2, 1])
    pool.close()
  })
})

describe('an endpoint that is closed', () => {
  it.each(['refused', 'waits'] as const)('is not dialled again, and leaves no timer: %s', async (outcome) => {
    const { clock, wheel, endpoint, pool, members, errors } = stage(outcome, { max: 4 })
    for (let asked = 0; asked < 4; asked += 1) pool.grow()
    await clock.settle()
    const heard = errors.length
    pool.close()
    expect([pool.size, wheel.armed]).toEqual([0, 0])
    for (const { fail } of [...endpoint.waiting]) fail(new Error('given up'))
    pool.grow()
    await clock.advanceAsync(60_000)
    expect([endpoint.dials, members.length, errors.length]).toEqual([1, 0, heard])
    expect([pool.size, wheel.armed]).toEqual([0, 0])
  })

  it('hands over a connection whose dial ends later, to be dropped', async () => {
    const { clock, endpoint, pool, members } = stage('waits', { max: 1 })
    pool.grow()
    await clock.settle()
    pool.close()
    endpoint.waiting[0]?.ok()
    await clock.settle()
    expect([members.length, pool.size]).toEqual([1, 1])
    pool.drop(members[0] as FakeMember)
    await clock.settle()
    expect([pool.size, endpoint.alive.length]).toEqual([0, 0])
  })
})
