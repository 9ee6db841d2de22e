import { describe, expect } from 'vitest'
import { defineService, unary } from '../../src/index.js'
import { KIND } from '../../src/wire/frame.js'
import { answerFrame, packed } from '../fixtures/raw-peer.js'
import { deadAddress, it, turn, until } from '../fixtures/stage.js'
import { VirtualClock } from '../support/virtual-clock.js'

describe('connect()', () => {
  it('resolves when a connection is ready', async ({ stage }) => {
    const { address } = await stage.listening()
    const client = stage.client(address)
    await client.connect()
    expect(client.info().pool).toMatchObject({ size: 1, ready: 1 })
    // Again costs nothing and dials nothing.
    await client.connect()
    expect(client.metrics().dialsStarted).toBe(1)
  })

  it('rejects with the reason when nobody listens', async ({ stage }) => {
    const client = stage.client(await deadAddress())
    await expect(client.connect()).rejects.toMatchObject({
      reason: 'connect-refused',
      code: 'UNAVAILABLE',
      processed: 'no',
      retryable: true,
    })
  })

  it('rejects with the reason when a stranger answers', async ({ stage }) => {
    const raw = await stage.rawServer()
    const client = stage.client(raw.address)
    const connecting = expect(client.connect()).rejects.toMatchObject({ reason: 'not-this-protocol' })
    const peer = await raw.accept()
    peer.write(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'))
    await connecting
  })

  it('rejects when the peer says nothing within socket.connectTimeoutMs', async ({ stage }) => {
    const clock = new VirtualClock()
    const raw = await stage.rawServer()
    const client = stage.client(raw.address, { clock, socket: { connectTimeoutMs: 700 } })
    const connecting = expect(client.connect()).rejects.toMatchObject({ reason: 'connect-timeout', processed: 'no' })
    await raw.accept()
    await turn()
    clock.advance(710)
    await connecting
    expect(client.metrics().failures['connect-timeout']).toBe(1)
  })

  it('rejects when the peer has another contract, which calls are then told as well', async ({ stage }) => {
    const { server, address } = await stage.listening()
    server.implement(defineService('chain', { submit: unary(), other: unary() }), { submit: () => 1, other: () => 2 })
    const client = stage.client(address)
    const chain = client.use(defineService('chain', { submit: unary() }))
    await expect(client.connect()).rejects.toMatchObject({ reason: 'contract-mismatch', code: 'FAILED_PRECONDITION' })
    await expect(chain.submit(1)).rejects.toMatchObject({ reason: 'contract-mismatch', processed: 'no' })
  })

  it('rejects after close', async ({ stage }) => {
    const { address } = await stage.listening()
    const client = stage.client(address)
    await client.close()
    await expect(client.connect()).rejects.toMatchObject({ reason: 'closed', processed: 'no' })
  })
})

describe('a client that was started before its server', () => {
  it('connects by itself when the server comes, and never storms it', async ({ stage }) => {
    const clock = new VirtualClock()
    const path = stage.socketPath()
    const client = stage.client(`unix:${path}`, { clock })
    await expect(client.call('echo', 1)).rejects.toMatchObject({ reason: 'connect-failed', processed: 'no' })
    for (let ms = 0; ms < 1_000; ms += 10) {
      clock.advance(10)
      await turn()
      await turn()
    }
    expect(client.metrics().dialsStarted).toBeLessThanOrEqual(5)
    const { server } = await stage.listening({}, `unix:${path}`)
    server.handle('echo', (request) => request)
    // The longest pause is 800 ms.
    clock.advance(810)
    await until(() => client.info().pool.ready === 1)
    expect(await client.call('echo', 2)).toBe(2)
  })

  it('dials nobody before its first call where pool.min is 0', async ({ stage }) => {
    const { server, address } = await stage.listening()
    server.handle('echo', (request) => request)
    const client = stage.client(address, { pool: { min: 0 } })
    for (let turns = 0; turns < 10; turns += 1) await turn()
    expect(client.metrics().dialsStarted).toBe(0)
    const calls = Array.from({ length: 20 }, (_, n) => client.call('echo', n))
    expect(await Promise.all(calls)).toEqual(Array.from({ length: 20 }, (_, n) => n))
    expect(client.metrics().dialsStarted).toBe(1)
  })

  it('dials for calls that wait for a place on a connection that is lost, also where pool.min is 0', async ({
    stage,
  }) => {
    const raw = await stage.rawServer()
    const client = stage.client(raw.address, { pool: { min: 0, max: 1 }, limits: { maxOpenCalls: 1 } })
    const first = expect(client.call('echo', 1)).rejects.toMatchObject({ reason: 'connection-lost' })
    const second = client.call('echo', 2)
    const peer = await raw.greeted()
    await peer.nextOf(KIND.CALL)
    peer.destroy()
    await first
    const next = await raw.greeted()
    const { id } = await next.nextOf(KIND.CALL)
    next.write(answerFrame(id, 2))
    expect(await second).toBe(2)
  })

  it('makes calls that came while it dialled, in their order, on the first connection', async ({ stage }) => {
    const raw = await stage.rawServer()
    const client = stage.client(raw.address)
    const calls = [1, 2, 3].map((n) => client.call('echo', n))
    const peer = await raw.greeted()
    for (const n of [1, 2, 3]) {
      const { id, body } = await peer.nextOf(KIND.CALL)
      expect(body.subarray(4)).toEqual(packed(n))
      peer.write(answerFrame(id, n * 10))
    }
    expect(await Promise.all(calls)).toEqual([10, 20, 30])
  })
})

describe('a client with several addresses', () => {
  it('uses all of them, with a connection to each', async ({ stage }) => {
    const servers = [await stage.listening(), await stage.listening()]
    servers.forEach(({ server }, index) => server.handle('who', () => index))
    const client = stage.client(servers.map(({ address }) => address))
    await until(() => client.info().pool.ready === 2)
    const answers = await Promise.all(Array.from({ length: 40 }, () => client.call('who', null)))
    expect(new Set(answers)).toEqual(new Set([0, 1]))
  })

  it('serves calls through those that live, whichever is dead', async ({ stage }) => {
    const { server, address } = await stage.listening()
    server.handle('echo', (request) => request)
    for (const addresses of [
      [await deadAddress(), address],
      [address, await deadAddress()],
      [await deadAddress(), await deadAddress(), address],
    ]) {
      const client = stage.client(addresses)
      expect(await client.call('echo', 'through')).toBe('through')
    }
  })

  it('moves to another when its server dies', async ({ stage }) => {
    const servers = [await stage.listening(), await stage.listening()]
    servers.forEach(({ server }, index) => server.handle('who', () => index))
    const client = stage.client(servers.map(({ address }) => address))
    const first = await client.call<number>('who', null)
    await servers[first]?.server.close({ graceMs: 0 })
    expect(await client.call('who', null)).toBe(1 - first)
  })

  it('fails its calls when all of them are dead, and says so of each call', async ({ stage }) => {
    const client = stage.client([await deadAddress(), await deadAddress()])
    const calls = await Promise.allSettled(Array.from({ length: 10 }, (_, n) => client.call('echo', n)))
    for (const call of calls) {
      expect(call).toMatchObject({ status: 'rejected', reason: { reason: 'connect-refused', processed: 'no' } })
    }
  })

  it('has never more than pool.max connections to each, also when a dead address comes back', async ({ stage }) => {
    const clock = new VirtualClock()
    const path = stage.socketPath()
    const living = await stage.listening()
    living.server.handle('echo', (request) => request)
    const client = stage.client([`unix:${path}`, living.address], { clock, pool: { min: 1, max: 1 } })
    expect(await client.call('echo', 1)).toBe(1)
    const back = await stage.listening({}, `unix:${path}`)
    back.server.handle('echo', (request) => request)
    for (let round = 0; round < 20; round += 1) {
      clock.advance(500)
      for (let turns = 0; turns < 5; turns += 1) await turn()
      for (const { server } of [living, back]) expect(server.info().connections.length).toBeLessThanOrEqual(1)
    }
    expect(await client.call('echo', 2)).toBe(2)
    await until(() => living.server.info().connections.length + back.server.info().connections.length === 2)
  })
})
