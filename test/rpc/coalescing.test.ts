import { describe, expect } from 'vitest'
import { defineService, oneWay } from '../../src/index.js'
import { it, turn, until } from '../fixtures/stage.js'
import { VirtualClock } from '../support/virtual-clock.js'

interface Hashes {
  readonly topic: string
  readonly hashes: readonly number[]
}

const merge = (older: Hashes, newer: Hashes): Hashes => ({
  topic: older.topic,
  hashes: [...new Set([...older.hashes, ...newer.hashes])],
})

const Gossip = defineService('gossip', {
  announce: oneWay<Hashes>().coalesce({ key: ({ topic }) => topic, merge, maxDelayMs: 10, maxItems: 5_000 }),
})

describe('messages of a method that coalesces', () => {
  it('within its delay arrive as one for each key, without duplicates', async ({ stage }) => {
    const seen: Hashes[] = []
    const { server, address } = await stage.listening()
    server.implement(Gossip, { announce: (one) => void seen.push(one) })
    const clock = new VirtualClock()
    const client = stage.client(address, { clock })
    await client.connect()
    const { announce } = client.use(Gossip)
    for (let index = 0; index < 1_000; index += 1) await announce({ topic: 'tx', hashes: [index % 700] })
    await announce({ topic: 'block', hashes: [1] })
    expect(client.metrics()).toMatchObject({ oneWayCoalesced: 1_001, oneWaySent: 0 })
    clock.advance(10)
    await until(() => seen.length === 2)
    expect(seen).toEqual([
      { topic: 'tx', hashes: Array.from({ length: 700 }, (_, index) => index) },
      { topic: 'block', hashes: [1] },
    ])
    expect(client.metrics().oneWaySent).toBe(2)
  })

  it('leave at once when there are enough of them, and when the client closes', async ({ stage }) => {
    const seen: number[][] = []
    const Few = defineService('few', {
      note: oneWay<number[]>().coalesce({ merge: (a, b) => [...a, ...b], maxDelayMs: 60_000, maxItems: 3 }),
    })
    const { server, address } = await stage.listening()
    server.implement(Few, { note: (numbers) => void seen.push(numbers) })
    const client = stage.client(address)
    const { note } = client.use(Few)
    await client.connect()
    await client.sendBatch('few.note', [[1], [2], [3], [4]])
    await until(() => seen.length === 1)
    await note([5])
    await client.close()
    await until(() => seen.length === 2)
    expect(seen).toEqual([
      [1, 2, 3],
      [4, 5],
    ])
    await expect(note([6])).rejects.toMatchObject({ reason: 'closed' })
  })

  it('leave by themselves where they have metadata of their own', async ({ stage }) => {
    const seen: unknown[] = []
    const { server, address } = await stage.listening()
    server.implement(Gossip, { announce: ({ hashes }, { metadata }) => void seen.push([hashes, metadata]) })
    const { announce } = stage.client(address).use(Gossip)
    await announce({ topic: 'tx', hashes: [1] }, { metadata: { from: 'me' } })
    await until(() => seen.length === 1)
    expect(seen).toEqual([[[1], { from: 'me' }]])
  })

  it('that cannot be merged are refused to their sender alone', async ({ stage }) => {
    const Broken = defineService('broken', {
      note: oneWay<number>().coalesce({
        merge: () => {
          throw new Error('cannot merge')
        },
        maxDelayMs: 1,
        maxItems: 10,
      }),
    })
    const seen: number[] = []
    const { server, address } = await stage.listening()
    server.implement(Broken, { note: (number) => void seen.push(number) })
    const { note } = stage.client(address).use(Broken)
    await note(1)
    await expect(note(2)).rejects.toThrow('cannot merge')
    await until(() => seen.length === 1)
    expect(seen).toEqual([1])
  })

  it.for([
    ['merge', { maxDelayMs: 1, maxItems: 1 }, 'option-type'],
    ['maxDelayMs', { merge, maxDelayMs: -1, maxItems: 1 }, 'option-range'],
    ['maxItems', { merge, maxDelayMs: 1, maxItems: 0 }, 'option-range'],
    ['delay of a number', { merge, maxDelayMs: '1', maxItems: 1 }, 'option-type'],
    ['name', { merge, kye: () => 1, maxDelayMs: 1, maxItems: 1 }, 'option-unknown'],
    ['set of options', undefined, 'option-type'],
  ] as const)('need a %s that makes sense', ([, options, reason]) => {
    const make = (): unknown => oneWay<Hashes>().coalesce(options as never)
    expect(make).toThrow(expect.objectContaining({ reason }))
  })

  it('stay where there is no room for what they became, and are counted as dropped where they never leave', async ({
    stage,
  }) => {
    const { server, address } = await stage.listening()
    server.implement(Gossip, { announce: () => new Promise(() => {}) }, { announce: { concurrency: 1 } })
    const clock = new VirtualClock()
    const mailbox = { maxMessages: 10, overflow: 'reject' } as const
    const client = stage.client(address, { clock, mailbox, compression: { algorithm: 'none' } })
    await client.connect()
    const { announce } = client.use(Gossip)
    const hashes = Array.from({ length: 5_000 }, (_, index) => index)
    for (let key = 0; key < 100; key += 1) await announce({ topic: `${key}`, hashes })
    clock.advance(10)
    await until(() => client.metrics().oneWaySent > 0)
    for (let turns = 0; turns < 20; turns += 1) await turn()
    expect(client.metrics()).toMatchObject({ oneWayCoalesced: 100, oneWayDropped: 0, oneWayRefused: 0 })
    await Promise.all([client.close({ graceMs: 0 }), server.close({ graceMs: 0 })])
    const { oneWaySent, oneWayDropped, oneWayRefused } = client.metrics()
    expect([oneWaySent + oneWayDropped, oneWayRefused]).toEqual([100, 0])
    expect(oneWayDropped).toBeGreaterThan(0)
  })

  it('are dropped, and not refused as well, where what they became cannot be encoded', async ({ stage }) => {
    const { server, address } = await stage.listening()
    const seen: string[] = []
    server.implement(Gossip, { announce: ({ topic }) => void seen.push(topic) })
    const clock = new VirtualClock()
    const client = stage.client(address, { clock })
    await client.connect()
    const { announce } = client.use(Gossip)
    await announce({ topic: 'bad', hashes: [Symbol('no number') as unknown as number] })
    await announce({ topic: 'good', hashes: [] })
    clock.advance(10)
    await until(() => seen.length === 1)
    expect(seen).toEqual(['good'])
    expect(client.metrics()).toMatchObject({ oneWaySent: 1, oneWayDropped: 1, oneWayRefused: 0 })
  })

  it('are counted as refused where more waits for the sockets than may', async ({ stage }) => {
    const { client } = await stage.clientAndPeer({
      limits: { maxQueuedBytes: 1_024 },
      compression: { algorithm: 'none' },
    })
    const large = Buffer.alloc(900_000)
    const sends = Array.from({ length: 20 }, () => client.send('note', large))
    const outcomes = await Promise.allSettled(sends)
    const refused = outcomes.filter(({ status }) => status === 'rejected').length
    expect(refused).toBeGreaterThan(0)
    expect(client.metrics().oneWayRefused).toBe(refused)
  })
})
