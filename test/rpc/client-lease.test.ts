import { describe, expect } from 'vitest'
import { deferred } from '../fixtures/deferred.js'
import { it, until } from '../fixtures/stage.js'

describe('a leased connection', () => {
  it('carries what is called on it, beside the calls of everybody else', async ({ stage }) => {
    const gate = deferred<void>()
    const { server, address } = await stage.listening()
    server.handle('hold', async (request) => {
      await gate.promise
      return request
    })
    const client = stage.client(address, { pool: { max: 2 } })
    using lease = await client.lease()
    const calls = [lease.call('hold', 1), client.call('hold', 2), client.call('hold', 3)]
    await until(() => server.metrics().handlersStarted === 3)
    expect(lease.info()).toMatchObject({ state: 'ready', openCalls: 1 })
    expect(
      client
        .info()
        .connections.map(({ openCalls }) => openCalls)
        .sort(),
    ).toEqual([1, 2])
    gate.resolve()
    expect(await Promise.all(calls)).toEqual([1, 2, 3])
  })

  it('is given back at the end of its block, also where that throws', async ({ stage }) => {
    const { server, address } = await stage.listening()
    server.handle('echo', (request) => request)
    const client = stage.client(address)
    const work = async (): Promise<void> => {
      using lease = await client.lease()
      expect(await lease.call('echo', 'x')).toBe('x')
      expect(client.info().pool.leased).toBe(1)
      throw new Error('amid the work')
    }
    await expect(work()).rejects.toThrow('amid the work')
    expect(client.info().pool).toMatchObject({ leased: 0, borrowed: 0 })
  })

  it('takes no calls once it was given back', async ({ stage }) => {
    const { server, address } = await stage.listening()
    server.handle('echo', (request) => request)
    const lease = await stage.client(address).lease()
    lease.release()
    await expect(lease.call('echo', 1)).rejects.toMatchObject({ reason: 'misuse' })
    expect(server.metrics().handlersStarted).toBe(0)
  })

  it('that is destroyed is closed, and another one takes its place', async ({ stage }) => {
    const { server, address } = await stage.listening()
    server.handle('echo', (request) => request)
    const client = stage.client(address, { pool: { max: 1 } })
    const lease = await client.lease()
    lease.destroy()
    await until(() => client.metrics().connectionsClosed === 1)
    expect(await client.call('echo', 1)).toBe(1)
    expect(client.metrics().connectionsOpened).toBe(2)
  })

  it('that is lost fails its calls, which are made nowhere else', async ({ stage }) => {
    const { server, address } = await stage.listening()
    server.handle('hold', () => new Promise(() => {}))
    const client = stage.client(address, { pool: { max: 2 } })
    const lease = await client.lease()
    const call = expect(lease.call('hold', null, { idempotent: true })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      processed: 'maybe',
    })
    await until(() => server.metrics().handlersStarted === 1)
    await server.close({ graceMs: 0 })
    await call
    await expect(lease.call('hold', null)).rejects.toMatchObject({ reason: 'connection-lost', processed: 'no' })
    expect(client.metrics().callsRetried).toBe(0)
    lease.release()
  })

  it('takes as many calls as its peer does, and refuses one more', async ({ stage }) => {
    const gate = deferred<void>()
    const { server, address } = await stage.listening({ limits: { maxOpenCalls: 2 } })
    server.handle('hold', () => gate.promise)
    const client = stage.client(address, { pool: { max: 1 } })
    const lease = await client.lease()
    const calls = [lease.call('hold', 1), lease.call('hold', 2)]
    await expect(lease.call('hold', 3)).rejects.toMatchObject({ reason: 'queue-full', processed: 'no' })
    expect(client.metrics().failures['queue-full']).toBe(1)
    gate.resolve()
    await Promise.all(calls)
    lease.release()
  })
})
