import { describe, expect, it } from 'vitest'
import { ClientStream } from '../../src/rpc/client-stream.js'
import { turn, until } from '../fixtures/stage.js'
import { type EndOptions, type Handlers, outcomeOf, Shapes, TwoEnds, UNREADABLE } from './two-ends.js'

const KiB = 1_024

const handlers: Handlers = {
  unary: (value) => value,
  async *serverStream(value) {
    yield value
  },
  async clientStream(requests) {
    let count = 0
    for await (const _ of requests) count += 1
    return count
  },
  async *duplex(requests) {
    for await (const request of requests) yield request
  },
  oneWay: () => {},
}

function ends(own: Partial<Handlers> = {}, options: EndOptions = {}): Promise<TwoEnds> {
  const far = { ...handlers, ...own }
  return TwoEnds.make('memory', { near: handlers, far }, options)
}

async function all(stream: AsyncIterable<unknown>): Promise<unknown[]> {
  const seen: unknown[] = []
  for await (const one of stream) seen.push(one)
  return seen
}

describe('a getter of a value that is being sent', () => {
  const reentrant = expect.objectContaining({ reason: 'encode-failed', message: expect.stringContaining('getter') })

  it('cannot open a stream: only that stream fails, unprocessed', async () => {
    const both = await ends()
    const { streams } = both.near
    let inner: Promise<unknown> = Promise.resolve()
    const value = {
      get nested() {
        inner = outcomeOf(all(streams.serverStream(Shapes.serverStream, 'inner', {})))
        return 'outer'
      },
    }
    expect(await both.near.call(value)).toEqual({ nested: 'outer' })
    expect(await inner).toEqual(reentrant)
    expect(await all(streams.serverStream(Shapes.serverStream, value, {}))).toEqual([{ nested: 'outer' }])
    await both.end()
  })

  it('cannot write to a stream: that write fails, and both streams go on', async () => {
    const both = await ends()
    const { streams } = both.near
    const [one, other] = [streams.duplex(Shapes.duplex, undefined, {}), streams.duplex(Shapes.duplex, undefined, {})]
    let inner: Promise<unknown> = Promise.resolve()
    await one.write({
      get nested() {
        inner = outcomeOf(other.write('inner'))
        return 'outer'
      },
    })
    expect(await inner).toEqual(reentrant)
    await other.write('after')
    for (const stream of [one, other]) stream.end()
    expect([await all(one), await all(other)]).toEqual([[{ nested: 'outer' }], ['after']])
    await both.end()
  })

  it('may end one, give one up, and read from one: what that sends goes behind the value', async () => {
    const both = await ends()
    const { streams } = both.near
    const [one, ended, given] = [1, 2, 3].map(() => streams.duplex(Shapes.duplex, undefined, {}))
    await one?.write({
      get nested() {
        ended?.end()
        given?.cancel()
        return 'outer'
      },
    })
    one?.end()
    expect(await all(one as AsyncIterable<unknown>)).toEqual([{ nested: 'outer' }])
    expect(await all(ended as AsyncIterable<unknown>)).toEqual([])
    await both.end()
  })
})

describe('a stream without a connection yet', () => {
  function waiting(both: TwoEnds): ClientStream {
    const plan = { method: Shapes.duplex, lane: 1, metadata: null, expiresAt: Number.POSITIVE_INFINITY, request: null }
    both.near.environment.counters.callsStarted += 1
    return new ClientStream(plan, both.near.environment, () => {}, { earlyBytes: 0 })
  }

  it('keeps what was written before it was ended, in order, and the end behind it', async () => {
    const both = await ends()
    const stream = waiting(both)
    const writes = [stream.write(1), stream.write(2)]
    stream.end()
    await expect(stream.write(3)).rejects.toMatchObject({ reason: 'misuse' })
    stream.open(both.near.connection, both.near.session.numbers)
    await Promise.all(writes)
    expect(await all(stream)).toEqual([1, 2])
    await both.end()
  })

  it('fails what was written when it is given up, and is never opened', async () => {
    const both = await ends()
    const stream = waiting(both)
    const write = outcomeOf(stream.write(1))
    stream.end()
    stream.cancel()
    stream.open(both.near.connection, both.near.session.numbers)
    expect(await write).toMatchObject({ code: 'CANCELLED', processed: 'no' })
    await expect(stream.next()).rejects.toMatchObject({ code: 'CANCELLED', processed: 'no' })
    expect(both.near.environment.counters.streamsOpened).toBe(0)
    await both.end()
  })
})

