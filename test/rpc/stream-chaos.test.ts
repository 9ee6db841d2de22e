import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { TransportError } from '../../src/base/errors.js'
import { seededRandom } from '../../src/base/random.js'
import { turn } from '../fixtures/stage.js'
import { type End, type Handlers, Shapes, TwoEnds } from './two-ends.js'

const STREAMS = 200
const KiB = 1_024

/** A number below `count`. */
type Pick = (count: number) => number

function picker(seed: number): Pick {
  const random = seededRandom(seed)
  return (count) => Math.floor(random.next() * count)
}

async function wait(turns: number): Promise<void> {
  for (let left = turns; left > 0; left -= 1) await turn()
}

/** Who says it, and which of their messages it is; of random length, rarely one that travels in parts. */
function message(stream: number, at: number, pick: Pick): unknown {
  return [stream, at, Buffer.alloc(pick(40) === 0 ? pick(150) * KiB : pick(2 * KiB))]
}

function expectNext(value: unknown, stream: number, at: number): void {
  expect((value as unknown[]).slice(0, 2)).toEqual([stream, at])
}

interface Tally {
  answered: number
  cancelled: number
}

/** What a stream is to do: how many messages go each way, who has enough when, and how fast everybody is. */
function handlersOf(pick: Pick): Handlers {
  async function* answers(stream: number, count: number): AsyncGenerator<unknown> {
    for (let at = 0; at < count; at += 1) {
      await wait(pick(8) === 0 ? pick(3) : 0)
      yield message(stream, at, pick)
    }
  }
  return {
    unary: (value) => value,
    oneWay: () => {},
    serverStream: (request) => {
      const [stream, count] = request as [number, number]
      return answers(stream, count)
    },
    async clientStream(requests) {
      let at = 0
      let stream = -1
      for await (const request of requests) {
        stream = (request as number[])[0] as number
        expectNext(request, stream, at)
        at += 1
        await wait(pick(8) === 0 ? pick(3) : 0)
      }
      return [stream, at]
    },
    async *duplex(requests) {
      let at = 0
      for await (const request of requests) {
        const stream = (request as number[])[0] as number
        expectNext(request, stream, at)
        yield message(stream, at, pick)
        at += 1
      }
    },
  }
}

/** One stream from its begin to its end. Every third has enough before it is over, one way or another. */
async function play(end: End, stream: number, pick: Pick, tally: Tally): Promise<void> {
  const count = pick(60)
  const abort = new AbortController()
  const enough = pick(3) === 0 ? pick(count + 1) : Number.POSITIVE_INFINITY
  const leaves = pick(2) === 0
  const source = async function* (): AsyncGenerator<unknown> {
    for (let at = 0; at < count; at += 1) {
      await wait(pick(8) === 0 ? pick(3) : 0)
      if (at === enough) abort.abort()
      yield message(stream, at, pick)
    }
  }
  await wait(pick(20))
  const options = { signal: abort.signal }
  const kind = pick(3)
  try {
    if (kind === 0) {
      const [of, got] = (await end.streams.clientStream(Shapes.clientStream, source(), options)) as [number, number]
      expect([of, got]).toEqual([count === 0 ? -1 : stream, count])
    } else {
      const answers =
        kind === 1
          ? end.streams.serverStream(Shapes.serverStream, [stream, count], options)
          : end.streams.duplex(Shapes.duplex, source(), options)
      let at = 0
      for await (const answer of answers) {
        expectNext(answer, stream, at)
        at += 1
        await wait(pick(8) === 0 ? pick(3) : 0)
        if (at !== enough || kind === 2) continue
        if (leaves) break
        abort.abort()
      }
      if (at === enough && leaves) tally.cancelled += 1
      else expect(at).toBe(count)
    }
    tally.answered += 1
  } catch (error) {
    if ((error as TransportError).code !== 'CANCELLED') throw error
    expect(enough).toBeLessThanOrEqual(count)
    tally.cancelled += 1
  }
}

describe(`${STREAMS} streams at once, both ways on one connection, each at a pace of its own`, () => {
  it('lose nothing, double nothing and keep order, whatever is cancelled; and all credit comes back', async () => {
    const sizes = {
      bufferBytes: fc.integer({ min: 512, max: 256 * KiB }),
      splitBytes: fc.integer({ min: 64, max: 64 * KiB }),
    }
    const windows = { stream: fc.integer({ min: 1_024, max: 64 * KiB }), budget: fc.constantFrom(0, 100_000, 2 ** 24) }
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.record(sizes), fc.record(windows), async (seed, memory, { stream, budget }) => {
        const pick = picker(seed)
        const handlers = handlersOf(pick)
        const flow = { streamWindowBytes: stream, windowBudgetBytes: budget }
        const compression = { algorithm: pick(2) === 0 ? 'lz4' : 'none' } as const
        const both = await TwoEnds.make('memory', { near: handlers, far: handlers }, { flow, compression }, memory)
        const tally = { answered: 0, cancelled: 0 }
        const numbers = Array.from({ length: STREAMS }, (_, index) => index)
        await Promise.all(numbers.map((index) => play(index % 2 === 0 ? both.near : both.far, index, pick, tally)))
        expect(tally.cancelled).toBeGreaterThan(0)
        for (const { environment } of [both.near, both.far]) {
          const { failures } = environment.counters
          const named = Object.entries(failures).filter(([, count]) => count > 0)
          expect(named).toEqual([])
        }
        await both.end()
      }),
      { numRuns: 6, seed: 20_260_101 },
    )
  })
})
