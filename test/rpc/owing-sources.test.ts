import { Readable } from 'node:stream'
import { afterEach, beforeEach, describe, expect } from 'vitest'
import { clientStream, defineService, duplex, serverStream } from '../../src/index.js'
import { type Deferred, deferred } from '../fixtures/deferred.js'
import { it, type Stage, turn, until } from '../fixtures/stage.js'
import { VirtualClock } from '../support/virtual-clock.js'

const Work = defineService('work', {
  feed: serverStream<string, unknown>(),
  gather: clientStream<unknown, unknown>(),
  talk: duplex<unknown, unknown>(),
})

const never = new Promise<never>(() => {})

/** Has one message, and no other one for as long as the test goes on. */
function readable(): Readable {
  const source = new Readable({ objectMode: true, read() {} })
  source.push(1)
  return source
}

/** The same, settled by the test; counts how often it is told that nobody wants more. */
class Owing implements AsyncIterableIterator<number> {
  readonly owed = deferred<IteratorResult<number>>()
  told = 0
  #asked = 0;

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<number>> {
    this.#asked += 1
    return this.#asked === 1 ? Promise.resolve({ done: false, value: 1 }) : this.owed.promise
  }

  async return(): Promise<IteratorResult<number>> {
    this.told += 1
    return { done: true, value: undefined }
  }
}

/** Has one message, and then is at work for a while. */
async function* heedful() {
  yield 1
  await turn()
  await turn()
  yield 2
  await turn()
  yield 3
}

/** There is nothing that it could be told by. */
const mute = (): AsyncIterable<unknown> => {
  let asked = 0
  return {
    [Symbol.asyncIterator]: () => ({
      next: () => (asked++ === 0 ? Promise.resolve({ done: false, value: 1 }) : never),
    }),
  }
}

const sources = {
  'a stream of Node': readable,
  'one made of a generator': () => Readable.from(heedful()),
  'an iterator': () => new Owing(),
  'an iterator that cannot be told': mute,
}

async function working(stage: Stage, options = {}) {
  const { server, address } = await stage.listening(options)
  const made: AsyncIterable<unknown>[] = []
  const feed = (kind: string): AsyncIterable<unknown> => {
    const source = sources[kind as keyof typeof sources]()
    made.push(source)
    return source
  }
  server.implement(Work, {
    feed,
    async gather(messages) {
      for await (const _ of messages);
    },
    async *talk(messages) {
      yield* messages
    },
  })
  const client = stage.client(address, options)
  await client.connect()
  const running = (): number => server.info().connections.reduce((sum, one) => sum + one.runningHandlers, 0)
  return { server, client, made, running, work: client.use(Work) }
}

const unhandled: unknown[] = []
const note = (error: unknown): number => unhandled.push(error)

beforeEach(() => {
  unhandled.length = 0
  process.on('unhandledRejection', note)
})

afterEach(async () => {
  await turn()
  process.off('unhandledRejection', note)
  expect(unhandled).toEqual([])
})

describe('a handler whose source owes a message', () => {
  it.for(Object.keys(sources))('gives its place back when its reader leaves: %s', async (kind, { stage }) => {
    const { work, server, client, running } = await working(stage, { limits: { maxStreams: 2 } })
    for (let round = 0; round < 3; round += 1) {
      for await (const _ of work.feed(kind)) break
      await until(() => running() === 0)
      await until(() => client.info().connections[0]?.openStreams === 0)
    }
    const { handlersStarted, handlersFinished } = server.metrics()
    expect([handlersStarted, handlersFinished]).toEqual([3, 3])
  })

  it.for(Object.keys(sources))('does not hold up the close of its server: %s', async (kind, { stage }) => {
    // Nobody moves the clock: a close that waits for its limit would never end.
    const clock = new VirtualClock()
    const { work, server, client } = await working(stage, { clock })
    const feed = work.feed(kind)
    await feed.next()
    feed.cancel()
    await client.close({ graceMs: 60_000 })
    await server.close({ graceMs: 60_000 })
  })

  it('that is a stream of Node has it destroyed, and one that is an iterator tells it once', async ({ stage }) => {
    const { work, made, running } = await working(stage)
    for (const kind of ['a stream of Node', 'an iterator']) for await (const _ of work.feed(kind)) break
    await until(() => running() === 0)
    expect([(made[0] as Readable).destroyed, (made[1] as Owing).told]).toEqual([true, 1])
  })

  it('drops what comes of it late, be that a message or an error', async ({ stage }) => {
    const { work, server, made, running } = await working(stage)
    for (let round = 0; round < 2; round += 1) for await (const _ of work.feed('an iterator')) break
    await until(() => running() === 0)
    const [one, other] = made as Owing[]
    one?.owed.resolve({ done: false, value: 2 })
    other?.owed.reject(new Error('late'))
    await turn()
    expect(server.metrics()).toMatchObject({ streamMessagesSent: 2, failures: { 'handler-failed': 0 } })
    expect([one?.told, other?.told]).toEqual([1, 1])
  })
})

