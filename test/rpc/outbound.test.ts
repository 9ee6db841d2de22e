import { describe, expect, test } from 'vitest'
import { createEnvironment } from '../../src/connection/environment.js'
import { WriteLoop } from '../../src/connection/write-loop.js'
import { clientRules } from '../../src/rpc/options.js'
import { defineService, serverStream } from '../../src/rpc/service.js'
import type { ByteChannel } from '../../src/socket/channel.js'
import { KIND } from '../../src/wire/frame.js'
import { answerFrame } from '../fixtures/raw-peer.js'
import { it, turn, until } from '../fixtures/stage.js'
import { VirtualClock } from '../support/virtual-clock.js'

const MiB = 1024 * 1024

const Hold = defineService('hold', { stream: serverStream<number, number>() })
const HOLDING = {
  async *stream(n: number, call: { readonly signal: AbortSignal }) {
    yield n
    await new Promise((resolve) => call.signal.addEventListener('abort', resolve))
  },
}

describe('the choice of a connection', () => {
  it('finds the one with room while all others are full', async ({ stage }) => {
    const { server, address } = await stage.listening({ limits: { maxOpenCalls: 1 } })
    const held: (() => void)[] = []
    server.handle('hold', () => new Promise<void>((resolve) => held.push(resolve)))
    server.handle('echo', (request) => request)
    const client = stage.client(address, { pool: { min: 4, max: 4 } })
    await until(() => client.info().pool.ready === 4)
    const holding = [1, 2, 3].map(() => client.call('hold', null))
    await until(() => held.length === 3)
    for (let n = 0; n < 60; n += 1) expect(await client.call('echo', n)).toBe(n)
    expect(client.info().waitingCalls).toBe(0)
    for (const release of held) release()
    await Promise.all(holding)
  })

  it('spreads calls evenly', async ({ stage }) => {
    const { server, address } = await stage.listening()
    const held: (() => void)[] = []
    server.handle('hold', () => new Promise<void>((resolve) => held.push(resolve)))
    const client = stage.client(address, { pool: { min: 4, max: 4 } })
    await until(() => client.info().pool.ready === 4)
    const calls = Array.from({ length: 400 }, () => client.call('hold', null))
    const loads = client.info().connections.map(({ openCalls }) => openCalls)
    expect(loads.reduce((sum, load) => sum + load)).toBe(400)
    for (const load of loads) expect(Math.abs(load - 100)).toBeLessThan(15)
    await until(() => held.length === 400)
    for (const release of held) release()
    await Promise.all(calls)
  })

  it('opens another connection when the least busy one has growAtInFlight calls, and no more than max', async ({
    stage,
  }) => {
    const { server, address } = await stage.listening()
    server.handle('hold', () => new Promise((resolve) => setImmediate(resolve)))
    const client = stage.client(address, { pool: { max: 3, growAtInFlight: 10 } })
    await client.connect()
    const calls = Array.from({ length: 1_000 }, () => client.call('hold', null))
    await Promise.all(calls)
    expect(client.metrics().dialsStarted).toBeLessThanOrEqual(3)
    for (let round = 0; round < 10; round += 1) {
      await Promise.all(Array.from({ length: 100 }, () => client.call('hold', null)))
    }
    expect(client.info().pool).toMatchObject({ size: 3, ready: 3, borrowed: 0 })
    expect(client.metrics().dialsStarted).toBe(3)
  })

  it('opens another connection when half of the streams that one takes are open', async ({ stage }) => {
    const { server, address } = await stage.listening({ limits: { maxStreams: 8 } })
    server.implement(Hold, HOLDING)
    const client = stage.client(address, { pool: { max: 2 } })
    const hold = client.use(Hold)
    const over = new AbortController()
    for (let n = 0; n < 12; n += 1) {
      const stream = hold.stream(n, { signal: over.signal })
      expect((await stream.next()).value).toBe(n)
    }
    expect(client.info().pool.size).toBe(2)
    over.abort()
  })

  it('opens another connection when the peer takes no more calls on the one that there is', async ({ stage }) => {
    const { server, address } = await stage.listening({ limits: { maxOpenCalls: 4 } })
    const held: (() => void)[] = []
    server.handle('hold', () => new Promise<void>((resolve) => held.push(resolve)))
    const client = stage.client(address, { pool: { max: 2 } })
    await client.connect()
    const calls = Array.from({ length: 8 }, () => client.call('hold', null))
    await until(() => held.length === 8)
    expect(client.info().pool.size).toBe(2)
    for (const release of held) release()
    await Promise.all(calls)
  })

  it('gives nobody a connection that is leased', async ({ stage }) => {
    const { server, address } = await stage.listening()
    server.handle('echo', (request) => request)
    const client = stage.client(address, { pool: { max: 2 } })
    await client.connect()
    const lease = await client.lease()
    expect(client.info().pool).toMatchObject({ leased: 1, borrowed: 1, ready: 0 })
    expect(await client.call('echo', 1)).toBe(1)
    expect(lease.info().openCalls).toBe(0)
    expect(client.info().pool.size).toBe(2)
    lease.release()
    expect(() => lease.release()).toThrow(expect.objectContaining({ reason: 'double-release' }))
    expect(client.info().pool).toMatchObject({ leased: 0, borrowed: 0, ready: 2 })
  })
})

