import { describe, expect } from 'vitest'
import {
  type CallOptions,
  type Client,
  clientStream,
  closeOnSignal,
  defineService,
  duplex,
  oneWay,
  type Server,
  serverStream,
  TransportError,
  unary,
} from '../../src/index.js'
import { it, type Stage, until } from '../fixtures/stage.js'

const All = defineService('all', {
  ask: unary(),
  feed: serverStream(),
  gather: clientStream(),
  talk: duplex(),
  tell: oneWay(),
})

/** What the compiler would have refused. */
function wrong<T>(value: unknown): T {
  return value as T
}

async function outcomeOf(run: () => unknown): Promise<unknown> {
  try {
    return await run()
  } catch (error) {
    return error
  }
}

async function served(stage: Stage): Promise<{ readonly client: Client; readonly server: Server }> {
  const { server, address } = await stage.listening()
  server.implement(All, {
    ask: (value) => value,
    async *feed() {},
    gather: async () => null,
    async *talk() {},
    tell: () => {},
  })
  return { client: stage.client(address), server }
}

describe('what is no options object', () => {
  const calls: readonly (readonly [string, (client: Client, options: CallOptions) => unknown])[] = [
    ['a call by name', (client, options) => client.call('all.ask', 1, options)],
    ['a call', (client, options) => client.use(All).ask(1, options)],
    ['a server stream', (client, options) => client.use(All).feed(1, options)],
    ['a client stream', (client, options) => client.use(All).gather([1], options)],
    ['a duplex stream', (client, options) => client.use(All).talk([1], options)],
    ['a message by name', (client, options) => client.send('all.tell', 1, options)],
    ['a message', (client, options) => client.use(All).tell(1, options)],
    ['a message that is to leave now', (client, options) => client.trySend('all.tell', 1, options)],
    ['a batch', (client, options) => client.sendBatch('all.tell', [1], options)],
  ]

  it.for(calls.flatMap(([name, run]) => [null, 5, 'fast'].map((value) => [name, value, run] as const)))(
    'is refused with a coded error: %s with %j',
    async ([_name, value, run], { stage }) => {
      const { client } = await served(stage)
      client.use(All)
      const error = await outcomeOf(() => run(client, wrong(value)))
      expect(error).toBeInstanceOf(TransportError)
      expect(error).toMatchObject({ reason: 'option-type', processed: 'no', retryable: false })
      expect(client.metrics().callsStarted).toBe(0)
    },
  )

  it.for([5, null, 'messages', {}])('and a batch of %j is no batch', async (messages, { stage }) => {
    const { client } = await served(stage)
    for (const options of [{}, { ack: 'accepted' }] as const) {
      const error = await outcomeOf(() => client.sendBatch('tell', wrong(messages), options))
      expect(error).toMatchObject({ reason: 'option-type', processed: 'no' })
    }
  })

  it('and a grace below 0 rejects, on both sides, and closes nothing', async ({ stage }) => {
    const { client, server } = await served(stage)
    for (const end of [client, server]) {
      const closing = end.close({ graceMs: -1 })
      await expect(closing).rejects.toMatchObject({ reason: 'option-range' })
    }
    expect(await client.call('all.ask', 7)).toBe(7)
  })
})

describe('closeOnSignal', () => {
  it.each([[null], [5], [[5]], [{}]])('refuses %j, which cannot be closed', (targets) => {
    const before = process.listenerCount('SIGTERM')
    expect(() => closeOnSignal(wrong(targets))).toThrow(expect.objectContaining({ reason: 'option-type' }))
    expect(process.listenerCount('SIGTERM')).toBe(before)
  })
})

describe('a stream handler that returns what is no stream', () => {
  it.for(['feed', 'talk'] as const)('fails the %s, and says so', async (name, { stage }) => {
    const { server, address } = await stage.listening()
    const handlers = { ask: () => 1, feed: () => ({ a: 1 }), gather: async () => 1, talk: () => 'text', tell: () => {} }
    server.implement(All, wrong(handlers))
    const stream = stage.client(address).use(All)[name]([])
    await expect(stream.next()).rejects.toMatchObject({
      message: expect.stringContaining('iterable of messages'),
      processed: 'yes',
    })
  })
})

