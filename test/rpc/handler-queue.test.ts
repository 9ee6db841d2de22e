import { describe, expect } from 'vitest'
import { clientStream, defineService, type HandlerOptions, oneWay, type Server, unary } from '../../src/index.js'
import { KIND } from '../../src/wire/frame.js'
import { frame, MSGPACK, methodFrame, packed } from '../fixtures/raw-peer.js'
import { it, type Stage, turn, until } from '../fixtures/stage.js'

const Work = defineService('work', {
  do: unary<number, number>(),
  note: oneWay<number>(),
  feed: clientStream<number, number>(),
})

/** A server whose handlers take their time: each runs until the test lets it go. */
async function busy(stage: Stage, options: HandlerOptions, method: 'do' | 'note' | 'feed' = 'do') {
  const running: { readonly value: number; readonly release: () => void }[] = []
  const hold = (value: number): Promise<number> =>
    new Promise((resolve) => running.push({ value, release: () => resolve(value) }))
  const { server, address } = await stage.listening()
  server.implement(
    Work,
    {
      do: hold,
      note: async (value) => void (await hold(value)),
      feed: async (values) => hold((await values.next()).value ?? -1),
    },
    { [method]: options },
  )
  // Each refusal is looked at by itself.
  const once = { retry: { maxAttempts: 1 } }
  return { server, client: stage.client(address, once), running, work: stage.client(address, once).use(Work) }
}

async function settle(): Promise<void> {
  for (let turns = 0; turns < 20; turns += 1) await turn()
}