describe('deadlines of more streams than the peer takes cancels', () => {
  it('do not cost the connection: the server keeps them by itself', async () => {
    let running = 0
    const both = await ends({
      async serverStream(_, { signal }) {
        running += 1
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
        running -= 1
      },
    })
    const { streams } = both.near
    for (let round = 0; round < 6; round += 1) {
      const options = { timeoutMs: 50 }
      const reading = Array.from({ length: 200 }, () =>
        outcomeOf(streams.serverStream(Shapes.serverStream, 1, options).next()),
      )
      await until(() => running === 200)
      await both.clock.advanceAsync(100)
      for (const error of await Promise.all(reading)) expect(error).toMatchObject({ reason: 'deadline' })
      await until(() => both.near.quiet && both.far.quiet)
      expect([round, running, both.near.connection.state]).toEqual([round, 0, 'ready'])
    }
    await both.end()
  })
})

describe('a handler', () => {
  it('that does not wait for room and is done leaves nothing behind when its reader has enough', async () => {
    const both = await ends(
      {
        serverStream(_, call) {
          for (let index = 0; index < 200; index += 1) void call.write(Buffer.alloc(KiB))
        },
      },
      { flow: { streamWindowBytes: 4 * KiB, maxWindowBytes: 4 * KiB } },
    )
    const stream = both.near.streams.serverStream(Shapes.serverStream, 1, {})
    await stream.next()
    await until(() => both.far.environment.counters.handlersFinished === 1)
    expect(both.far.connection.openStreams).toBe(1)
    stream.cancel()
    await both.end()
  })

  it('that reads on behind what it cannot read has its whole window for it', async () => {
    const window = 4 * KiB
    const count = 500
    let unreadable = 0
    const both = await ends(
      {
        async clientStream(requests) {
          for (;;) {
            const step = await outcomeOf(requests.next())
            if (step instanceof Error) unreadable += 1
            else if ((step as IteratorResult<unknown>).done === true) return 'done'
          }
        },
      },
      { flow: { streamWindowBytes: window, maxWindowBytes: window }, limits: { errorsPer10s: 1_000 } },
    )
    const answer = both.near.streams.clientStream(Shapes.clientStream, new Array(count).fill(UNREADABLE), {})
    expect(await answer).toBe('done')
    expect(unreadable).toBe(count)
    await both.end()
  })

  it('that wants no more requests holds its caller back by credit, and takes its time', async () => {
    let release: () => void = () => {}
    const both = await ends({
      async *duplex(requests) {
        for await (const request of requests) {
          yield request
          break
        }
        await new Promise<void>((resolve) => {
          release = resolve
        })
        yield 'last'
      },
    })
    let sent = 0
    const source = function* (): Generator<Buffer> {
      for (; ; sent += 1) yield Buffer.alloc(KiB)
    }
    const stream = both.near.streams.duplex(Shapes.duplex, source(), {})
    await stream.next()
    for (let turns = 0; turns < 50; turns += 1) await turn()
    const before = sent
    for (let turns = 0; turns < 50; turns += 1) await turn()
    expect([sent, sent < 200]).toEqual([before, true])
    release()
    expect(await all(stream)).toEqual(['last'])
    await both.end()
  })
})

describe('a handler that begins to read when its opener has sent all and given up', () => {
  it('hears that it was given up, and not that there was nothing', async () => {
    let begin: () => void = () => {}
    const begun = new Promise<void>((resolve) => {
      begin = resolve
    })
    const seen: unknown[] = []
    const both = await ends({
      async clientStream(requests) {
        await begun
        seen.push(await outcomeOf(all(requests)))
        return seen.length
      },
    })
    const abort = new AbortController()
    const answer = outcomeOf(both.near.streams.clientStream(Shapes.clientStream, [1, 2], { signal: abort.signal }))
    await until(() => both.far.environment.counters.streamMessagesReceived === 2)
    for (let turns = 0; turns < 5; turns += 1) await turn()
    abort.abort()
    expect(await answer).toMatchObject({ code: 'CANCELLED' })
    for (let turns = 0; turns < 5; turns += 1) await turn()
    begin()
    await until(() => seen.length === 1)
    expect(seen[0]).toMatchObject({ code: 'CANCELLED' })
    await both.end()
  })
})
