// Long: one table of scenarios, and the few ways in which every shape of a method is called and served alike.
import { describe, expect, it } from 'vitest'
import { TransportError } from '../../src/index.js'
import { turn, until } from '../fixtures/stage.js'
import {
  briefly,
  type End,
  type Handlers,
  type Link,
  outcomeOf,
  SECRET,
  Shapes,
  TwoEnds,
  UNENCODABLE,
  UNREADABLE,
} from './two-ends.js'

const LINKS: readonly Link[] = ['memory', 'tcp', 'tls']
const CALLERS = ['near', 'far'] as const
const ANSWERED = ['unary', 'serverStream', 'clientStream', 'duplex'] as const
type Shape = (typeof ANSWERED)[number] | 'oneWay'
const SHAPES: readonly Shape[] = [...ANSWERED, 'oneWay']
const STREAMS: readonly Shape[] = ['serverStream', 'clientStream', 'duplex']
/** The server sends many. */
const READ: readonly Shape[] = ['serverStream', 'duplex']
/** The caller sends many. */
const FED: readonly Shape[] = ['clientStream', 'duplex']

type Requests = AsyncIterable<unknown>
interface Call {
  readonly signal: AbortSignal
}
/** What a handler does, whatever its shape: takes what comes, yields what goes. */
type Script = (requests: Requests, call: Call) => AsyncGenerator<unknown>

async function* once(value: unknown): AsyncGenerator<unknown> {
  yield value
}

async function lastOf(results: AsyncIterable<unknown>): Promise<unknown> {
  let last: unknown = null
  for await (const result of results) last = result
  return last
}

function handlersOf(script: () => Script): Handlers {
  return {
    unary: (value, call) => lastOf(script()(once(value), call)),
    serverStream: (value, call) => script()(once(value), call),
    clientStream: (requests, call) => lastOf(script()(requests, call)),
    duplex: (requests, call) => script()(requests, call),
    oneWay: async (value, call) => void (await lastOf(script()(once(value), call))),
  }
}

async function* echo(requests: Requests): AsyncGenerator<unknown> {
  for await (const request of requests) yield request
}

interface Begin {
  readonly timeoutMs?: number
  /** The source goes on until the test is over, without a message. */
  readonly lasts?: boolean
}

/** One scenario as it runs. */
class Play {
  readonly ends: TwoEnds
  readonly caller: End
  readonly server: End
  readonly shape: Shape
  /** What the caller got of a stream of answers. */
  readonly seen: unknown[] = []
  /** What the server's signal said, of each handler. */
  readonly told: unknown[] = []
  readonly abort = new AbortController()
  /** The source of a caller that sends many was told to stop. */
  released = false
  script: Script = echo
  release: () => void = () => {}
  readonly held = new Promise<void>((resolve) => {
    this.release = resolve
  })
  readonly #lasting = new Promise<void>((resolve) => {
    this.abort.signal.addEventListener('abort', () => resolve())
  })

  constructor(ends: TwoEnds, caller: 'near' | 'far', shape: Shape) {
    this.ends = ends
    this.caller = ends[caller]
    this.server = caller === 'near' ? ends.far : ends.near
    this.shape = shape
  }

  static async make(link: Link, caller: 'near' | 'far', shape: Shape): Promise<Play> {
    const plays: Play[] = []
    const handlers = handlersOf(() => (plays[0] as Play).script)
    const ends = await TwoEnds.make(link, { near: handlers, far: handlers })
    const play = new Play(ends, caller, shape)
    plays.push(play)
    return play
  }

  /** Sends these, and reads to the end. Gives the answers, or what there is of an answer. */
  begin(values: readonly unknown[] = [1, 2, 3], options: Begin = {}): Promise<unknown> {
    const outcome = this.#begin(values, options)
    // Some scenarios look only later.
    outcome.catch(() => {})
    return outcome
  }

  #begin(values: readonly unknown[], options: Begin): Promise<unknown> {
    const { caller, shape } = this
    const { lasts = false, ...rest } = options
    const call = { ...rest, signal: this.abort.signal }
    const source = this.#source(values, lasts)
    switch (shape) {
      case 'unary':
        return caller.call(values[0], call)
      case 'serverStream':
        return this.read(caller.streams.serverStream(Shapes.serverStream, values[0], call))
      case 'clientStream':
        return caller.streams.clientStream(Shapes.clientStream, source, call)
      case 'duplex':
        return this.read(caller.streams.duplex(Shapes.duplex, source, call))
      case 'oneWay':
        return new Promise((resolve) => {
          caller.send(values[0])
          resolve('sent')
        })
    }
  }

  async read(stream: AsyncIterable<unknown>): Promise<unknown> {
    for await (const one of stream) this.seen.push(one)
    return this.seen
  }

  /** Runs until the handler is told that nobody waits. */
  untilTold(before: readonly unknown[] = []): void {
    const { told } = this
    this.script = async function* (_, { signal }) {
      yield* before
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      told.push(signal.reason)
      throw signal.reason
    }
  }

  /** Echoes, and then waits for `release`. */
  untilReleased(): void {
    const { held } = this
    this.script = async function* (requests) {
      yield* echo(requests)
      await held
      yield 'released'
    }
  }

  async running(): Promise<void> {
    await until(() => this.server.environment.counters.handlersStarted === 1)
    await this.ends.settle()
  }

  async *#source(values: readonly unknown[], lasts: boolean): AsyncGenerator<unknown> {
    try {
      yield* values
      if (lasts) await this.#lasting
    } finally {
      this.released = true
    }
  }
}