describe('a handler with a concurrency', () => {
  it('runs as many calls as it allows, has the others wait in order, and refuses one more', async ({ stage }) => {
    const { server, work, running } = await busy(stage, { concurrency: 2, maxQueued: 3 })
    const calls = [1, 2, 3, 4, 5].map((value) => work.do(value))
    await until(() => running.length === 2)
    await settle()
    expect(running.map(({ value }) => value)).toEqual([1, 2])
    await expect(work.do(6)).rejects.toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      reason: 'queue-full',
      processed: 'no',
    })
    expect(server.metrics().failures['queue-full']).toBe(1)
    for (let index = 0; index < 5; index += 1) {
      await until(() => running.length > index)
      running[index]?.release()
    }
    expect(await Promise.all(calls)).toEqual([1, 2, 3, 4, 5])
  })

  it('lets the higher priority go first', async ({ stage }) => {
    const { work, running } = await busy(stage, { concurrency: 1 })
    const calls = [work.do(1), work.do(2, { priority: 'bulk' }), work.do(3), work.do(4, { priority: 'high' })]
    for (let index = 0; index < 4; index += 1) {
      await until(() => running.length > index)
      if (index === 0) await settle()
      running[index]?.release()
    }
    await Promise.all(calls)
    expect(running.map(({ value }) => value)).toEqual([1, 4, 3, 2])
  })

  it('never runs a call that was cancelled, or whose time ran out, while it waited', async ({ stage }) => {
    const { server, work, running } = await busy(stage, { concurrency: 1 })
    const controller = new AbortController()
    const first = work.do(1)
    const cancelled = work.do(2, { signal: controller.signal })
    const late = expect(work.do(3, { timeoutMs: 20 })).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' })
    const last = work.do(4)
    await until(() => running.length === 1)
    await settle()
    controller.abort()
    await expect(cancelled).rejects.toMatchObject({ code: 'CANCELLED' })
    await late
    await settle()
    running[0]?.release()
    await until(() => running.length === 2)
    running[1]?.release()
    expect(await Promise.all([first, last])).toEqual([1, 4])
    expect(server.metrics().handlersStarted).toBe(2)
  })

  it('goes on through a thousand that settle at once', async ({ stage }) => {
    const { server, address } = await stage.listening()
    let gate: () => void = () => {}
    const opened = new Promise<void>((resolve) => {
      gate = resolve
    })
    let count = 0
    server.handle('count', (value) => (value === 0 ? opened.then(() => 0) : ++count), {
      concurrency: 1,
      maxQueued: 1_000,
    })
    const client = stage.client(address)
    const calls = Array.from({ length: 1_001 }, (_, value) => client.call('count', value))
    await until(() => server.metrics().handlersStarted === 1)
    await settle()
    gate()
    expect((await Promise.all(calls)).at(-1)).toBe(1_000)
  })

  it('makes room with the oldest, or refuses the newest, as it is told', async ({ stage }) => {
    const { work, running } = await busy(stage, { concurrency: 1, maxQueued: 1, overflow: 'drop-oldest' })
    const first = work.do(1)
    const refused = expect(work.do(2)).rejects.toMatchObject({ reason: 'queue-full', processed: 'no' })
    const last = work.do(3)
    await refused
    running[0]?.release()
    await until(() => running.length === 2)
    running[1]?.release()
    expect(await Promise.all([first, last])).toEqual([1, 3])
  })

  it.for(['drop-oldest', 'drop-newest', 'reject'] as const)(
    'refuses a call that finds no place where it has room for none to wait, with %s',
    async (overflow, { stage }) => {
      const { server, work, running } = await busy(stage, { concurrency: 1, maxQueued: 0, overflow })
      const first = work.do(1)
      const full = { reason: 'queue-full', processed: 'no' }
      await until(() => running.length === 1)
      await Promise.all([2, 3].map((value) => expect(work.do(value)).rejects.toMatchObject(full)))
      running[0]?.release()
      expect(await first).toBe(1)
      await settle()
      expect(server.metrics()).toMatchObject({ handlersStarted: 1, failures: { 'queue-full': 2 } })
    },
  )

  it('drops messages that come where there is room for none, also where the oldest would make it', async ({
    stage,
  }) => {
    const { server, client, running } = await busy(
      stage,
      { concurrency: 1, maxQueued: 0, overflow: 'drop-oldest' },
      'note',
    )
    await client.sendBatch('work.note', [1, 2, 3])
    await until(() => server.metrics().oneWayReceived === 3)
    running[0]?.release()
    await until(() => server.metrics().handlersFinished === 1)
    await settle()
    expect(server.metrics()).toMatchObject({ handlersStarted: 1, oneWayDropped: 2, failures: { 'queue-full': 2 } })
  })

  it('holds one-way messages with their credit, and loses none', async ({ stage }) => {
    const { server, client, running } = await busy(stage, { concurrency: 2, maxQueued: 1 }, 'note')
    const values = Array.from({ length: 50 }, (_, value) => value)
    await client.sendBatch('work.note', values)
    await until(() => running.length === 2)
    await settle()
    expect(running).toHaveLength(2)
    for (let index = 0; index < 50; index += 1) {
      await until(() => running.length > index)
      running[index]?.release()
    }
    expect(running.map(({ value }) => value)).toEqual(values)
    await until(() => server.metrics().handlersFinished === 50)
    expect(server.metrics().oneWayDropped).toBe(0)
  })

  it('does not read a peer that knows of no credit while as many messages wait as may be open', async ({ stage }) => {
    const { server, address } = await stage.listening({ limits: { maxOpenCalls: 4 } })
    const seen: unknown[] = []
    const release: (() => void)[] = []
    const slow = (value: unknown): Promise<void> => {
      seen.push(value)
      return new Promise((resolve) => release.push(resolve))
    }
    server.receive('slow', slow, { concurrency: 1 })
    const peer = await stage.dial(address)
    peer.hello()
    peer.write(methodFrame(1, 'slow'))
    const values = Array.from({ length: 500 }, (_, value) => value)
    for (const value of values) peer.write(frame(KIND.ONE_WAY, { flags: MSGPACK, aux: 1, body: packed(value) }))
    await until(() => server.metrics().oneWayReceived >= 4)
    await settle()
    // One runs, three wait, and the rest is with the socket.
    expect(server.metrics()).toMatchObject({ oneWayReceived: 4, handlersStarted: 1, readPauses: 1 })
    for (const value of values) {
      await until(() => release.length > value)
      expect(server.metrics().oneWayReceived).toBeLessThanOrEqual(value + 4)
      release[value]?.()
    }
    await until(() => server.metrics().handlersFinished === 500)
    expect(seen).toEqual(values)
  })

  it('reads such a peer on when another has made all that waited drop out', async ({ stage }) => {
    const { server, address } = await stage.listening({ limits: { maxOpenCalls: 2 } })
    const running: unknown[] = []
    const slow = (value: unknown): Promise<void> => {
      running.push(value)
      return new Promise(() => {})
    }
    server.receive('slow', slow, { concurrency: 1, maxQueued: 2, overflow: 'drop-oldest' })
    const oneWay = (value: number): Buffer => frame(KIND.ONE_WAY, { flags: MSGPACK, aux: 1, body: packed(value) })
    const first = await stage.dial(address)
    first.hello()
    first.write(methodFrame(1, 'slow'), oneWay(0))
    await until(() => running.length === 1)
    const second = await stage.dial(address)
    second.hello()
    second.write(methodFrame(1, 'slow'), oneWay(1), oneWay(2), oneWay(3))
    await until(() => server.metrics().oneWayReceived === 3)
    await settle()
    expect(server.metrics().oneWayReceived).toBe(3)
    const third = await stage.dial(address)
    third.hello()
    third.write(methodFrame(1, 'slow'), oneWay(4), oneWay(5))
    await until(() => server.metrics().oneWayReceived === 6)
    expect(server.metrics().oneWayDropped).toBe(3)
  })

  it('drops one-way messages by count where it is told to', async ({ stage }) => {
    const { server, client, running } = await busy(
      stage,
      { concurrency: 1, maxQueued: 2, overflow: 'drop-newest' },
      'note',
    )
    await client.sendBatch('work.note', [1, 2, 3, 4, 5])
    await until(() => server.metrics().oneWayReceived === 5)
    for (let index = 0; index < 3; index += 1) {
      await until(() => running.length > index)
      running[index]?.release()
    }
    await until(() => server.metrics().handlersFinished === 3)
    expect(running.map(({ value }) => value)).toEqual([1, 2, 3])
    expect(server.metrics().oneWayDropped).toBe(2)
  })

  it('holds streams, and refuses one too many before its handler runs', async ({ stage }) => {
    const { work, running } = await busy(stage, { concurrency: 1, maxQueued: 1 }, 'feed')
    const first = work.feed([1])
    const second = work.feed([2])
    await until(() => running.length === 1)
    await expect(work.feed([3])).rejects.toMatchObject({ reason: 'queue-full', processed: 'no' })
    running[0]?.release()
    await until(() => running.length === 2)
    running[1]?.release()
    expect(await Promise.all([first, second])).toEqual([1, 2])
  })

  it.for([
    ['an unknown option', { concurency: 1 } as HandlerOptions, 'option-unknown'],
    ['no concurrency', { concurrency: 0 }, 'option-range'],
    ['a wrong type', { maxQueued: '1' } as unknown as HandlerOptions, 'option-type'],
    ['waiting for what has an answer', { overflow: 'wait' } as const, 'option-range'],
  ] as const)('is refused with %s', ([, options, reason], { stage }) => {
    const server: Server = stage.server()
    expect(() => server.handle('x', () => 1, options)).toThrow(expect.objectContaining({ reason }))
  })

  it('is refused for a method that the service does not have', async ({ stage }) => {
    const handlers = { do: (value: number) => value, note: () => {}, feed: () => 1 }
    const options = { dont: { concurrency: 1 } } as object
    expect(() => stage.server().implement(Work, handlers, options)).toThrow(/no method dont/)
  })
})
