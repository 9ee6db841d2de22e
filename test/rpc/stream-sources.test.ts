import { EventEmitter, on, once } from 'node:events'
import { Readable } from 'node:stream'
import { describe, expect } from 'vitest'
import {
  clientStream,
  defineService,
  duplex,
  type Server,
  type ServiceHandlers,
  serverStream,
} from '../../src/index.js'
import { it, type Stage, turn, until } from '../fixtures/stage.js'
import { VirtualClock } from '../support/virtual-clock.js'

const Work = defineService('work', {
  feed: serverStream<number, unknown>(),
  gather: clientStream<unknown, unknown>(),
  talk: duplex<unknown, unknown>(),
})

type Handlers = ServiceHandlers<typeof Work>

const handlers: Handlers = {
  feed: () => [],
  async gather(messages) {
    let count = 0
    for await (const _ of messages) count += 1
    return count
  },
  async *talk(messages) {
    yield* messages
  },
}

async function working(stage: Stage, own: Partial<Handlers> = {}, options = {}) {
  const { server, address } = await stage.listening(options)
  server.implement(Work, { ...handlers, ...own })
  const client = stage.client(address, options)
  await client.connect()
  return { server, client, work: client.use(Work) }
}

const running = (server: Server): number =>
  server.info().connections.reduce((sum, { runningHandlers }) => sum + runningHandlers, 0)

/** One message, and then none until it is told that nobody wants more. */
class Waiting implements AsyncIterableIterator<number> {
  asked = 0
  told = 0
  #end: (result: IteratorResult<number>) => void = () => {};

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<number>> {
    this.asked += 1
    if (this.asked === 1) return Promise.resolve({ done: false, value: 1 })
    return new Promise((resolve) => {
      this.#end = resolve
    })
  }

  return(): Promise<IteratorResult<number>> {
    this.told += 1
    this.#end({ done: true, value: undefined })
    return Promise.resolve({ done: true, value: undefined })
  }
}

describe('the source of a stream', () => {
  it('is told, and nothing more is sent, when its user ends our half by hand', async ({ stage }) => {
    const { work, server } = await working(stage)
    const source = new Waiting()
    const talk = work.talk(source)
    expect(await talk.next()).toEqual({ done: false, value: 1 })
    talk.end()
    expect(await talk.next()).toEqual({ done: true, value: undefined })
    expect(source.told).toBe(1)
    expect(running(server)).toBe(0)
  })

  it('does not break the protocol when our half is ended while it has more', async ({ stage }) => {
    const gate = new EventEmitter()
    const { work, client } = await working(stage, {
      async *talk(messages) {
        yield* messages
        await once(gate, 'open')
        yield 'last'
      },
    })
    let more = true
    const talk = work.talk(
      (async function* () {
        for (let n = 0; more; n += 1) {
          yield n
          await turn()
        }
      })(),
    )
    expect((await talk.next()).value).toBe(0)
    talk.end()
    for (let turns = 0; turns < 20; turns += 1) await turn()
    more = false
    gate.emit('open')
    const seen: unknown[] = []
    for await (const one of talk) seen.push(one)
    expect(seen.at(-1)).toBe('last')
    expect(client.info().connections).toMatchObject([{ state: 'ready' }])
  })

  it('is told when the stream is given up in the turn in which it was opened', async ({ stage }) => {
    const { work } = await working(stage)
    const source = new Waiting()
    work.talk(source).cancel()
    await until(() => source.told === 1)
    expect(source.asked).toBe(0)
  })

  it('of a handler is told when the stream was over before the handler returned it', async ({ stage }) => {
    const blocks = new EventEmitter()
    let began = 0
    const { work, server } = await working(stage, {
      async feed(_, call) {
        began += 1
        await once(call.signal, 'abort')
        return on(blocks, 'block') as AsyncIterable<unknown>
      },
    })
    for (let n = 0; n < 3; n += 1) {
      const feed = work.feed(n)
      const next = feed.next()
      await until(() => began === n + 1)
      feed.cancel()
      await expect(next).rejects.toMatchObject({ code: 'CANCELLED' })
    }
    await until(() => running(server) === 0)
    expect(blocks.listenerCount('block')).toBe(0)
  })

  it('that is a stream of Node is closed when it is never asked for anything', async ({ stage }) => {
    const { work } = await working(stage)
    const source = new Readable({ objectMode: true, read() {} })
    await expect(work.gather(source, { signal: AbortSignal.abort() })).rejects.toMatchObject({ processed: 'no' })
    await until(() => source.destroyed)
  })
})

