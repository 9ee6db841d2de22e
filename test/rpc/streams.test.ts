import { describe, expect } from 'vitest'
import {
  type Client,
  type ClientOptions,
  clientStream,
  defineService,
  duplex,
  type Server,
  type ServiceHandlers,
  serverStream,
  TransportError,
  unary,
} from '../../src/index.js'
import { it, type Stage, turn, until } from '../fixtures/stage.js'
import { VirtualClock } from '../support/virtual-clock.js'

interface Range {
  readonly from: number
  readonly to: number
}

const Chain = defineService('chain', {
  blocks: serverStream<Range, number>(),
  ingest: clientStream<number, number>(),
  sync: duplex<number, number>(),
  bytes: serverStream<number, Uint8Array>(),
  echo: unary<number, number>(),
})

type Handlers = ServiceHandlers<typeof Chain>

const handlers: Handlers = {
  async *blocks({ from, to }, call) {
    for (let number = from; number <= to; number += 1) yield number
    call.trailers = { last: String(to) }
  },
  async ingest(numbers) {
    let sum = 0
    for await (const number of numbers) sum += number
    return sum
  },
  async *sync(numbers) {
    for await (const number of numbers) yield number * 2
  },
  *bytes(count) {
    for (let index = 0; index < count; index += 1) yield Buffer.alloc(1_024, index)
  },
  echo: (number) => number,
}

/** `clock`: of both sides. */
async function serving(
  stage: Stage,
  own: Partial<Handlers> = {},
  clock: Pick<ClientOptions, 'clock'> = {},
): Promise<{ server: Server; client: Client }> {
  const { server, address } = await stage.listening(clock)
  server.implement(Chain, { ...handlers, ...own })
  return { server, client: stage.client(address, clock) }
}

async function all<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const seen: T[] = []
  for await (const one of stream) seen.push(one)
  return seen
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index)
}

describe('a server stream', () => {
  it('gives every message once, in order, and what the server says at the end', async ({ stage }) => {
    const { client } = await serving(stage)
    const stream = client.use(Chain).blocks({ from: 1, to: 5_000 })
    expect(await all(stream)).toEqual(numbers(5_000).map((number) => number + 1))
    expect(stream.trailers).toEqual({ last: '5000' })
    expect(await stream.next()).toEqual({ done: true, value: undefined })
    expect(client.info().connections[0]?.openCalls).toBe(0)
  })

  it('may be written by its handler, who goes at the pace of the reader', async ({ stage }) => {
    let written = 0
    const { client } = await serving(stage, {
      async bytes(count, call) {
        for (; written < count; written += 1) await call.write(Buffer.alloc(1_024))
      },
    })
    const stream = client.use(Chain).bytes(10_000)
    expect((await stream.next()).done).toBe(false)
    for (let turns = 0; turns < 50; turns += 1) await turn()
    // Credit, one message over it, and what the queue of the stream holds.
    expect(written).toBeLessThan(200)
    expect((await all(stream)).length).toBe(9_999)
  })

  it('is cancelled by leaving the loop: its handler is told, and its place is free', async ({ stage }) => {
    let reason: unknown
    const { server, client } = await serving(stage, {
      async *blocks(_, { signal }) {
        try {
          for (let number = 0; ; number += 1) yield number
        } finally {
          reason = signal.reason
        }
      },
    })
    for await (const number of client.use(Chain).blocks({ from: 0, to: 0 })) if (number === 1_000) break
    await until(() => server.metrics().handlersFinished === 1)
    expect(reason).toMatchObject({ code: 'CANCELLED', origin: 'user' })
    expect(server.info().connections[0]?.runningHandlers).toBe(0)
    expect(await client.use(Chain).echo(1)).toBe(1)
  })

  it('ends with the error of its handler, behind what was sent before it', async ({ stage }) => {
    const { client } = await serving(stage, {
      async *blocks() {
        yield 1
        yield 2
        throw new TransportError('no more', { code: 'ABORTED', origin: 'user' })
      },
    })
    const seen: number[] = []
    const reading = (async () => {
      for await (const number of client.use(Chain).blocks({ from: 0, to: 0 })) seen.push(number)
    })()
    await expect(reading).rejects.toMatchObject({ code: 'ABORTED', processed: 'yes' })
    expect(seen).toEqual([1, 2])
  })

  it('keeps to its deadline as a whole, on both sides', async ({ stage }) => {
    const clock = new VirtualClock()
    const own: Partial<Handlers> = {
      async *blocks(_, { signal }) {
        yield 1
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
      },
    }
    const { server, client } = await serving(stage, own, { clock })
    const stream = client.use(Chain).blocks({ from: 0, to: 0 }, { timeoutMs: 50 })
    expect((await stream.next()).value).toBe(1)
    const second = stream.next()
    clock.advance(60)
    await expect(second).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED', processed: 'maybe' })
    await until(() => server.metrics().handlersFinished === 1)
  })

  it('that a slow reader holds up does not hold up another', async ({ stage }) => {
    const { client } = await serving(stage)
    const chain = client.use(Chain)
    const slow = chain.bytes(5_000)
    await slow.next()
    expect(await all(chain.bytes(2_000))).toHaveLength(2_000)
    expect(await chain.echo(7)).toBe(7)
    expect(await all(slow)).toHaveLength(4_999)
  })

  it('is refused, unprocessed, where nobody serves it', async ({ stage }) => {
    const { address } = await stage.listening()
    const reading = all(stage.client(address).use(Chain).blocks({ from: 0, to: 1 }))
    await expect(reading).rejects.toMatchObject({ code: 'UNIMPLEMENTED', processed: 'no' })
  })

  it('waits for a connection, and fails where there is none to come', async ({ stage }) => {
    const client = stage.client('tcp://127.0.0.1:1')
    await expect(all(client.use(Chain).blocks({ from: 0, to: 1 }))).rejects.toMatchObject({ processed: 'no' })
  })
})