const last = (shape: Shape, values: readonly unknown[]): unknown => {
  if (shape === 'oneWay') return 'sent'
  if (shape === 'unary' || shape === 'serverStream') values = values.slice(0, 1).concat(values.slice(3))
  return READ.includes(shape) ? values : values.at(-1)
}
const failed = (code: string, processed: string, reason?: string): unknown => ({ code, processed, reason })
const user = (code: 'ABORTED'): TransportError => new TransportError('no more', { code, origin: 'user' })

interface Scenario {
  readonly name: string
  readonly shapes: readonly Shape[]
  /** Drives it to its end, and checks what each side was told. */
  readonly run: (play: Play) => Promise<void>
  /** The connection does not outlive it. */
  readonly ends?: true
}

async function expectOutcome(play: Play, outcome: Promise<unknown>, expected: unknown): Promise<void> {
  expect(briefly(await outcomeOf(outcome))).toEqual(play.shape === 'oneWay' ? 'sent' : expected)
}

const SCENARIOS: readonly Scenario[] = [
  {
    name: 'ends in good order',
    shapes: SHAPES,
    run: async (play) => expectOutcome(play, play.begin(), last(play.shape, [1, 2, 3])),
  },
  {
    name: 'has a handler that throws what it chose, before anything',
    shapes: SHAPES,
    run: async (play) => {
      // biome-ignore lint/correctness/useYield: it fails before
      play.script = async function* () {
        throw user('ABORTED')
      }
      await expectOutcome(play, play.begin(), failed('ABORTED', 'yes'))
    },
  },
  {
    name: 'has a handler that fails, before anything',
    shapes: SHAPES,
    run: async (play) => {
      // biome-ignore lint/correctness/useYield: it fails before
      play.script = async function* () {
        throw new Error(SECRET)
      }
      await expectOutcome(play, play.begin(), failed('UNKNOWN', 'yes', 'handler-failed'))
      await until(() => play.server.environment.counters.handlersFinished === 1)
      expect(play.server.environment.counters.failures['handler-failed']).toBe(1)
    },
  },
  {
    name: 'has a handler that throws after messages',
    shapes: READ,
    run: async (play) => {
      play.script = async function* (requests) {
        yield* echo(requests)
        throw user('ABORTED')
      }
      await expectOutcome(play, play.begin(), failed('ABORTED', 'yes'))
      expect(play.seen).toEqual(last(play.shape, [1, 2, 3]))
    },
  },
  {
    name: 'is cancelled by its signal',
    shapes: ANSWERED,
    run: async (play) => {
      play.untilTold([7])
      const outcome = play.begin()
      await play.running()
      play.abort.abort()
      await expectOutcome(play, outcome, failed('CANCELLED', 'maybe', 'cancelled'))
      await until(() => play.told.length === 1)
      expect(play.told).toEqual([expect.objectContaining({ code: 'CANCELLED' })])
      expect(play.seen).toEqual(READ.includes(play.shape) ? [7] : [])
    },
  },
  {
    name: 'is cancelled before it is sent',
    shapes: ANSWERED,
    run: async (play) => {
      play.abort.abort()
      await expectOutcome(play, play.begin(), failed('CANCELLED', 'no', 'cancelled'))
      expect(play.server.environment.counters.handlersStarted).toBe(0)
    },
  },
  {
    name: 'is cancelled by leaving the loop',
    shapes: READ,
    run: async (play) => {
      play.untilTold([1, 2, 3])
      const { streams } = play.caller
      const stream =
        play.shape === 'duplex'
          ? streams.duplex(Shapes.duplex, undefined, {})
          : streams.serverStream(Shapes.serverStream, 1, {})
      for await (const one of stream) if (one === 2) break
      expect(await stream.next()).toEqual({ done: true, value: undefined })
      await until(() => play.told.length === 1)
      expect(play.told).toEqual([expect.objectContaining({ code: 'CANCELLED' })])
    },
  },
  {
    name: 'is cancelled by cancel(), while who reads waits',
    shapes: READ,
    run: async (play) => {
      play.untilTold([])
      const { streams } = play.caller
      const stream =
        play.shape === 'duplex'
          ? streams.duplex(Shapes.duplex, undefined, {})
          : streams.serverStream(Shapes.serverStream, 1, {})
      const [one, two] = [stream.next(), stream.next()]
      await play.running()
      stream.cancel()
      stream.cancel()
      await expectOutcome(play, one, failed('CANCELLED', 'maybe', 'cancelled'))
      expect(await two).toEqual({ done: true, value: undefined })
      await until(() => play.told.length === 1)
    },
  },
  {
    name: 'outlives its deadline',
    shapes: ANSWERED,
    run: async (play) => {
      play.untilTold()
      const outcome = play.begin([1, 2, 3], { timeoutMs: 500 })
      await play.running()
      await play.ends.clock.advanceAsync(400)
      expect(play.told).toEqual([])
      await play.ends.clock.advanceAsync(200)
      await expectOutcome(play, outcome, failed('DEADLINE_EXCEEDED', 'maybe', 'deadline'))
      await until(() => play.told.length === 1)
      expect(play.told).toEqual([expect.objectContaining({ code: 'DEADLINE_EXCEEDED' })])
    },
  },
  {
    name: 'loses its connection',
    shapes: SHAPES,
    ends: true,
    run: async (play) => {
      // Nobody waits for a one-way message: its handler is not disturbed.
      if (play.shape === 'oneWay') play.untilReleased()
      else play.untilTold([7])
      const outcome = play.begin([1], { lasts: true })
      await play.running()
      play.ends.cut()
      await expectOutcome(play, outcome, failed('UNAVAILABLE', 'maybe', 'connection-lost'))
      if (play.shape === 'oneWay') {
        play.release()
        return
      }
      await until(() => play.told.length === 1)
      expect(play.told).toEqual([expect.objectContaining({ code: 'UNAVAILABLE', processed: 'maybe' })])
    },
  },
  ...(['caller', 'server'] as const).map(
    (who): Scenario => ({
      name: `ends in good order while the ${who} closes`,
      shapes: SHAPES,
      ends: true,
      run: async (play) => {
        play.untilReleased()
        const outcome = play.begin()
        await play.running()
        const closing = play[who].session.close(10_000)
        await play.ends.settle()
        // A message without an answer is all over for who has sent it.
        expect(play[who].gone).toBe(play.shape === 'oneWay' && who === 'caller')
        play.release()
        await expectOutcome(play, outcome, last(play.shape, [1, 2, 3, 'released']))
        await closing
      },
    }),
  ),
  ...(['caller', 'server'] as const).map(
    (who): Scenario => ({
      name: `lasts longer than the grace of the ${who} that closes`,
      shapes: ANSWERED,
      ends: true,
      run: async (play) => {
        play.untilTold()
        const outcome = outcomeOf(play.begin([1], { lasts: true }))
        await play.running()
        const closing = play[who].session.close(1_000)
        await play.ends.clock.advanceAsync(2_000)
        await closing
        await expectOutcome(
          play,
          outcome,
          failed('UNAVAILABLE', 'maybe', who === 'caller' ? 'closed' : 'connection-lost'),
        )
        await until(() => play.told.length === 1)
      },
    }),
  ),
  {
    name: 'crosses the GO_AWAY of a server that has nothing else to do',
    shapes: STREAMS,
    ends: true,
    run: async (play) => {
      play.untilReleased()
      const closing = play.server.session.close(10_000)
      const outcome = play.begin()
      await play.running()
      play.release()
      await expectOutcome(play, outcome, last(play.shape, [1, 2, 3, 'released']))
      await closing
    },
  },
  {
    name: 'has a request that the server cannot read',
    shapes: SHAPES,
    run: async (play) => {
      const ran = FED.includes(play.shape)
      await expectOutcome(
        play,
        play.begin([UNREADABLE, 2]),
        failed('INVALID_ARGUMENT', ran ? 'yes' : 'no', 'encode-failed'),
      )
      await until(() => play.server.environment.counters.failures['encode-failed'] === 1)
    },
  },
  {
    name: 'has a request that the server cannot read, behind others',
    shapes: FED,
    run: async (play) => {
      await expectOutcome(play, play.begin([1, 2, UNREADABLE]), failed('INVALID_ARGUMENT', 'yes', 'encode-failed'))
      expect(play.seen).toEqual(play.shape === 'duplex' ? [1, 2] : [])
    },
  },
  {
    name: 'has a request that cannot be encoded',
    shapes: SHAPES,
    run: async (play) => {
      const outcome = await outcomeOf(play.begin([UNENCODABLE, 2]))
      const ran = FED.includes(play.shape)
      expect(briefly(outcome)).toEqual(failed('INVALID_ARGUMENT', ran ? 'maybe' : 'no', 'encode-failed'))
    },
  },
  {
    name: 'has an answer that the caller cannot read',
    shapes: ANSWERED,
    run: async (play) => {
      play.script = async function* (requests) {
        for await (const _ of requests);
        yield UNREADABLE
      }
      await expectOutcome(play, play.begin(), failed('INVALID_ARGUMENT', 'yes', 'encode-failed'))
    },
  },
  {
    name: 'has an answer that nobody can encode',
    shapes: ANSWERED,
    run: async (play) => {
      play.script = async function* (requests) {
        for await (const _ of requests);
        yield UNENCODABLE
      }
      const outcome = await outcomeOf(play.begin())
      expect(briefly(outcome)).toEqual(failed('INVALID_ARGUMENT', 'yes', 'encode-failed'))
      expect(String(outcome)).not.toContain(SECRET)
    },
  },
  {
    name: 'has a handler that returns before the caller has ended',
    shapes: FED,
    run: async (play) => {
      play.script = async function* (requests) {
        for await (const request of requests) {
          yield request
          return
        }
      }
      const many = Array.from({ length: 5_000 }, (_, index) => `${index}`.padEnd(100))
      const outcome = await play.begin(many)
      expect(outcome).toEqual(play.shape === 'duplex' ? many.slice(0, 1) : many[0])
      await until(() => play.released)
    },
  },
  ...[new Error('out of numbers'), null, undefined].map(
    (thrown): Scenario => ({
      name: `has a source that throws ${thrown}`,
      shapes: FED,
      run: async (play) => {
        let reason: unknown
        play.script = async function* (requests) {
          try {
            yield* echo(requests)
          } catch (error) {
            reason = error
            throw error
          }
        }
        const source = async function* (): AsyncGenerator<unknown> {
          yield 1
          await play.ends.settle()
          throw thrown
        }
        const { streams } = play.caller
        const outcome =
          play.shape === 'duplex'
            ? play.read(streams.duplex(Shapes.duplex, source(), {}))
            : streams.clientStream(Shapes.clientStream, source(), {})
        const rejected = await outcome.then(
          () => false,
          (error: unknown) => error === thrown,
        )
        expect(rejected).toBe(true)
        await until(() => reason !== undefined)
        expect(reason).toMatchObject({ code: 'CANCELLED' })
        expect(String(reason)).not.toContain('out of numbers')
      },
    }),
  ),
  {
    name: 'is served by nobody',
    shapes: ['serverStream'],
    run: async (play) => {
      const reading = play.read(play.caller.streams.serverStream(Shapes.unserved, 1, {}))
      await expectOutcome(play, reading, failed('UNIMPLEMENTED', 'no', 'method-unknown'))
    },
  },
]