describe('a stream that waits for a handler which never settles', () => {
  it('gives its place back as soon as its opener waits no more', async ({ stage }) => {
    const { server, address } = await stage.listening({ limits: { maxStreams: 3 } })
    server.implement(
      Work,
      { ...handlers, feed: () => new Promise(() => {}) },
      { feed: { concurrency: 1, maxQueued: 10 } },
    )
    const client = stage.client(address, { pool: { max: 1 } })
    const work = client.use(Work)
    const over = new AbortController()
    const first = work.feed(0)
    const stuck = first.next().catch(() => {})
    const waiting = [1, 2].map((n) => work.feed(n, { signal: over.signal }).next())
    await until(() => running(server) === 3)
    over.abort()
    for (const one of waiting) await expect(one).rejects.toMatchObject({ code: 'CANCELLED' })
    await until(() => running(server) === 1)
    await until(() => client.info().connections[0]?.openStreams === 1)
    expect(await work.gather([1, 2])).toBe(2)
    first.cancel()
    await stuck
    await server.close({ graceMs: 0 })
  })
})

describe('what the handler of a stream throws', () => {
  it('is a failure of the handler, also where it is null', async ({ stage }) => {
    const { work, server } = await working(stage, {
      async gather() {
        // biome-ignore lint/style/useThrowOnlyError: that is what is tried
        throw null
      },
    })
    await expect(work.gather([])).rejects.toMatchObject({ reason: 'handler-failed' })
    expect(server.metrics().failures['handler-failed']).toBe(1)
  })

  it('is counted where it is a message that cannot be encoded', async ({ stage }) => {
    const { work, server } = await working(stage, { feed: () => [() => {}], gather: async () => () => {} })
    await expect(work.feed(1).next()).rejects.toMatchObject({ reason: 'encode-failed' })
    await expect(work.gather([])).rejects.toMatchObject({ reason: 'encode-failed' })
    expect(server.metrics().failures['encode-failed']).toBe(2)
  })
})

describe('messages that nobody reads', () => {
  it('are kept as bytes, and not as the values that they would come to', async ({ stage }) => {
    const { work, server } = await working(stage, { gather: () => new Promise(() => {}) })
    const item = Array.from({ length: 20_000 }, () => ({}))
    globalThis.gc?.()
    const before = process.memoryUsage().heapUsed
    const over = new AbortController()
    const uploads = Array.from({ length: 100 }, () => work.gather([item, item], { signal: over.signal }))
    const settled = Promise.allSettled(uploads)
    await until(() => server.metrics().streamMessagesReceived === 200)
    globalThis.gc?.()
    // As values they would be 128 MiB.
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(32 * 1024 * 1024)
    over.abort()
    await settled
    await server.close({ graceMs: 0 })
  })
})

/** A clock that stands still but for work, which is said to take a millisecond a message. */
class BusyClock extends VirtualClock {
  #workedMs = 0

  override now(): number {
    return super.now() + this.#workedMs
  }

  work(): void {
    this.#workedMs += 1
  }
}

const MESSAGES = 200
/** 4 ms of work, and what is done until the clock is looked at. */
const MOST_IN_A_TURN = 8

describe('others have their turn within 4 ms', () => {
  /** Counts what happens in each turn of the event loop. */
  function turns() {
    const perTurn: number[] = []
    let at = 0
    return {
      count: () => {
        perTurn[at] = (perTurn[at] ?? 0) + 1
      },
      async until(condition: () => boolean) {
        await until(() => {
          at += 1
          return condition()
        })
      },
      most: () => perTurn.reduce((most, count) => Math.max(most, count ?? 0), 0),
    }
  }

  it('from a source whose messages take long to make', async ({ stage }) => {
    const clock = new BusyClock()
    const watch = turns()
    const { work } = await working(
      stage,
      {
        *feed() {
          for (let n = 0; n < MESSAGES; n += 1) {
            clock.work()
            watch.count()
            yield n
          }
        },
      },
      { clock },
    )
    let seen = 0
    const read = (async () => {
      for await (const _ of work.feed(0)) seen += 1
    })()
    await watch.until(() => seen === MESSAGES)
    await read
    expect(watch.most()).toBeLessThanOrEqual(MOST_IN_A_TURN)
  })

  it('from a handler that writes what takes long to make', async ({ stage }) => {
    const clock = new BusyClock()
    const watch = turns()
    const { work } = await working(
      stage,
      {
        async feed(_, call) {
          for (let n = 0; n < MESSAGES; n += 1) {
            clock.work()
            watch.count()
            await call.write(n)
          }
        },
      },
      { clock },
    )
    let seen = 0
    const read = (async () => {
      for await (const _ of work.feed(0)) seen += 1
    })()
    await watch.until(() => seen === MESSAGES)
    await read
    expect(watch.most()).toBeLessThanOrEqual(MOST_IN_A_TURN)
  })

  it('from a reader that works long on each message', async ({ stage }) => {
    const clock = new BusyClock()
    const watch = turns()
    const { work } = await working(
      stage,
      {
        async gather(messages) {
          let count = 0
          for await (const _ of messages) {
            clock.work()
            watch.count()
            count += 1
          }
          return count
        },
      },
      { clock },
    )
    let answer: unknown
    const sent = work.gather(Array.from({ length: MESSAGES }, (_, n) => n)).then((count) => {
      answer = count
    })
    await watch.until(() => answer !== undefined)
    await sent
    expect(answer).toBe(MESSAGES)
    expect(watch.most()).toBeLessThanOrEqual(MOST_IN_A_TURN)
  })
})
