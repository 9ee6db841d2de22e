import { describe, expect } from 'vitest'
import {
  clientStream,
  defineService,
  duplex,
  type Server,
  type ServiceHandlers,
  serverStream,
  TransportError,
  unary,
} from '../../src/index.js'
import { deferred } from '../fixtures/deferred.js'
import { it, type Stage, until } from '../fixtures/stage.js'

const Work = defineService('work', {
  feed: serverStream<number, unknown>(),
  gather: clientStream<unknown, unknown>(),
  talk: duplex<unknown, unknown>(),
  ask: unary<number, number>(),
})

type Handlers = ServiceHandlers<typeof Work>

const handlers: Handlers = {
  async *feed(count) {
    for (let number = 0; number < count; number += 1) yield number
  },
  async gather(numbers) {
    let count = 0
    for await (const _ of numbers) count += 1
    return count
  },
  async *talk(numbers) {
    for await (const number of numbers) yield number
  },
  ask: (number) => number,
}

async function working(stage: Stage, own: Partial<Handlers> = {}) {
  const { server, address } = await stage.listening()
  server.implement(Work, { ...handlers, ...own })
  const client = stage.client(address)
  return { server, client, work: client.use(Work) }
}

async function drain(stream: AsyncIterable<unknown>): Promise<{ readonly seen: unknown[]; readonly error: unknown }> {
  const seen: unknown[] = []
  try {
    for await (const one of stream) seen.push(one)
  } catch (error) {
    return { seen, error }
  }
  return { seen, error: null }
}

const openStreams = (server: Server): number =>
  server.info().connections.reduce((sum, { openStreams: open }) => sum + open, 0)

/** Two messages, then none for long. Who has enough of it makes it throw. */
class Grudging implements AsyncIterableIterator<number> {
  readonly #end = deferred<IteratorResult<number>>()
  #at = 0;

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<number>> {
    this.#at += 1
    return this.#at > 2 ? this.#end.promise : Promise.resolve({ done: false, value: this.#at })
  }

  return(): never {
    this.#end.resolve({ done: true, value: undefined })
    throw new Error('has not enough')
  }
}

describe('trailers that cannot be sent', () => {
  const unusable: readonly (readonly [string, unknown, string])[] = [
    ['a number', { balance: 12 }, 'metadata-malformed'],
    ['too much', { text: 'x'.repeat(10_000) }, 'metadata-bytes'],
  ]
  it.for(unusable)(
    'fail a stream whose handler has run, and say so: %s',
    async ([_name, trailers, reason], { stage }) => {
      const { work } = await working(stage, {
        async *feed(count, call) {
          yield* handlers.feed(count, call) as AsyncIterable<unknown>
          call.trailers = trailers as Record<string, string>
        },
      })
      const { seen, error } = await drain(work.feed(2))
      expect([seen, error]).toMatchObject([[0, 1], { reason, processed: 'yes' }])
    },
  )
})

describe('a source that throws when nobody wants more of it', () => {
  it('harms nobody on the server', async ({ stage }) => {
    const { work, server } = await working(stage, { feed: () => new Grudging() })
    for await (const number of work.feed(0)) if (number === 2) break
    expect(await work.ask(7)).toBe(7)
    await until(() => openStreams(server) === 0)
  })

  it('harms nobody on the client', async ({ stage }) => {
    const { work, server, client } = await working(stage, {
      gather: async () => 'enough',
      async *talk() {
        yield 'enough'
      },
    })
    expect(await work.gather(new Grudging())).toBe('enough')
    expect(await drain(work.talk(new Grudging()))).toEqual({ seen: ['enough'], error: null })
    await until(() => openStreams(server) === 0)
    expect(client.info().connections[0]?.openStreams).toBe(0)
  })

  it('does not hide that a message of it cannot be sent, nor keeps that back', async ({ stage }) => {
    const { work } = await working(stage)
    const never = deferred<undefined>()
    async function* stuck() {
      try {
        yield 1
        yield () => {}
      } finally {
        await never.promise
      }
    }
    await expect(work.gather(stuck())).rejects.toMatchObject({ reason: 'encode-failed', processed: 'maybe' })
    never.resolve(undefined)
  })
})

describe('a message that is too large', () => {
  it.for(['feed', 'talk', 'gather'] as const)('is said to be that by the handler of %s', async (shape, { stage }) => {
    const large = Buffer.alloc(5 * 1024 * 1024)
    const { work } = await working(stage, {
      feed: async function* () {
        yield large
      },
      talk: async function* () {
        yield large
      },
      gather: async () => large,
    })
    const outcome =
      shape === 'gather'
        ? work.gather([])
        : drain(shape === 'feed' ? work.feed(1) : work.talk([])).then(({ error }) => Promise.reject(error))
    await expect(outcome).rejects.toMatchObject({ reason: 'message-too-large', processed: 'yes' })
  })
})

describe('a stream that is given up', () => {
  it.for([
    ['with a reason of the user', 'the tab was closed'],
    ['with words', 'seen enough'],
  ] as const)('tells its handler why: %s', async ([how, why], { stage }) => {
    const { work, server } = await working(stage, {
      async *feed(_, call) {
        yield 1
        await new Promise((resolve) => call.signal.addEventListener('abort', resolve))
        told.push(call.signal.reason as TransportError)
      },
    })
    const told: TransportError[] = []
    const own = new AbortController()
    const stream = work.feed(1, { signal: own.signal })
    await stream.next()
    if (how === 'with words') stream.cancel(why)
    else own.abort(new TransportError(why, { code: 'ABORTED', origin: 'user' }))
    await until(() => told.length === 1 && openStreams(server) === 0)
    expect(told[0]).toMatchObject({ code: 'CANCELLED', message: expect.stringContaining(why) })
  })
})

describe('a stream', () => {
  it('waits for a connection until its own deadline, and not that of calls', async ({ stage }) => {
    const silent = await stage.rawServer()
    const client = stage.client(silent.address, { timeoutMs: 50, socket: { connectTimeoutMs: 5_000 } })
    const work = client.use(Work)
    const [own, none] = [drain(work.feed(1, { timeoutMs: 400 })), drain(work.feed(1))]
    expect((await none).error).toMatchObject({ reason: 'deadline', details: { timeoutMs: 50 } })
    expect((await own).error).toMatchObject({ reason: 'deadline', details: { timeoutMs: 400 } })
  })

  it('that takes one request cannot be written to, and others go on', async ({ stage }) => {
    const { work } = await working(stage)
    const stream = work.feed(1) as unknown as { write(message: unknown): Promise<void> }
    await expect(stream.write(5)).rejects.toMatchObject({ reason: 'misuse' })
    expect(await work.ask(3)).toBe(3)
  })

  it('counts the frames of both sides', async ({ stage }) => {
    const { work, server, client } = await working(stage)
    expect((await drain(work.feed(3))).seen).toEqual([0, 1, 2])
    await until(() => server.metrics().framesReceived === client.metrics().framesSent)
    await until(() => client.metrics().framesReceived === server.metrics().framesSent)
    expect(client.metrics().framesReceived).toBeGreaterThan(3)
  })
})
