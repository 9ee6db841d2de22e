import { describe, expect, it } from 'vitest'
import { failure } from '../../src/base/errors.js'
import { defineService, duplex } from '../../src/index.js'
import { ClientStream, type StreamPlan } from '../../src/rpc/client-stream.js'
import { it as staged } from '../fixtures/stage.js'
import { type EndOptions, type Handlers, outcomeOf, Shapes, TwoEnds, UNENCODABLE } from './two-ends.js'

const KiB = 1_024

const handlers: Handlers = {
  unary: (value) => value,
  serverStream: () => [],
  clientStream: () => 'done',
  async *duplex(requests) {
    for await (const request of requests) yield request
  },
  oneWay: () => {},
}

const FULL = expect.objectContaining({ code: 'RESOURCE_EXHAUSTED', reason: 'queue-full' })

async function all(stream: AsyncIterable<unknown>): Promise<unknown[]> {
  const seen: unknown[] = []
  for await (const one of stream) seen.push(one)
  return seen
}

/** Streams that wait for the connection between two ends, which is there, until the test opens them. */
async function waiting(options: EndOptions = {}) {
  const both = await TwoEnds.make('memory', { near: handlers, far: handlers }, options)
  const { connection, environment, session } = both.near
  const place = { earlyBytes: 0 }
  const plan: StreamPlan = {
    method: Shapes.duplex,
    lane: 1,
    metadata: null,
    expiresAt: Number.POSITIVE_INFINITY,
    request: null,
  }
  const make = (): ClientStream => {
    environment.counters.callsStarted += 1
    return new ClientStream(plan, environment, () => {}, place)
  }
  const open = (stream: ClientStream): void => stream.open(connection, session.numbers)
  return { both, place, make, open }
}

describe('what is written to a stream before it has a connection', () => {
  it('goes before what is written in the turn in which it gets one', async () => {
    const { both, make, open } = await waiting()
    const stream = make()
    const writes = [stream.write('first'), stream.write('second')]
    open(stream)
    writes.push(stream.write('third'))
    stream.end()
    await Promise.all(writes)
    expect(await all(stream)).toEqual(['first', 'second', 'third'])
    await both.end()
  })

  it('goes before the end of that half, also where that is said in the turn in which it gets one', async () => {
    const { both, make, open } = await waiting()
    const stream = make()
    const writes = [stream.write('first'), stream.write('second')]
    open(stream)
    stream.end()
    await Promise.all(writes)
    expect(await all(stream)).toEqual(['first', 'second'])
    await both.end()
  })

  it('is the value that it was when it was written', async () => {
    const { both, make, open } = await waiting()
    const stream = make()
    const value = { text: 'before', large: 'x'.repeat(8 * KiB) }
    const write = stream.write(value)
    value.text = 'after'
    open(stream)
    await write
    stream.end()
    expect(await all(stream)).toEqual([{ text: 'before', large: 'x'.repeat(8 * KiB) }])
    await both.end()
  })

  it('is refused at once where it cannot be encoded, and what is behind it goes on', async () => {
    const { both, make, open } = await waiting()
    const stream = make()
    expect(await outcomeOf(stream.write(UNENCODABLE))).toMatchObject({ reason: 'encode-failed' })
    const write = stream.write('good')
    open(stream)
    await write
    stream.end()
    expect(await all(stream)).toEqual(['good'])
    await both.end()
  })

  it('is refused when it gets one whose peer takes no message of that size', async () => {
    const { both, make, open } = await waiting({ limits: { maxMessageBytes: 64 * KiB } })
    const stream = make()
    const outcomes = Promise.all([Buffer.alloc(65 * KiB), 'small'].map((value) => outcomeOf(stream.write(value))))
    open(stream)
    expect(await outcomes).toEqual([expect.objectContaining({ reason: 'message-too-large' }), undefined])
    stream.end()
    expect(await all(stream)).toEqual(['small'])
    await both.end()
  })

  it('waits for room like what is written later', async () => {
    const { both, make, open } = await waiting({ flow: { streamWindowBytes: 4 * KiB, maxWindowBytes: 4 * KiB } })
    const stream = make()
    let room = 0
    for (let index = 0; index < 8; index += 1) void stream.write(Buffer.alloc(KiB)).then(() => (room += 1))
    open(stream)
    await both.settle()
    // Of 4 KiB the first three leave some: nobody reads what comes back.
    expect(room).toBe(3)
    stream.end()
    expect(await all(stream)).toHaveLength(8)
    expect(room).toBe(8)
    await both.end()
  })
})

