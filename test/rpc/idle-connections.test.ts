import { describe, expect } from 'vitest'
import { type Client, type ClientOptions, defineService, oneWay, type Priority, serverStream } from '../../src/index.js'
import { it, type Stage, until } from '../fixtures/stage.js'
import { VirtualClock } from '../support/virtual-clock.js'
import { Shapes, TwoEnds } from './two-ends.js'

const Work = defineService('work', { note: oneWay<number>(), list: serverStream<number, number>() })
const IDLE_MS = 1_000

async function pair(stage: Stage, options: ClientOptions) {
  const { server, address } = await stage.listening()
  let received = 0
  server.implement(Work, {
    note: () => {
      received += 1
    },
    async *list(count) {
      for (let index = 0; index < count; index += 1) yield index
    },
  })
  const clock = new VirtualClock()
  const client = stage.client(address, { clock, ...options })
  await client.connect()
  return { clock, client, work: client.use(Work), received: () => received }
}

/** Time passes in which a connection without use is retired, and what is retired is gone. */
async function pass(clock: VirtualClock, client: Client): Promise<void> {
  for (let passed = 0; passed < 2 * IDLE_MS; passed += 50) await clock.advanceAsync(50)
  await until(() => client.info().connections.every(({ state }) => state === 'ready'))
}

describe('a connection in use', () => {
  const kinds = [
    ['normal', { min: 0, idleTimeoutMs: IDLE_MS }],
    ['bulk', { min: 1, max: 2, idleTimeoutMs: IDLE_MS }],
  ] as const satisfies readonly [Priority, ClientOptions['pool']][]

  it.for(kinds)(
    'for one-way messages of priority %s is not idle, and is when they stop',
    async ([priority, pool], { stage }) => {
      const { clock, client, work, received } = await pair(stage, { pool })
      for (let sent = 1; sent <= 20; sent += 1) {
        await work.note(sent, { priority })
        await until(() => received() === sent)
        await clock.advanceAsync(IDLE_MS / 5)
      }
      expect(client.metrics().dialsStarted).toBe(pool.min + 1)
      await pass(clock, client)
      expect(client.info().connections).toHaveLength(pool.min)
    },
  )

  it.for(kinds)(
    'for short streams of priority %s is not idle, and is when they stop',
    async ([priority, pool], { stage }) => {
      const { clock, client, work } = await pair(stage, { pool })
      for (let opened = 1; opened <= 20; opened += 1) {
        const read: number[] = []
        for await (const one of work.list(3, { priority })) read.push(one)
        expect(read).toEqual([0, 1, 2])
        await clock.advanceAsync(IDLE_MS / 5)
      }
      expect(client.metrics().dialsStarted).toBe(pool.min + 1)
      await pass(clock, client)
      expect(client.info().connections).toHaveLength(pool.min)
    },
  )

  it('by nothing but heartbeats is idle', async ({ stage }) => {
    const { clock, client } = await pair(stage, {
      pool: { min: 0, idleTimeoutMs: IDLE_MS },
      heartbeat: { intervalMs: 100, timeoutMs: 60_000 },
    })
    await pass(clock, client)
    expect(client.info().connections).toEqual([])
  })
})

describe('what changes the activity of a connection', () => {
  const serve = {
    unary: (value: unknown) => value,
    oneWay: () => {},
    clientStream: () => null,
    duplex: () => {},
    serverStream: async function* () {
      yield 1
    },
  }

  it('is whatever begins, and not that it is answered, acknowledged or kept alive', async () => {
    const ends = await TwoEnds.make('memory', { near: serve, far: serve }, { heartbeat: { intervalMs: 100 } })
    const { near, far, clock } = ends
    const changes: string[] = []
    let before = near.session.activity
    const look = async (what: string): Promise<void> => {
      await ends.settle()
      const now = near.session.activity
      changes.push(`${what}: ${now === before ? 'no' : 'yes'}`)
      before = now
    }
    // The first call of a method introduces it.
    await near.call(1)
    near.send(1)
    await ends.settle()
    before = near.session.activity
    await near.call(2)
    await look('a call')
    near.send(2)
    await look('a one-way message')
    const stream = near.streams.serverStream(Shapes.serverStream, 1, {})
    await look('a stream')
    while ((await stream.next()).done !== true);
    await look('the end of a stream')
    far.send(1)
    await ends.settle()
    before = near.session.activity
    for (let passed = 0; passed < 5_000; passed += 10) {
      clock.advance(10)
      await ends.settle()
    }
    await look('a heartbeat')
    expect(changes).toEqual([
      'a call: yes',
      'a one-way message: yes',
      'a stream: yes',
      'the end of a stream: no',
      'a heartbeat: no',
    ])
    expect(near.environment.counters.framesSent).toBeGreaterThan(10)
    await ends.end()
  })
})
