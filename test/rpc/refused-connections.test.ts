import { describe, expect } from 'vitest'
import { defineService, serverStream } from '../../src/index.js'
import { encodeFault } from '../../src/wire/fault.js'
import { KIND } from '../../src/wire/frame.js'
import { preface } from '../../src/wire/preface.js'
import { frame } from '../fixtures/raw-peer.js'
import { it, until } from '../fixtures/stage.js'
import { VirtualClock } from '../support/virtual-clock.js'

const RESOURCE_EXHAUSTED = 8

const goAway = (processed: 'maybe' | 'yes'): Buffer =>
  frame(KIND.GO_AWAY, {
    aux: RESOURCE_EXHAUSTED,
    body: encodeFault({ processed, retryAfterMs: 0, reason: 'too-many-connections', message: 'full' }),
  })

const Feed = defineService('feed', { open: serverStream<null, number>() })

describe('a call whose connection never got ready', () => {
  it.for([
    ['closes it', []],
    ['says the preface and closes it', [preface()]],
    ['refuses it', [preface(), goAway('maybe')]],
    ['lies that it ran', [preface(), goAway('yes')]],
  ] as const)('has not run, where the peer %s', async ([_, says], { stage }) => {
    const raw = await stage.rawServer()
    const client = stage.client(raw.address, { retry: { maxAttempts: 1 } })
    const call = client.call('pay', 1).catch((error: unknown) => error)
    const peer = await raw.accept()
    peer.socket.end(Buffer.concat([...says]))
    expect(await call).toMatchObject({ processed: 'no' })
  })

  it('is made again, for it has not run', async ({ stage }) => {
    const raw = await stage.rawServer()
    const { server, address } = await stage.listening()
    let ran = 0
    server.handle('pay', () => {
      ran += 1
    })
    const client = stage.client([raw.address, address], { pool: { min: 0 } })
    const peers = raw.accept().then((peer) => peer.socket.end())
    await client.call('pay', 1)
    expect(ran).toBe(1)
    await client.close()
    await Promise.race([peers, Promise.resolve()])
  })
})

describe('a connection too many with one peer id', () => {
  it('loses no call: the server says that it ran none', async ({ stage }) => {
    const { server, address } = await stage.listening()
    let ran = 0
    server.handle('count', () => {
      ran += 1
    })
    const clients = Array.from({ length: 5 }, () =>
      stage.client(address, { id: 'api', pool: { max: 1 }, retry: { maxAttempts: 1 } }),
    )
    const outcomes: unknown[] = []
    for (const client of clients) outcomes.push(await client.call('count', null).catch((error: unknown) => error))
    expect(outcomes.slice(0, 4)).toEqual([undefined, undefined, undefined, undefined])
    expect(outcomes[4]).toMatchObject({ reason: 'too-many-connections-per-peer', processed: 'no', retryable: true })
    expect(ran).toBe(4)
  })

  it('is not the one that takes the place of one that ends slowly', async ({ stage }) => {
    const clock = new VirtualClock()
    const { server, address } = await stage.listening({ limits: { maxConnectionsPerPeer: 1 } })
    server.implement(Feed, {
      async *open(_, call) {
        yield 1
        await new Promise((resolve) => call.signal.addEventListener('abort', resolve))
      },
    })
    server.handle('echo', (value) => value)
    const client = stage.client(address, { clock, connection: { maxAgeMs: 60_000 } })
    const stream = client.use(Feed).open(null)
    expect((await stream.next()).value).toBe(1)
    clock.advance(70_000)
    await until(() => server.info().connections.some(({ state }) => state === 'draining'))
    expect(await client.call('echo', 'next')).toBe('next')
    expect(client.info().connections).toHaveLength(2)
    stream.cancel()
  })
})
