import { describe, expect, it } from 'vitest'
import { type Deferred, deferred } from '../fixtures/deferred.js'
import { turn, until } from '../fixtures/stage.js'
import { type End, type Handlers, outcomeOf, Shapes, TwoEnds, UNREADABLE } from './two-ends.js'

const handlers: Handlers = {
  unary: (value) => value,
  serverStream: () => [],
  clientStream: () => 'done',
  duplex: () => {},
  oneWay: () => {},
}

const DONE = { done: true, value: undefined }
const MESSAGES = Array.from({ length: 20 }, (_, index) => `message ${index}`)

function ends(own: Partial<Handlers> = {}): Promise<TwoEnds> {
  return TwoEnds.make('memory', { near: handlers, far: { ...handlers, ...own } }, { limits: { errorsPer10s: 1_000 } })
}

/** What may be decoded on its connection before anybody asks for it. */
const ahead = ({ connection }: End): number => connection.streams?.decodedAhead.left ?? 0

describe('what is decoded before anybody asks for it', () => {
  type Reader = (gate: Deferred<void>) => Partial<Handlers>
  const readers: [string, Reader][] = [
    ['reads nothing', (gate) => ({ clientStream: () => gate.promise.then(() => 'done') })],
    [
      'reads some of it',
      (gate) => ({
        async clientStream(requests) {
          await gate.promise
          return (await requests.next()).value
        },
      }),
    ],
    [
      'leaves its loop',
      (gate) => ({
        async clientStream(requests) {
          await gate.promise
          for await (const request of requests) return request
        },
      }),
    ],
    [
      'reads all of it',
      (gate) => ({
        async clientStream(requests) {
          await gate.promise
          for await (const _ of requests);
        },
      }),
    ],
    ['fails', (gate) => ({ clientStream: () => gate.promise.then(() => Promise.reject(new Error('of the handler'))) })],
  ]

  it.each(readers)('is given back once where its handler %s', async (_what, reader) => {
    const gate = deferred<void>()
    const both = await ends(reader(gate))
    const whole = ahead(both.far)
    for (let round = 0; round < 2; round += 1) {
      const answer = outcomeOf(both.near.streams.clientStream(Shapes.clientStream, MESSAGES, {}))
      await until(() => both.far.environment.counters.streamMessagesReceived === (round + 1) * MESSAGES.length)
      if (round === 0) expect(ahead(both.far)).toBeLessThan(whole)
      gate.resolve()
      await answer
    }
    await until(() => both.far.quiet)
    expect(ahead(both.far)).toBe(whole)
    await both.end()
  })

  it('is given back once where its opener gives up, and again nothing when its handler settles', async () => {
    const settles = deferred<void>()
    const both = await ends({ clientStream: () => settles.promise })
    const whole = ahead(both.far)
    const abort = new AbortController()
    const answer = outcomeOf(both.near.streams.clientStream(Shapes.clientStream, MESSAGES, { signal: abort.signal }))
    await until(() => both.far.environment.counters.streamMessagesReceived === MESSAGES.length)
    expect(ahead(both.far)).toBeLessThan(whole)
    abort.abort()
    await answer
    await until(() => ahead(both.far) === whole)
    settles.resolve()
    await until(() => both.far.quiet)
    expect(ahead(both.far)).toBe(whole)
    await both.end()
  })
})

describe('who reads on when the handler has settled', () => {
  it('hears that some of it is missing, once, and not that this was all', async () => {
    const seen: unknown[] = []
    const read = deferred<void>()
    const both = await ends({
      clientStream(requests) {
        void read.promise.then(async () => {
          for (let times = 0; times < 2; times += 1) seen.push(await outcomeOf(requests.next()))
        })
        return until(() => both.far.environment.counters.streamMessagesReceived === MESSAGES.length)
      },
    })
    await both.near.streams.clientStream(Shapes.clientStream, MESSAGES, {})
    await until(() => both.far.quiet)
    read.resolve()
    await until(() => seen.length === 2)
    expect(seen).toEqual([expect.objectContaining({ code: 'CANCELLED' }), DONE])
    await both.end()
  })

  it('hears the end where nothing is missing, also where it has asked before', async () => {
    const seen: unknown[] = []
    const both = await ends({
      duplex(requests) {
        for (let times = 0; times < 2; times += 1) void outcomeOf(requests.next()).then((one) => seen.push(one))
      },
    })
    const stream = both.near.streams.duplex(Shapes.duplex, undefined, {})
    expect(await stream.next()).toEqual(DONE)
    await until(() => seen.length === 2)
    expect(seen).toEqual([DONE, DONE])
    await both.end()
  })
})

describe('a reader of answers of which one cannot be read', () => {
  const ANSWERS = ['first', UNREADABLE, 'third', 'fourth']
  const unreadable = expect.objectContaining({ reason: 'encode-failed', processed: 'yes' })

  it.each([
    ['settles', false],
    ['goes on', true],
  ])('gets nothing of what waits behind it, when the server %s', async (_what, goesOn) => {
    const both = await ends({
      async *serverStream(_, { signal }) {
        yield* ANSWERS
        if (goesOn) await new Promise((resolve) => signal.addEventListener('abort', resolve))
      },
    })
    const whole = ahead(both.near)
    const stream = both.near.streams.serverStream(Shapes.serverStream, 1, {})
    await until(() => both.near.environment.counters.streamMessagesReceived === ANSWERS.length)
    for (let turns = 0; turns < 5; turns += 1) await turn()
    expect(await stream.next()).toEqual({ done: false, value: 'first' })
    expect(await outcomeOf(stream.next())).toEqual(unreadable)
    expect([await stream.next(), await stream.next()]).toEqual([DONE, DONE])
    expect(ahead(both.near)).toBe(whole)
    await both.end()
  })

  it('gets nothing more either where it has asked for all of them before', async () => {
    const both = await ends({
      async *serverStream() {
        yield* ANSWERS
      },
    })
    const stream = both.near.streams.serverStream(Shapes.serverStream, 1, {})
    const asked = ANSWERS.map(() => outcomeOf(stream.next()))
    expect(await Promise.all(asked)).toEqual([{ done: false, value: 'first' }, unreadable, DONE, DONE])
    await both.end()
  })
})