describe('more than that', () => {
  it('is refused with queue-full by count, as on a connection, and what was taken is sent', async () => {
    const { both, make, open } = await waiting({ mailbox: { maxMessages: 3 } })
    const stream = make()
    const outcomes = Array.from({ length: 5 }, (_, index) => outcomeOf(stream.write(index)))
    expect(await Promise.all(outcomes.slice(3))).toEqual([FULL, FULL])
    expect(both.near.environment.counters.failures['queue-full']).toBe(2)
    open(stream)
    expect(await Promise.all(outcomes)).toEqual([undefined, undefined, undefined, FULL, FULL])
    stream.end()
    expect(await all(stream)).toEqual([0, 1, 2])
    await both.end()
  })

  it('is refused by bytes: the last that is taken may pass the bound by its size', async () => {
    const { both, make, open } = await waiting({ mailbox: { maxBytes: KiB } })
    const stream = make()
    const outcomes = [1_000, 5_000, 1].map((bytes) => outcomeOf(stream.write(Buffer.alloc(bytes))))
    expect(await outcomes[2]).toEqual(FULL)
    open(stream)
    expect(await Promise.all(outcomes)).toEqual([undefined, undefined, FULL])
    stream.end()
    expect(await all(stream)).toEqual([Buffer.alloc(1_000), Buffer.alloc(5_000)])
    await both.end()
  })

  it('is refused by the bytes of all streams that wait together, but for the first message of each', async () => {
    const { both, place, make, open } = await waiting({ limits: { maxQueuedBytes: 4 * KiB } })
    const [one, other] = [make(), make()]
    const first = [one, one, other].map((stream) => outcomeOf(stream.write(Buffer.alloc(3 * KiB))))
    expect(place.earlyBytes).toBeGreaterThan(9 * KiB)
    expect(await outcomeOf(other.write('more'))).toEqual(FULL)
    open(one)
    one.end()
    expect(place.earlyBytes).toBeLessThan(4 * KiB)
    const second = outcomeOf(other.write('more'))
    open(other)
    other.end()
    expect(await Promise.all([...first, second])).toEqual([undefined, undefined, undefined, undefined])
    expect([await all(one), await all(other)].map((seen) => seen.length)).toEqual([2, 2])
    expect(place.earlyBytes).toBe(0)
    await both.end()
  })
})

describe('all that was written to a stream that never gets a connection', () => {
  const ends: [string, (stream: ClientStream) => void, object][] = [
    ['is cancelled', (stream) => stream.cancel(), { code: 'CANCELLED', processed: 'no' }],
    ['finds none', (stream) => stream.fail(failure('closed', 'the client was closed')), { reason: 'closed' }],
  ]
  it.each(ends)('fails in that turn, when it %s', async (_what, end, error) => {
    const { both, place, make, open } = await waiting()
    const stream = make()
    const writes = [1, 2, 3].map((value) => outcomeOf(stream.write(value)))
    end(stream)
    expect(place.earlyBytes).toBe(0)
    expect(await Promise.all(writes)).toEqual(writes.map(() => expect.objectContaining(error)))
    expect(await outcomeOf(stream.write(4))).toMatchObject(error)
    open(stream)
    expect(await outcomeOf(stream.next())).toMatchObject(error)
    expect(both.near.environment.counters.streamsOpened).toBe(0)
    await both.end()
  })

  it('fails when it gets one on which it cannot be opened', async () => {
    const { both, make, open } = await waiting({ limits: { maxStreams: 1 } })
    const [open1, stream] = [make(), make()]
    open(open1)
    const writes = [1, 2].map((value) => outcomeOf(stream.write(value)))
    stream.end()
    open(stream)
    const error = expect.objectContaining({ reason: 'too-many-streams' })
    expect(await Promise.all(writes)).toEqual([error, error])
    expect(await outcomeOf(stream.next())).toEqual(error)
    open1.end()
    await all(open1)
    await both.end()
  })
})

describe('a getter of a value that is written to a stream without a connection', () => {
  it('may give the stream up: that write fails with the others', async () => {
    const { both, place, make } = await waiting()
    const stream = make()
    const before = outcomeOf(stream.write('before'))
    const value = {
      get text() {
        stream.cancel()
        return 'gone'
      },
    }
    const cancelled = expect.objectContaining({ code: 'CANCELLED', processed: 'no' })
    expect([await outcomeOf(stream.write(value)), await before]).toEqual([cancelled, cancelled])
    expect(await outcomeOf(stream.next())).toEqual(cancelled)
    expect(place.earlyBytes).toBe(0)
    await both.end()
  })

  it('may be what it is opened by: the value goes behind what was written before', async () => {
    const { both, make, open } = await waiting()
    const stream = make()
    const before = stream.write('before')
    const value = {
      get text() {
        open(stream)
        return 'behind'
      },
    }
    await stream.write(value)
    await before
    stream.end()
    expect(await all(stream)).toEqual(['before', { text: 'behind' }])
    await both.end()
  })
})

describe('a client that has yet to dial', () => {
  staged(
    'takes as many messages for a stream as its mailbox has room for, and sends them in order',
    async ({ stage }) => {
      const Talk = defineService('talk', { echo: duplex<number, number>() })
      const { server, address } = await stage.listening()
      server.implement(Talk, {
        async *echo(messages) {
          yield* messages
        },
      })
      const client = stage.client(address, { mailbox: { maxMessages: 2 } })
      const talk = client.use(Talk).echo()
      const outcomes = [1, 2, 3].map((number) => outcomeOf(talk.write(number)))
      talk.end()
      expect(await all(talk)).toEqual([1, 2])
      expect(await Promise.all(outcomes)).toEqual([undefined, undefined, FULL])
      expect(client.metrics().failures['queue-full']).toBe(1)
    },
  )
})