describe('a handler that is a generator', () => {
  it('keeps its place until its code is done, so that no more of them run than may', async ({ stage }) => {
    const { server, address } = await stage.listening()
    const works: Deferred<void>[] = []
    let [running, most, ended] = [0, 0, 0]
    const feed = async function* () {
      running += 1
      most = Math.max(most, running)
      try {
        yield 1
        const work = deferred<void>()
        works.push(work)
        await work.promise
        yield 2
      } finally {
        running -= 1
        ended += 1
      }
    }
    const idle = { gather: async () => {}, talk: () => {} }
    server.implement(Work, { feed, ...idle }, { feed: { concurrency: 1, maxQueued: 10 } })
    const work = stage.client(address).use(Work)
    const first = work.feed('')
    await first.next()
    const second = work.feed('')
    const waits = second.next()
    await until(() => works.length === 1)
    first.cancel()
    for (let turns = 0; turns < 20; turns += 1) await turn()
    expect([running, ended]).toEqual([1, 0])
    works[0]?.resolve()
    expect(await waits).toEqual({ done: false, value: 1 })
    expect([running, most, ended]).toEqual([1, 1, 1])
    await until(() => works.length === 2)
    works[1]?.resolve()
    for await (const _ of second);
    expect(server.metrics()).toMatchObject({ handlersStarted: 2, handlersFinished: 2 })
  })
})

describe('a source of a client that owes a message', () => {
  it('and is a stream of Node is destroyed when its stream is given up', async ({ stage }) => {
    const { work, running } = await working(stage)
    const abort = new AbortController()
    const [sent, talked] = [readable(), readable()]
    const answer = work.gather(sent, { signal: abort.signal }).catch((error: unknown) => error)
    const talk = work.talk(talked)
    await talk.next()
    await until(() => running() === 2)
    abort.abort()
    talk.cancel()
    expect(await answer).toMatchObject({ code: 'CANCELLED' })
    expect([sent.destroyed, talked.destroyed]).toEqual([true, true])
  })

  it('is told when our half is ended by hand, and the end leaves', async ({ stage }) => {
    const { work } = await working(stage)
    const source = readable()
    const talk = work.talk(source)
    await talk.next()
    talk.end()
    expect(await talk.next()).toEqual({ done: true, value: undefined })
    expect(source.destroyed).toBe(true)
  })

  it('may fail when it is destroyed, and harms nobody', async ({ stage }) => {
    const { work } = await working(stage)
    const failing = (): Readable =>
      new Readable({ objectMode: true, read() {}, destroy: (_, done) => done(new Error('of the source')) })
    const [asked, unasked] = [failing(), failing()]
    const talk = work.talk(asked)
    await turn()
    talk.cancel()
    await expect(work.gather(unasked, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'CANCELLED' })
    await until(() => asked.destroyed && unasked.destroyed)
    await turn()
  })
})

describe('a source that ends its stream when it is asked for a message, which never comes', () => {
  it('is told, and gives the place of its handler back', async ({ stage }) => {
    const { work, running } = await working(stage)
    let told = 0
    const talk = work.talk({
      [Symbol.asyncIterator]: () => ({
        next: () => {
          talk.cancel()
          return never
        },
        return: async () => {
          told += 1
          return { done: true, value: undefined }
        },
      }),
    })
    await expect(talk.next()).rejects.toMatchObject({ code: 'CANCELLED' })
    await until(() => running() === 0)
    expect(told).toBe(1)
  })
})

describe('a source that ended or failed by itself', () => {
  it('is not told anything more', async ({ stage }) => {
    const { work } = await working(stage)
    const source = new Owing()
    const gathered = work.gather(source)
    source.owed.resolve({ done: true, value: undefined })
    await gathered
    const failing = new Owing()
    const failed = work.gather(failing).catch((error: unknown) => error)
    failing.owed.reject(new Error('of the source'))
    expect(await failed).toMatchObject({ message: expect.stringContaining('of the source') })
    expect([source.told, failing.told]).toEqual([0, 0])
  })
})
