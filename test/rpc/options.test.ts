import { describe, expect } from 'vitest'
import {
  type CallOptions,
  Client,
  type ClientOptions,
  clientStream,
  defineService,
  duplex,
  onBatch,
  oneWay,
  type SendOptions,
  Server,
  type ServerOptions,
  serverStream,
  type TransportError,
  unary,
} from '../../src/index.js'
import { it, type Stage } from '../fixtures/stage.js'

const All = defineService('all', {
  ask: unary<unknown, unknown>(),
  feed: serverStream(),
  gather: clientStream(),
  talk: duplex(),
  tell: oneWay(),
})

const HANDLERS = {
  ask: (value: unknown) => value,
  async *feed() {},
  gather: async () => null,
  async *talk() {},
  tell: () => {},
}

const NOWHERE = 'tcp://127.0.0.1:1'

/** What the compiler would have refused. */
function wrong<T>(value: unknown): T {
  return value as T
}

async function failureOf(run: () => unknown): Promise<TransportError> {
  try {
    await run()
  } catch (error) {
    return error as TransportError
  }
  throw new Error('it was accepted')
}

/** A client of a server that tells what its handlers got. */
async function served(stage: Stage): Promise<{ readonly client: Client; readonly told: unknown[] }> {
  const told: unknown[] = []
  const { server, address } = await stage.listening()
  server.implement(All, { ...HANDLERS, tell: (message) => void told.push(message) })
  const client = stage.client(address)
  client.use(All)
  return { client, told }
}

type Ways<Options> = readonly (readonly [string, (client: Client, options: Options) => unknown])[]

const CALLS: Ways<CallOptions> = [
  ['a call by name', (client, options) => client.call('all.ask', 1, options)],
  ['a call', (client, options) => client.use(All).ask(1, options)],
]
const STREAMS: Ways<CallOptions> = [
  ['a server stream', (client, options) => client.use(All).feed(1, options)],
  ['a client stream', (client, options) => client.use(All).gather([1], options)],
  ['a duplex stream', (client, options) => client.use(All).talk([1], options)],
]
const MESSAGES: Ways<SendOptions> = [
  ['a message by name', (client, options) => client.send('all.tell', 1, options)],
  ['a message', (client, options) => client.use(All).tell(1, options)],
  ['a message that is to leave now', (client, options) => client.trySend('all.tell', 1, options)],
  ['a batch', (client, options) => client.sendBatch('all.tell', [1], options)],
]

describe('an option that does not exist', () => {
  const ofCalls = [
    [{ timeout: 5 }, 'unknown option timeout; did you mean timeoutMs?'],
    [{ prio: 'high' }, 'unknown option prio; did you mean priority?'],
    [{ ack: 'processed' }, 'unknown option ack'],
    [{ timeoutMs: 5, somethingElse: undefined }, 'unknown option somethingElse'],
    [JSON.parse('{"__proto__": null}'), 'unknown option __proto__'],
  ] as const
  it.for([...CALLS, ...STREAMS].flatMap(([way, run]) => ofCalls.map((given) => [way, ...given, run] as const)))(
    'is refused for %s with %j, which is not made',
    async ([_way, options, message, run], { stage }) => {
      const { client } = await served(stage)
      expect(await failureOf(() => run(client, wrong(options)))).toMatchObject({
        reason: 'option-unknown',
        message,
        processed: 'no',
      })
      expect(client.metrics().callsStarted).toBe(0)
    },
  )

  const ofMessages = [
    [{ acks: 'processed' }, 'unknown option acks; did you mean ack?'],
    [{ prio: 'high' }, 'unknown option prio; did you mean priority?'],
    [{ idempotent: true }, 'unknown option idempotent'],
    [{ parent: null }, 'unknown option parent'],
  ] as const
  it.for(MESSAGES.flatMap(([way, run]) => ofMessages.map((given) => [way, ...given, run] as const)))(
    'is refused for %s with %j, which is not sent',
    async ([_way, options, message, run], { stage }) => {
      const { client, told } = await served(stage)
      await client.connect()
      expect(await failureOf(() => run(client, wrong(options)))).toMatchObject({ reason: 'option-unknown', message })
      // What came before this call was received before it.
      await client.call('all.ask', 1)
      expect(told).toEqual([])
    },
  )

  it('is refused also where all the options before it were right', async ({ stage }) => {
    const { client } = await served(stage)
    const options: Record<string, unknown> = { timeoutMs: 60_000, priority: 'high' }
    expect(await client.call('all.ask', 1, options)).toBe(1)
    options['timeout'] = 5
    expect(await failureOf(() => client.call('all.ask', 1, options))).toMatchObject({ reason: 'option-unknown' })
  })
})

