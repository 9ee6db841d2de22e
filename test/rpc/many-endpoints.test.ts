import { describe, expect } from 'vitest'
import { defineService, serverStream, unary } from '../../src/index.js'
import { dial } from '../../src/socket/dial.js'
import { listen } from '../../src/socket/listen.js'
import type { Network } from '../../src/socket/network.js'
import type { NameAnswer } from '../../src/socket/resolve.js'
import { it, turn, until } from '../fixtures/stage.js'
import { VirtualClock } from '../support/virtual-clock.js'

/** The sockets of the system, and names that the test answers. */
class Names implements Network {
  readonly dial = dial
  readonly listen = listen
  answer: readonly string[] | 'never' | 'fails' = []
  asked = 0

  async resolve(): Promise<NameAnswer> {
    this.asked += 1
    if (this.answer === 'never') return new Promise(() => {})
    if (this.answer === 'fails') throw new Error('no')
    const records = this.answer.map((address) => {
      const [, host = '', port] = /^tcp:\/\/(.*):(\d+)$/.exec(address) ?? []
      return { host, port: Number(port), priority: 0, weight: 1 }
    })
    return { records, ttlMs: null }
  }
}

const NAME = 'dns+tcp://_echo._tcp.example'

describe('a client of a name', () => {
  it('calls every host behind it, and tells of them', async ({ stage }) => {
    const names = new Names()
    const servers = await Promise.all([1, 2, 3].map(() => stage.listening()))
    servers.forEach(({ server }, index) => server.handle('who', () => index))
    names.answer = servers.map(({ address }) => address)
    const client = stage.client(NAME, { network: names })
    await client.connect()
    await until(() => client.info().pool.ready === 3)
    const answers = await Promise.all(Array.from({ length: 60 }, () => client.call('who', null)))
    expect(new Set(answers)).toEqual(new Set([0, 1, 2]))
    const { endpoints } = client.info()
    expect(endpoints.map(({ address }) => address).sort()).toEqual([...names.answer].sort())
    expect(endpoints.reduce((sum, { answered }) => sum + answered, 0)).toBe(60)
    expect(client.metrics().lookUpsStarted).toBe(1)
  })

  it('leaves hosts that vanish, whose calls may end, and takes to new ones', async ({ stage }) => {
    const clock = new VirtualClock()
    const names = new Names()
    const old = await stage.holding()
    const fresh = await stage.listening()
    fresh.server.handle('echo', () => 'fresh')
    names.answer = [old.address]
    const client = stage.client(NAME, { network: names, clock, pool: { resolveMs: 1_000 } })
    const held = client.call('hold', null)
    await until(() => old.held.length === 1)
    names.answer = [fresh.address]
    clock.advance(1_102)
    await until(() => client.info().endpoints.some(({ address }) => address === fresh.address))
    await until(() => client.info().pool.ready === 1)
    expect(client.info().endpoints).toHaveLength(1)
    expect(await client.call('echo', 1)).toBe('fresh')
    old.held[0]?.('ended')
    expect(await held).toBe('ended')
    await until(() => old.server.info().connections.length === 0)
  })

  it('asks again when its only host is lost, and goes to the next one', async ({ stage }) => {
    const names = new Names()
    const [first, second] = [await stage.listening(), await stage.listening()]
    second.server.handle('echo', () => 'second')
    names.answer = [first.address]
    const client = stage.client(NAME, { network: names, pool: { resolveGapMs: 10 } })
    await client.connect()
    names.answer = [second.address]
    await first.server.close({ graceMs: 0 })
    await until(() => client.info().endpoints.some(({ address }) => address === second.address))
    expect(await client.call('echo', 1)).toBe('second')
  })

  it.for([0, 1])(
    'whose name server never answers has its calls fail within connectTimeoutMs (min %i)',
    async (min, { stage }) => {
      const clock = new VirtualClock()
      const names = new Names()
      names.answer = 'never'
      const client = stage.client(NAME, { network: names, clock, pool: { min } })
      const call = expect(client.call('echo', 1)).rejects.toMatchObject({
        reason: 'connect-timeout',
        code: 'UNAVAILABLE',
        processed: 'no',
      })
      const bulk = expect(client.call('echo', 1, { priority: 'bulk' })).rejects.toMatchObject({
        reason: 'connect-timeout',
      })
      clock.advance(4_990)
      await turn()
      expect(client.info().waitingCalls).toBe(2)
      clock.advance(12)
      await call
      await bulk
      expect(names.asked).toBe(1)
    },
  )

  it('whose first host is silent after a slow name server waits no longer for both than for one', async ({ stage }) => {
    const clock = new VirtualClock()
    const silent = await stage.rawServer()
    const { port } = new URL(silent.address)
    let answer: (answer: NameAnswer) => void = () => {}
    const network = {
      dial,
      listen,
      resolve: () =>
        new Promise<NameAnswer>((resolve) => {
          answer = resolve
        }),
    }
    const client = stage.client(NAME, { network, clock })
    const call = expect(client.call('echo', 1)).rejects.toMatchObject({ reason: 'connect-timeout' })
    clock.advance(3_000)
    answer({ records: [{ host: '127.0.0.1', port: Number(port), priority: 0, weight: 1 }], ttlMs: null })
    await silent.accept()
    clock.advance(1_990)
    await turn()
    expect(client.info().waitingCalls).toBe(1)
    clock.advance(20)
    await call
  })

  it('whose name server fails has its calls fail, and serves them when it is back', async ({ stage }) => {
    const clock = new VirtualClock()
    const names = new Names()
    names.answer = 'fails'
    const client = stage.client(NAME, { network: names, clock })
    await expect(client.call('echo', 1)).rejects.toMatchObject({ reason: 'resolve-failed', processed: 'no' })
    expect(client.metrics().failures['resolve-failed']).toBeGreaterThan(0)
    const { server, address } = await stage.listening()
    server.handle('echo', (value) => value)
    names.answer = [address]
    clock.advance(1_000)
    expect(await client.call('echo', 2)).toBe(2)
    expect(client.info().endpoints.map((one) => one.address)).toEqual([address])
  })

  it('is refused where the address of a server is wanted', async ({ stage }) => {
    await expect(stage.server().listen('dns+tcp://localhost:1')).rejects.toMatchObject({ reason: 'address-malformed' })
  })
})