describe('a client stream', () => {
  it('takes an array, a generator or an async generator, and has one answer', async ({ stage }) => {
    const { client } = await serving(stage)
    const { ingest } = client.use(Chain)
    const sum = (4_999 * 5_000) / 2
    expect(await ingest(numbers(5_000))).toBe(sum)
    expect(await ingest(numbers(5_000).values())).toBe(sum)
    const slow = async function* (): AsyncGenerator<number> {
      for (const number of numbers(10)) {
        await turn()
        yield number
      }
    }
    expect(await ingest(slow())).toBe(45)
    expect(await ingest([])).toBe(0)
  })

  it('whose source throws is cancelled, and rejects with what was thrown', async ({ stage }) => {
    let heard: unknown
    const { server, client } = await serving(stage, {
      async ingest(messages) {
        try {
          for await (const _ of messages);
        } catch (error) {
          heard = error
        }
        return 0
      },
    })
    const source = function* (): Generator<number> {
      yield 1
      throw new Error('out of numbers')
    }
    await expect(client.use(Chain).ingest(source())).rejects.toThrow('out of numbers')
    await until(() => server.metrics().handlersFinished === 1)
    expect(heard).toMatchObject({ code: 'CANCELLED' })
  })

  it('that is answered early lets its source go', async ({ stage }) => {
    let released = false
    const { client } = await serving(stage, {
      ingest: async (messages) => (await messages.next()).value ?? -1,
    })
    const endless = function* (): Generator<number> {
      try {
        for (let number = 5; ; number += 1) yield number
      } finally {
        released = true
      }
    }
    expect(await client.use(Chain).ingest(endless())).toBe(5)
    await until(() => released)
  })
})

describe('a duplex stream', () => {
  it('goes both ways at once, each side at its own pace', async ({ stage }) => {
    const { client } = await serving(stage)
    expect(await all(client.use(Chain).sync(numbers(3_000)))).toEqual(numbers(3_000).map((number) => number * 2))
  })

  it('is written message by message, and half-closed', async ({ stage }) => {
    const { client } = await serving(stage)
    const stream = client.use(Chain).sync()
    for (const number of [1, 2, 3]) {
      await stream.write(number)
      expect(await stream.next()).toEqual({ done: false, value: number * 2 })
    }
    stream.end()
    expect(await stream.next()).toEqual({ done: true, value: undefined })
    await expect(stream.write(4)).rejects.toMatchObject({ reason: 'misuse' })
  })

  it('ends on both sides when the connection is lost', async ({ stage }) => {
    let heard: unknown
    const { server, client } = await serving(stage, {
      async *sync(messages) {
        try {
          for await (const message of messages) yield message
        } catch (error) {
          heard = error
        }
      },
    })
    const stream = client.use(Chain).sync()
    await stream.write(1)
    await stream.next()
    const next = stream.next()
    await Promise.all([server.close({ graceMs: 0 }), expect(next).rejects.toMatchObject({ code: 'UNAVAILABLE' })])
    await until(() => heard !== undefined)
    expect(heard).toMatchObject({ code: 'UNAVAILABLE' })
  })

  it('of a client that closes is waited for as long as the grace allows', async ({ stage }) => {
    const { client } = await serving(stage)
    const stream = client.use(Chain).sync()
    await stream.write(1)
    const closed = client.close()
    expect(await stream.next()).toEqual({ done: false, value: 2 })
    stream.end()
    expect((await stream.next()).done).toBe(true)
    await closed
  })
})

describe('a unary call', () => {
  it('makes no stream', async ({ stage }) => {
    const { server, client } = await serving(stage)
    for (const number of numbers(10)) expect(await client.use(Chain).echo(number)).toBe(number)
    expect([client.metrics().streamsOpened, server.metrics().streamsServed]).toEqual([0, 0])
  })
})

describe('what is written and not awaited', () => {
  it('is refused beyond the queue of its stream, and beyond limits.maxQueuedBytes of all streams', async ({
    stage,
  }) => {
    const Wide = defineService('wide', { sync: duplex<Uint8Array, number>() })
    const { server, address } = await stage.listening()
    server.implement(Wide, { sync: () => new Promise<undefined>(() => {}) })
    const limits = { maxQueuedBytes: 300_000 }
    const client = stage.client(address, { limits, mailbox: { maxBytes: 200_000 }, compression: { algorithm: 'none' } })
    const wide = client.use(Wide)
    const body = Buffer.alloc(10_000)
    const fill = async (): Promise<number> => {
      const stream = wide.sync()
      await stream.write(Buffer.alloc(1))
      for (let count = 0; ; count += 1) {
        const refused = await Promise.race([stream.write(body).catch((error: unknown) => error), turn()])
        if (refused === undefined) continue
        expect(refused).toMatchObject({ code: 'RESOURCE_EXHAUSTED', reason: 'queue-full' })
        return count
      }
    }
    // The window of 64 KiB and one message over it, then the queue.
    expect(await fill()).toBe(7 + 20)
    expect(await fill()).toBe(7 + 10)
    expect(client.info().connections[0]?.queuedBytes).toBeLessThan(320_000)
    await client.close({ graceMs: 0 })
    await server.close({ graceMs: 0 })
  })
})