describe('what waits for a connection', () => {
  it('is not handed over beyond limits.maxQueuedBytes, and goes on when the peer reads', async ({ stage }) => {
    const raw = await stage.rawServer()
    const client = stage.client(raw.address, {
      clock: new VirtualClock(),
      compression: { algorithm: 'none' },
      pool: { max: 1 },
      limits: { maxQueuedBytes: 8 * MiB },
    })
    const body = Buffer.alloc(512 * 1024)
    const calls = Promise.all(Array.from({ length: 60 }, () => client.call('put', body)))
    const peer = await raw.accept()
    peer.socket.pause()
    peer.hello()
    await until(() => client.info().connections.length === 1)
    await turn()
    expect(client.info().connections[0]?.queuedBytes).toBeLessThan(9 * MiB)
    expect(client.info().waitingCalls).toBeGreaterThan(20)
    peer.socket.resume()
    for (let answered = 0; answered < 60; answered += 1) {
      const { id } = await peer.nextOf(KIND.CALL)
      peer.write(answerFrame(id, null))
    }
    await calls
  })

  it('is told of the first connection, whichever address it leads to', async ({ stage }) => {
    const silent = await stage.rawServer()
    const { server, address } = await stage.listening()
    server.handle('echo', (request) => request)
    const client = stage.client([silent.address, address], { pool: { min: 1 } })
    expect(await client.call('echo', 'first')).toBe('first')
  })
})

describe('bytes handed to a socket that failed', () => {
  test('are not followed by more: what waits was never handed over', () => {
    const clock = new VirtualClock()
    const environment = createEnvironment({ ...clientRules.parse({ clock }, ''), peerId: 'test' })
    let unsentBytes = 0
    let writes = 0
    const channel = {
      get unsentBytes() {
        return unsentBytes
      },
      write: ({ length }: Uint8Array) => {
        writes += 1
        unsentBytes += length
      },
      cork: () => {},
      uncork: () => {},
    } as unknown as ByteChannel
    const loop = new WriteLoop(
      channel,
      { onDrained: () => {}, onStalled: () => {}, onControlFlood: () => {} },
      environment,
      null,
    )
    const ping = (): void => loop.control(KIND.PING, 0, 0, 1)
    ping()
    loop.flush()
    ping()
    loop.flush()
    expect([writes, loop.blocked, loop.handedBytes, loop.endPosition]).toEqual([1, true, 12, 24])
    loop.onWritten(true)
    expect([writes, loop.handedBytes, loop.endPosition]).toEqual([1, 12, 24])
    loop.close()
    expect([environment.ledger.current, clock.timers]).toEqual([0, 0])
  })
})