describe('options that exist', () => {
  const metadata = { key: 'value' }
  it('are all taken by calls and streams', async ({ stage }) => {
    const { client } = await served(stage)
    const { signal } = new AbortController()
    const options = { timeoutMs: 60_000, signal, priority: 'low', metadata, idempotent: true, parent: null } as const
    expect(await client.call('all.ask', 1, options)).toBe(1)
    const { ask, feed, gather, talk } = client.use(All)
    expect(await ask(2, options)).toBe(2)
    for await (const _ of feed(1, options)) throw new Error('nobody sends anything')
    expect(await gather([], options)).toBeNull()
    for await (const _ of talk([], options)) throw new Error('nobody sends anything')
  })

  it('are all taken by messages', async ({ stage }) => {
    const { client, told } = await served(stage)
    const { signal } = new AbortController()
    const options = { timeoutMs: 60_000, signal, priority: 'low', metadata, ack: 'processed', resend: true } as const
    await client.send('all.tell', 1, options)
    await client.sendBatch('all.tell', [2, 3], options)
    expect(told).toEqual([1, 2, 3])
    expect(client.trySend('all.tell', 4, { priority: 'low', metadata })).toBe(true)
  })

  it('may be inherited, whatever else is', async ({ stage }) => {
    const { client } = await served(stage)
    const options: CallOptions = Object.create({ timeoutMs: 60_000, shared: true })
    expect(await client.call('all.ask', 1, options)).toBe(1)
  })
})

describe('a parent that is no call', () => {
  it.for([...CALLS, ...STREAMS].flatMap(([way, run]) => [5, 'call', {}].map((parent) => [way, parent, run] as const)))(
    'is refused for %s: %j',
    async ([_way, parent, run], { stage }) => {
      const { client } = await served(stage)
      const error = await failureOf(() => run(client, wrong({ parent })))
      expect(error).toMatchObject({ reason: 'option-type', details: { option: 'parent' } })
      expect(client.metrics().callsStarted).toBe(0)
    },
  )
})

describe('a handler for what is no method of the service', () => {
  it.for([
    ['a function', { ...HANDLERS, zzz: () => {} }, 'the service all has no method zzz to handle'],
    ['a batch handler', { ...HANDLERS, zzz: onBatch(() => {}) }, 'the service all has no method zzz to handle'],
    [
      'one with a wrong name',
      { ...HANDLERS, gahter: HANDLERS.gather, gather: undefined },
      'the service all has no method gahter to handle; did you mean gather?',
    ],
  ] as const)('is refused, and nothing is served: %s', async ([_name, handlers, message], { stage }) => {
    const { server } = await stage.listening()
    expect(await failureOf(() => server.implement(All, wrong(handlers)))).toMatchObject({ reason: 'misuse', message })
    // None of its names is taken.
    server.implement(All, HANDLERS)
  })

  it('may be there where the handlers are an instance, which has functions of its own', async ({ stage }) => {
    const { server, address } = await stage.listening()
    const One = defineService('one', { ask: unary<unknown, number>() })
    class Handlers {
      readonly count = (): number => 7
      ask(): number {
        return this.count()
      }
      other(): void {}
    }
    server.implement(One, new Handlers())
    expect(await stage.client(address).use(One).ask(null)).toBe(7)
  })

  it('may be there where the handlers are a module, which may export more', async ({ stage }) => {
    const { server, address } = await stage.listening()
    const One = defineService('one', { ask: unary<unknown, number>() })
    const handlers = { __proto__: null, ask: () => 7, other: () => {} }
    server.implement(One, handlers)
    expect(await stage.client(address).use(One).ask(null)).toBe(7)
  })

  it('is not what a handler keeps beside it', async ({ stage }) => {
    const { server, address } = await stage.listening()
    const One = defineService('one', { ask: unary<unknown, number>() })
    const handlers = {
      base: 6,
      ask(): number {
        return this.base + 1
      },
    }
    server.implement(One, handlers)
    expect(await stage.client(address).use(One).ask(null)).toBe(7)
  })

  it('has no bounds either', async ({ stage }) => {
    const { server } = await stage.listening()
    const bounds = (options: unknown) => () => server.implement(All, HANDLERS, wrong(options))
    expect(await failureOf(bounds({ gahter: { concurrency: 1 } }))).toMatchObject({
      reason: 'option-unknown',
      message: 'the service all has no method gahter; did you mean gather?',
    })
    // Of a name of one letter nothing is near.
    const Short = defineService('short', { a: unary<unknown, unknown>() })
    const short = (): void => server.implement(Short, { a: () => 1 }, wrong({ b: {} }))
    expect(await failureOf(short)).toMatchObject({ message: 'the service short has no method b' })
    for (const options of [null, 5])
      expect(await failureOf(bounds(options))).toMatchObject({ reason: 'option-type', origin: 'user' })
  })
})