describe('a stream that is given up', () => {
  it('while it waits for a connection leaves its place to another', async ({ stage }) => {
    const silent = await stage.rawServer()
    const client = stage.client(silent.address, { limits: { maxQueuedCalls: 2 } })
    const { feed } = client.use(All)
    const streams = [feed(1), feed(2)]
    for (const stream of streams) stream.cancel()
    const waiting = feed(3)
    await expect(outcomeOf(() => feed(4).cancel())).resolves.toBeUndefined()
    expect(client.metrics().failures['queue-full']).toBe(0)
    waiting.cancel()
    await expect(waiting.next()).rejects.toMatchObject({ code: 'CANCELLED' })
  })

  it.for(['gather', 'talk'] as const)(
    'as a %s tells a source whose next message never comes',
    async (name, { stage }) => {
      const { client } = await served(stage)
      const left: string[] = []
      const source: AsyncIterable<number> = {
        [Symbol.asyncIterator]: () => ({
          next: () => new Promise(() => {}),
          return: async () => {
            left.push(name)
            return { done: true, value: undefined }
          },
        }),
      }
      const controller = new AbortController()
      const outcome = outcomeOf(() => {
        const stream = client.use(All)[name](source, { signal: controller.signal })
        return 'next' in stream ? stream.next() : stream
      })
      await client.call('all.ask', 1)
      controller.abort()
      await outcome
      await until(() => left.length > 0)
      expect(left).toEqual([name])
    },
  )
})

describe('a handler that throws what cannot be looked at', () => {
  const revoked = (): unknown => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    return proxy
  }

  it.for([
    [
      'at once',
      () => {
        throw revoked()
      },
    ],
    ['later', () => Promise.reject(revoked())],
  ] as const)('has failed, %s, and holds nothing', async ([, handler], { stage }) => {
    const { server, address } = await stage.listening()
    server.handle('odd', handler)
    const client = stage.client(address)
    expect(await outcomeOf(() => client.call('odd', 1))).toMatchObject({ reason: 'handler-failed', processed: 'yes' })
    expect(server.info().connections).toMatchObject([{ runningHandlers: 0 }])
  })
})

describe('what is no contract', () => {
  const made: readonly (readonly [string, string, () => unknown])[] = [
    ['no methods', 'misuse', () => defineService('none', wrong<never>(null))],
    ['a number for a method', 'misuse', () => defineService('odd', { five: wrong<never>(5) })],
    ['a number for options', 'option-type', () => serverStream(wrong<never>(5))],
    ['a number for a codec', 'option-type', () => duplex({ request: wrong<never>(5) })],
    ['an option with a wrong name', 'option-unknown', () => unary(wrong<never>({ idempotant: true }))],
  ]
  it.for(made)('is refused where it is made: %s', async ([_name, reason, make]) => {
    expect(await outcomeOf(make)).toMatchObject({ reason })
  })

  it('is refused by clients and servers', async ({ stage }) => {
    const { client, server } = await served(stage)
    const Names = defineService('names', { toString: unary() })
    for (const service of [null, {}, 5]) {
      expect(await outcomeOf(() => client.use(wrong<never>(service)))).toMatchObject({ reason: 'misuse' })
      expect(await outcomeOf(() => server.implement(wrong<never>(service), wrong<never>({})))).toMatchObject({
        reason: 'misuse',
      })
    }
    expect(await outcomeOf(() => server.implement(Names, wrong<never>(null)))).toMatchObject({ reason: 'misuse' })
    // What an object inherits is no handler.
    expect(await outcomeOf(() => server.implement(Names, wrong<never>({})))).toMatchObject({ reason: 'misuse' })
    server.implement(Names, { toString: () => 'own' })
    expect(await client.use(Names).toString(null)).toBe('own')
  })
})
