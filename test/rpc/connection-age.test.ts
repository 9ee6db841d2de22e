import { describe, expect } from 'vitest'
import { it, turn, until } from '../fixtures/stage.js'
import { VirtualClock } from '../support/virtual-clock.js'

describe('a connection that reaches connection.maxAgeMs', () => {
  it('is replaced by who dialled it, and what is open on it ends there', async ({ stage }) => {
    const clock = new VirtualClock()
    const { address, held } = await stage.holding()
    const client = stage.client(address, { clock, connection: { maxAgeMs: 60_000 }, heartbeat: { intervalMs: 0 } })
    const slow = client.call('hold', 'slow', { timeoutMs: 3_600_000 })
    await until(() => held.length === 1)
    const changes: string[] = []
    client.watch(({ state, reason }) => changes.push(`${state} ${reason?.message ?? ''}`.trim()))
    clock.advance(53_000)
    expect(changes).toEqual([])
    clock.advance(14_000)
    expect(changes[0]).toBe('draining the connection is older than 60000 ms')
    await until(() => changes.includes('ready'))
    const next = client.call('hold', 'next', { timeoutMs: 3_600_000 })
    await until(() => held.length === 2)
    for (const answer of held) answer('done')
    expect(await Promise.all([slow, next])).toEqual(['done', 'done'])
    await until(() => client.info().connections.length === 1)
    expect(client.metrics().dialsStarted).toBe(2)
  })

  it('is drained by who accepted it, and no call is lost', async ({ stage }) => {
    const clock = new VirtualClock()
    const options = { clock, connection: { maxAgeMs: 60_000 }, heartbeat: { intervalMs: 0 } }
    const { server, address } = await stage.listening(options)
    server.handle('echo', (value) => value)
    const client = stage.client(address)
    expect(await client.call('echo', 1)).toBe(1)
    clock.advance(67_000)
    await until(() => client.metrics().dialsStarted === 2)
    expect(await client.call('echo', 2)).toBe(2)
    await until(() => server.info().connections.length === 1)
  })

  it('is cut when what is open on it takes longer than ageGraceMs', async ({ stage }) => {
    const clock = new VirtualClock()
    const connection = { maxAgeMs: 60_000, ageGraceMs: 1_000 }
    const { server, address, held } = await stage.holding({ clock, connection, heartbeat: { intervalMs: 0 } })
    const client = stage.client(address)
    const stuck = client.call('hold', 1)
    await until(() => held.length === 1)
    clock.advance(67_000)
    clock.advance(1_010)
    await expect(stuck).rejects.toMatchObject({ code: 'UNAVAILABLE', processed: 'maybe' })
    await until(() => server.info().connections.length === 1)
  })

  it('does not age when it is closed before, and leaves no timer', async ({ stage }) => {
    const clock = new VirtualClock()
    const { address } = await stage.listening()
    const client = stage.client(address, { clock, connection: { maxAgeMs: 60_000 } })
    await client.connect()
    await client.close()
    await turn()
    expect(clock.timers).toBe(0)
  })

  it('ages at another moment than its neighbours', async ({ stage }) => {
    const clock = new VirtualClock()
    const { server, address } = await stage.listening({
      clock,
      connection: { maxAgeMs: 100_000 },
      heartbeat: { intervalMs: 0 },
      limits: { maxConnectionsPerPeer: 8 },
    })
    const drainedAt: number[] = []
    server.watch(({ state }) => {
      if (state === 'draining') drainedAt.push(Math.round(clock.now()))
    })
    const clients = [1, 2, 3, 4, 5].map(() => stage.client(address, { pool: { min: 1, max: 1 } }))
    await Promise.all(clients.map((client) => client.connect()))
    await until(() => server.info().connections.filter(({ state }) => state === 'ready').length === 5)
    clock.advance(111_000)
    expect(drainedAt).toHaveLength(5)
    expect(new Set(drainedAt).size).toBeGreaterThan(1)
    expect(Math.min(...drainedAt)).toBeGreaterThan(89_000)
  })
})
