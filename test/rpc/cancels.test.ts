import { describe, expect } from 'vitest'
import { defineService, serverStream, TransportError } from '../../src/index.js'
import { it, turn, until } from '../fixtures/stage.js'
import { VirtualClock } from '../support/virtual-clock.js'

const Feed = defineService('feed', { endless: serverStream<number, number>() })

/** Half of the burst is told at once, for the peer may have been busy with what came before. */
const limits = { cancelBurst: 750, cancelsPerSecond: 33 }
const AT_ONCE = 375
/** As many more as a peer takes in a second and a bit. */
const MANY = AT_ONCE + 40

async function settle(): Promise<void> {
  for (let turns = 0; turns < 20; turns += 1) await turn()
}

/** Time passes, and what is sent arrives before much more of it does. */
async function advance(clock: VirtualClock, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 100) {
    clock.advance(100)
    await settle()
  }
}

describe('who cancels faster than a peer takes', () => {
  it('keeps the connection, and the peer hears of the rest when it may', async ({ stage }) => {
    const clock = new VirtualClock()
    const { server, address } = await stage.listening({ clock, limits })
    let told = 0
    let running = 0
    server.handle('hold', (_, call) => {
      running += 1
      return new Promise((resolve) => {
        call.signal.addEventListener('abort', () => {
          told += 1
          resolve(null)
        })
      })
    })
    server.handle('echo', (value) => value)
    const client = stage.client(address, { clock, limits, pool: { max: 1 } })
    const over = new AbortController()
    const calls = Array.from({ length: MANY }, () => client.call('hold', null, { signal: over.signal }))
    const settled = Promise.allSettled(calls)
    await until(() => running === MANY)
    over.abort()
    expect((await settled).every(({ status }) => status === 'rejected')).toBe(true)
    await until(() => told === AT_ONCE)
    expect(await client.call('echo', 'beside')).toBe('beside')
    clock.advance(500)
    await settle()
    expect(told).toBeGreaterThan(AT_ONCE)
    expect(told).toBeLessThan(MANY)
    await advance(clock, 3_000)
    expect(told).toBe(MANY)
    await until(() => client.info().connections[0]?.openCalls === 0)
    expect(client.info().connections).toMatchObject([{ state: 'ready' }])
    expect(server.metrics().failures['too-many-cancels']).toBe(0)
  })

  it('does not tell of a call that ended by itself meanwhile', async ({ stage }) => {
    const clock = new VirtualClock()
    const { server, address } = await stage.listening({ clock, limits })
    const ends: (() => void)[] = []
    let told = 0
    server.handle('hold', (_, call) => {
      call.signal.addEventListener('abort', () => {
        told += 1
      })
      return new Promise<void>((resolve) => ends.push(resolve))
    })
    const client = stage.client(address, { clock, limits, pool: { max: 1 } })
    const over = new AbortController()
    const calls = Promise.allSettled(
      Array.from({ length: MANY }, () => client.call('hold', null, { signal: over.signal })),
    )
    await until(() => ends.length === MANY)
    over.abort()
    await calls
    await until(() => told === AT_ONCE)
    for (const end of ends) end()
    await until(() => client.info().connections[0]?.openCalls === 0)
    clock.advance(5_000)
    await settle()
    expect(told).toBe(AT_ONCE)
  })

  it('may leave the loops over as many streams', async ({ stage }) => {
    const clock = new VirtualClock()
    const { server, address } = await stage.listening({ clock, limits })
    let left = 0
    server.implement(Feed, {
      async *endless(from, call) {
        try {
          yield from
          await new Promise((resolve) => call.signal.addEventListener('abort', resolve))
        } finally {
          left += 1
        }
      },
    })
    const client = stage.client(address, { clock, limits, pool: { max: 1 } })
    const feed = client.use(Feed)
    for (let n = 0; n < MANY; n += 1) {
      for await (const number of feed.endless(n)) {
        expect(number).toBe(n)
        break
      }
    }
    await until(() => left === AT_ONCE)
    await advance(clock, 3_000)
    expect(left).toBe(MANY)
    await until(() => client.info().connections[0]?.openStreams === 0)
    expect(client.info().connections).toMatchObject([{ state: 'ready' }])
  })
})

describe('a call that has not left', () => {
  it('is told so where its time passes while it waits for the socket', async ({ stage }) => {
    const clock = new VirtualClock()
    const { client, peer } = await stage.clientAndPeer({ clock, compression: { algorithm: 'none' } })
    peer.socket.pause()
    const bulk = Promise.allSettled(
      Array.from({ length: 200 }, () => client.call('large', Buffer.alloc(100_000), { timeoutMs: 60_000 })),
    )
    await until(() => (client.info().connections[0]?.queuedBytes ?? 0) > 0)
    const late = client.call('late', 1, { timeoutMs: 1_000 })
    const outcome = late.catch((error: unknown) => error)
    await settle()
    clock.advance(1_100)
    const error = await outcome
    expect(error).toBeInstanceOf(TransportError)
    expect(error).toMatchObject({ code: 'DEADLINE_EXCEEDED', processed: 'no' })
    peer.destroy()
    await client.close({ graceMs: 0 })
    await bulk
  })
})