describe('what a client or server cannot be made of', () => {
  it.for([
    ['nothing', undefined],
    ['null', null],
    ['a number', 5],
    ['an object', {}],
    ['a URL', new URL('tcp://host:80')],
    ['a set', new Set(['tcp://host:80'])],
  ])('is refused as the address of a client: %s', async ([_name, addresses]) => {
    expect(await failureOf(() => new Client(wrong(addresses)))).toMatchObject({
      reason: 'option-type',
      message: expect.stringMatching(/^the address of a client must be a string or a list of strings, got /),
    })
  })

  it.for([
    [{ clock: {} }, 'option clock.now must be a function, got a value of type undefined'],
    [{ clock: { now: () => 0 } }, 'option clock.wallNow must be a function, got a value of type undefined'],
    [{ random: {} }, 'option random.next must be a function, got a value of type undefined'],
    [{ random: { next: () => 0, bytes: 5 } }, 'option random.bytes must be a function, got 5'],
    [{ network: {} }, 'option network.dial must be a function, got a value of type undefined'],
  ] as const)('is refused by both: %j', async ([options, message]) => {
    const refused = { reason: 'option-type', code: 'INVALID_ARGUMENT', message }
    expect(await failureOf(() => new Client(NOWHERE, wrong<ClientOptions>(options)))).toMatchObject(refused)
    expect(await failureOf(() => new Server(wrong<ServerOptions>(options)))).toMatchObject(refused)
  })

  it.for([
    ['null', null],
    ['a number', 5],
    ['a text', 'fast'],
    ['a list', []],
  ])('is refused as the options of both: %s', async ([_name, options]) => {
    const refused = { reason: 'option-type', message: expect.stringMatching(/^options must be an object, got /) }
    expect(await failureOf(() => new Client(NOWHERE, wrong(options)))).toMatchObject(refused)
    expect(await failureOf(() => new Server(wrong(options)))).toMatchObject(refused)
  })

  it.for([
    [{ pool: { minBackoffMs: 900, maxBackoffMs: 800 } }, 'pool.minBackoffMs (900)', 'pool.maxBackoffMs (800)'],
    [{ pool: { minBackoffMs: 900 } }, 'pool.minBackoffMs (900)', 'pool.maxBackoffMs (800)'],
    [{ pool: { maxBackoffMs: 99 } }, 'pool.minBackoffMs (100)', 'pool.maxBackoffMs (99)'],
    [{ pool: { ejection: { minMs: 20, maxMs: 10 } } }, 'pool.ejection.minMs (20)', 'pool.ejection.maxMs (10)'],
    [{ retry: { minBackoffMs: 50, maxBackoffMs: 10 } }, 'retry.minBackoffMs (50)', 'retry.maxBackoffMs (10)'],
  ] as const)('is refused as pauses of which the shortest is over the longest: %j', async ([options, least, most]) => {
    expect(await failureOf(() => new Client(NOWHERE, options))).toMatchObject({
      reason: 'option-range',
      message: `option ${least} must not be over ${most}`,
      details: { option: least.split(' ')[0] },
    })
  })

  it('is not a pause that is always as long', async ({ stage }) => {
    const pool = { min: 0, minBackoffMs: 800, maxBackoffMs: 800, ejection: { minMs: 10, maxMs: 10 } }
    expect(stage.client(NOWHERE, { pool }).state).toBe('connecting')
  })
})

describe('a listener that cannot be called', () => {
  it.for([
    ['nothing', undefined],
    ['null', null],
    ['a number', 5],
    ['an object', {}],
  ])('is refused by clients and servers: %s', async ([_name, listener], { stage }) => {
    const { server, address } = await stage.listening()
    for (const end of [server, stage.client(address)]) {
      expect(await failureOf(() => end.watch(wrong(listener)))).toMatchObject({
        reason: 'option-type',
        message: expect.stringMatching(/^the listener of watch must be a function, got /),
      })
    }
  })
})