const rows = SCENARIOS.flatMap((scenario) =>
  scenario.shapes.map((shape) => [`${shape} that ${scenario.name}`, shape, scenario] as const),
)

describe.each(LINKS)('over %s', (link) => {
  describe.each(CALLERS)('called by the %s end', (caller) => {
    it.each(rows)('%s', async (_name, shape, { run, ends: over }) => {
      const play = await Play.make(link, caller, shape)
      await run(play)
      if (over !== true) {
        // The connection is as good as before.
        await until(() => play.caller.quiet && play.server.quiet)
        play.script = echo
        expect(await play.caller.call('after')).toBe('after')
        expect(await play.server.call('back')).toBe('back')
      }
      await play.ends.end()
    })
  })

  it('both ends call at once, in every shape, and nobody gets what is for another', async () => {
    const handlers = handlersOf(() => echo)
    const ends = await TwoEnds.make(link, { near: handlers, far: handlers })
    const plays = Array.from({ length: 80 }, (_, index) => {
      const shape = ANSWERED[index % ANSWERED.length] as Shape
      return new Play(ends, CALLERS[(index >> 2) & 1] as 'near' | 'far', shape)
    })
    const outcomes = plays.map(async (play, index) => {
      await turn()
      const values = Array.from({ length: 50 }, (_, at) => `${index}/${at}`)
      const outcome = await play.begin(values)
      const once = play.shape === 'unary' || play.shape === 'serverStream'
      const expected = once ? values.slice(0, 1) : values
      expect(outcome).toEqual(READ.includes(play.shape) ? expected : expected.at(-1))
    })
    await Promise.all(outcomes)
    await ends.end()
  })
})