const Work = defineService('work', { run: unary<null, number>(), watch: serverStream<null, number>() })

describe('one of five replicas that fails all it is asked', () => {
  it.for(['calls', 'streams'] as const)('gets hardly any %s', async (shape, { stage }) => {
    const servers = await Promise.all([1, 2, 3, 4, 5].map(() => stage.listening()))
    let bad = 0
    const work = (index: number): number => {
      if (index > 0) return index
      bad += 1
      throw new Error('out of order')
    }
    servers.forEach(({ server }, index) => {
      server.implement(Work, {
        run: () => work(index),
        async *watch() {
          yield work(index)
        },
      })
    })
    const client = stage.client(servers.map(({ address }) => address))
    const { run, watch } = client.use(Work)
    await until(() => client.info().pool.ready === 5)
    let failed = 0
    for (let made = 0; made < 1_000; made += 1) {
      const asked = shape === 'calls' ? run(null) : watch(null).next()
      await asked.catch(() => void (failed += 1))
    }
    expect(failed).toBe(bad)
    expect(bad).toBeGreaterThanOrEqual(5)
    expect(bad).toBeLessThanOrEqual(10)
    expect(client.metrics().endpointsEjected).toBeGreaterThan(0)
    const [out] = client.info().endpoints.filter(({ state }) => state !== 'in-use')
    expect(out).toMatchObject({ address: servers[0]?.address, connections: 1, faults: bad })
  })
})

describe('one of two replicas that reads no more', () => {
  it('gives the calls that waited for it to the other, all of them, and without a token', async ({ stage }) => {
    const clock = new VirtualClock()
    const { server, address } = await stage.listening()
    server.handle('size', (body) => (body as Uint8Array).length)
    const raw = await stage.rawServer()
    const options = { clock, compression: { algorithm: 'none' }, retry: { budgetTokens: 1 } } as const
    const client = stage.client([address, raw.address], { ...options, pool: { max: 1 }, timeoutMs: 600_000 })
    const stuck = await raw.greeted()
    await until(() => client.info().pool.ready === 2)
    stuck.socket.pause()
    const body = Buffer.alloc(512 * 1024)
    const calls = Array.from({ length: 60 }, () => client.call('size', body))
    const outcomes = Promise.allSettled(calls)
    await until(() => client.info().connections.some(({ openCalls }) => openCalls === 0))
    const waited = client.info().connections.reduce((sum, { openCalls }) => sum + openCalls, 0)
    expect(waited).toBeGreaterThan(20)
    clock.advance(10_010)
    await until(() => client.metrics().failures['write-stalled'] === 1)
    clock.advance(50)
    const failed = (await outcomes).filter((outcome) => outcome.status === 'rejected')
    // What the socket had taken may have run.
    for (const { reason } of failed)
      expect(reason).toMatchObject({ code: 'UNAVAILABLE', reason: 'write-stalled', processed: 'maybe' })
    const { callsRetried, callsSucceeded, retriesRefused } = client.metrics()
    expect({ callsRetried, callsSucceeded, retriesRefused }).toEqual({
      callsRetried: waited - failed.length,
      callsSucceeded: 60 - failed.length,
      retriesRefused: 0,
    })
    expect(callsRetried).toBeGreaterThan(1)
  })
})

describe('bulk', () => {
  it('has a connection of its own, by call and by message', async ({ stage }) => {
    const { server, address } = await stage.listening()
    const ports = new Map<string, Set<string>>()
    const note = (kind: string, from: string): void => {
      ports.set(kind, (ports.get(kind) ?? new Set()).add(from))
    }
    server.handle('call', (kind, call) => note(String(kind), call.peer.address))
    server.receive('send', (kind, call) => note(String(kind), call.peer.address))
    const client = stage.client(address)
    for (let round = 0; round < 10; round += 1) {
      await client.call('call', 'bulk', { priority: 'bulk' })
      await client.send('send', 'bulk', { priority: 'bulk' })
      await client.sendBatch('send', ['bulk', 'bulk'], { priority: 'bulk' })
      await client.call('call', 'other')
      await client.send('send', 'other', { priority: 'low' })
    }
    await until(() => server.metrics().handlersFinished === 60)
    const [bulk, other] = [[...(ports.get('bulk') ?? [])], [...(ports.get('other') ?? [])]]
    expect([bulk.length, other.length]).toEqual([1, 1])
    expect(bulk).not.toEqual(other)
    expect(client.info().pool.size).toBe(2)
  })
})
