import { describe, expect, vi } from 'vitest'
import {
  defineService,
  type HandlerOptions,
  onBatch,
  type Server,
  serverStream,
  TransportError,
  unary,
} from '../../src/index.js'
import { HandlerQueue } from '../../src/rpc/handler-queue.js'
import { KIND } from '../../src/wire/frame.js'
import { FEATURE } from '../../src/wire/hello.js'
import { resetFrame } from '../connection/stream-bench.js'
import { deferred } from '../fixtures/deferred.js'
import { faultOf, frame, MSGPACK, methodFrame, packed, type RawPeer, u32 } from '../fixtures/raw-peer.js'
import { it, type Stage, turn, until } from '../fixtures/stage.js'
import { VirtualClock } from '../support/virtual-clock.js'

const CANCELLED = 1
const flow = { maxStreams: 256, streamWindowBytes: 65_536, laneWindowBytes: 65_536 }

const Work = defineService('work', { call: unary<string, string>(), stream: serverStream<string, string>() })

async function settle(): Promise<void> {
  for (let turns = 0; turns < 20; turns += 1) await turn()
}

/** A server of a call and a stream, one of each at once, whose handlers wait for the gate; and peers made of bytes. */
async function waiting(stage: Stage, bounds: HandlerOptions) {
  const clock = new VirtualClock()
  const gate = deferred<void>()
  const ran: string[] = []
  const work = async (value: string): Promise<string> => {
    ran.push(value.slice(0, 1))
    await gate.promise
    return value.slice(0, 1)
  }
  const { server, address } = await stage.listening({ clock })
  server.implement(
    Work,
    {
      call: work,
      async *stream(value) {
        yield await work(value)
      },
    },
    { call: bounds, stream: bounds },
  )
  const join = async (): Promise<RawPeer> => {
    const peer = await stage.dial(address)
    peer.hello({ features: FEATURE.FLOW, flow })
    await peer.nextOf(KIND.HELLO)
    peer.write(methodFrame(1, 'work.call'), methodFrame(2, 'work.stream'))
    return peer
  }
  return { clock, server, gate, ran, join }
}

/** Of the third of the odd ids, say, the value is `c`. A call, or a stream where it is one. */
function ask(kind: 'call' | 'stream', nth: number, timeoutMs = 0, length = 1): Buffer {
  const body = Buffer.concat([u32(timeoutMs), packed(String.fromCharCode(96 + nth).repeat(length))])
  const stream = kind === 'stream'
  return frame(stream ? KIND.STREAM_OPEN : KIND.CALL, {
    flags: MSGPACK,
    aux: stream ? 2 : 1,
    id: 2 * nth - 1,
    body,
  })
}

function giveUp(kind: 'call' | 'stream', nth: number): Buffer {
  return kind === 'stream' ? resetFrame(2 * nth - 1) : frame(KIND.CANCEL, { aux: CANCELLED, id: 2 * nth - 1 })
}

function running(server: Server): number {
  return server.info().connections.reduce((sum, { runningHandlers }) => sum + runningHandlers, 0)
}

describe.for(['call', 'stream'] as const)('a %s that waits for its handler', (kind) => {
  it.for([
    ['is cancelled', 'cancel', { maxQueued: 2 }],
    ['is not in time', 'deadline', { maxQueued: 2 }],
    ['has lost its connection', 'close', { maxQueued: 2 }],
    ['is cancelled, by its bytes', 'cancel', { maxQueuedBytes: 1_024 }],
    ['is not in time, by its bytes', 'deadline', { maxQueuedBytes: 1_024 }],
    ['has lost its connection, by its bytes', 'close', { maxQueuedBytes: 1_024 }],
  ] as const)('and %s takes no place of those that live', async ([_, how, bounds], { stage }) => {
    const { clock, server, gate, ran, join } = await waiting(stage, { concurrency: 1, ...bounds })
    const length = 'maxQueuedBytes' in bounds ? 600 : 1
    const peer = await join()
    peer.write(ask(kind, 1))
    await until(() => ran.length === 1)
    const gone = await join()
    const timeoutMs = how === 'deadline' ? 100 : 0
    gone.write(ask(kind, 2, timeoutMs, length), ask(kind, 3, timeoutMs, length))
    await until(() => running(server) === 3)
    if (how === 'cancel') gone.write(giveUp(kind, 2), giveUp(kind, 3))
    else if (how === 'close') gone.destroy()
    else clock.advance(200)
    await until(() => running(server) === 1)
    // As many as there is room for, and one that finds none.
    peer.write(ask(kind, 4, 0, length), ask(kind, 5, 0, length), ask(kind, 6, 0, length))
    const refused = await peer.nextOf(KIND.ERROR, KIND.STREAM_END)
    expect([refused.id, faultOf(refused).reason]).toEqual([11, 'queue-full'])
    gate.resolve()
    await until(() => running(server) === 0)
    expect(ran).toEqual(['a', 'd', 'e'])
    expect(server.metrics()).toMatchObject({ handlersStarted: 3, handlersFinished: 3, failures: { 'queue-full': 1 } })
  })
})

describe('a call that waits for the processor', () => {
  it('and is cancelled gives its bytes back to the others of its connection', async ({ stage }) => {
    const clock = new VirtualClock()
    const options = { clock, limits: { maxQueuedBytes: 4 * 1_024 }, heartbeat: { intervalMs: 0 } }
    const ran: string[] = []
    const { server, peer } = await stage.serverAndPeer(
      (server) => {
        server.handle('work.call', (value) => {
          ran.push((value as string).slice(0, 1))
          clock.stall(10)
        })
      },
      { ...options, overload: { maxLoopDelayMs: 0 } },
    )
    // The turn of the first sixteen is so long that the rest of the chunk waits, and fills the queue.
    const nths = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, at) => from + at)
    peer.write(methodFrame(1, 'work.call'))
    await settle()
    peer.write(
      Buffer.concat([
        ...nths(1, 16).map((nth) => ask('call', nth, 60_000)),
        ...nths(17, 20).map((nth) => ask('call', nth, 60_000, 1_021)),
        giveUp('call', 20),
        ask('call', 21, 60_000, 1_021),
      ]),
    )
    await until(() => server.metrics().handlersFinished === 20)
    expect(ran.join('')).toBe('abcdefghijklmnopqrsu')
    expect(server.metrics().failures['queue-full']).toBe(0)
  })
})

describe('one-way messages that wait for their handler', () => {
  /** A server whose handler runs one at a time, each until the test lets it go. */
  async function receiving(stage: Stage, bounds: HandlerOptions) {
    const ran: string[] = []
    let gate = deferred<void>()
    const { server, address } = await stage.listening()
    server.receive(
      'note',
      async (value) => {
        ran.push((value as string).slice(0, 2))
        await gate.promise
      },
      { concurrency: 1, ...bounds },
    )
    let sent = 0
    const send = async (values: readonly string[]) => {
      const client = stage.client(address)
      await client.sendBatch('note', values)
      sent += values.length
      await until(() => server.metrics().oneWayReceived === sent)
      return client
    }
    /** Comes, sends and goes. */
    const visit = async (values: readonly string[]): Promise<void> => {
      const client = await send(values)
      await client.close({ graceMs: 0 })
      await until(() => server.info().connections.every(({ state }) => state === 'ready'))
      await settle()
    }
    /** Lets all go that wait, so many of them; those that come then wait again. */
    const release = async (count: number): Promise<void> => {
      const { handlersFinished } = server.metrics()
      gate.resolve()
      await until(() => server.metrics().handlersFinished === handlersFinished + count)
      await settle()
      gate = deferred()
    }
    return { server, ran, release, send, visit }
  }

  it('are all run after their sender has gone, within the bounds of their handler', async ({ stage }) => {
    const { server, ran, release, visit } = await receiving(stage, { maxQueued: 3 })
    await visit(['a1', 'a2', 'a3', 'a4'])
    await release(4)
    // What has run takes no place of those that come after it.
    await visit(['b1', 'b2', 'b3', 'b4'])
    await release(4)
    expect(ran).toEqual(['a1', 'a2', 'a3', 'a4', 'b1', 'b2', 'b3', 'b4'])
    expect(server.metrics().oneWayDropped).toBe(0)
  })

  it('are no more than maxQueued of senders that have gone, however often they come again', async ({ stage }) => {
    const { server, ran, release, send, visit } = await receiving(stage, { maxQueued: 3 })
    await visit(['a1', 'a2', 'a3'])
    // This one is here still: what it has credit for waits beside the others.
    await send(['l1', 'l2', 'l3', 'l4', 'l5'])
    await visit(['b1', 'b2'])
    expect(server.metrics().oneWayDropped).toBe(1)
    await visit(['c1', 'c2', 'c3', 'c4', 'c5'])
    expect(server.metrics()).toMatchObject({ oneWayDropped: 6, failures: { 'queue-full': 6 } })
    await release(9)
    expect(ran).toEqual(['a1', 'l1', 'l2', 'l3', 'l4', 'l5', 'c3', 'c4', 'c5'])
  })

  it('are no more than maxQueuedBytes of senders that have gone', async ({ stage }) => {
    const { server, ran, release, visit } = await receiving(stage, { maxQueuedBytes: 4 * 1_024 })
    const large = (name: string): string => name.padEnd(1_100)
    for (const name of ['a', 'b', 'c', 'd']) await visit([1, 2, 3].map((nth) => large(`${name}${nth}`)))
    await release(4)
    expect(ran).toEqual(['a1', 'd1', 'd2', 'd3'])
    expect(server.metrics().oneWayDropped).toBe(8)
  })

  it('are looked at when their connection is lost, and those that have run are not', async ({ stage }) => {
    const orphan = vi.spyOn(HandlerQueue.prototype, 'orphan')
    const { release, send, visit } = await receiving(stage, { maxQueued: 3 })
    const client = await send(['a1', 'a2', 'a3', 'a4', 'a5'])
    await release(5)
    await client.close({ graceMs: 0 })
    await visit(['b1', 'b2', 'b3'])
    expect(orphan).toHaveBeenCalledTimes(2)
    await release(3)
    orphan.mockRestore()
  })

  it('are counted one by one for a handler that takes many at once', async ({ stage }) => {
    const { server, address } = await stage.listening()
    const batches: string[][] = []
    const gate = deferred<void>()
    server.receive(
      'note',
      onBatch((notes) => {
        batches.push(notes as string[])
        return gate.promise
      }),
      { concurrency: 1, maxQueued: 3 },
    )
    let received = 0
    for (const values of [['a1'], ['b1', 'b2', 'b3', 'b4', 'b5']]) {
      const client = stage.client(address)
      await client.sendBatch('note', values)
      received += values.length
      await until(() => server.metrics().oneWayReceived === received)
      await settle()
      await client.close({ graceMs: 0 })
    }
    await until(() => server.metrics().oneWayDropped === 2)
    gate.resolve()
    await until(() => batches.flat().length === 4)
    expect(batches.flat()).toEqual(['a1', 'b3', 'b4', 'b5'])
  })
})

describe('the signal of a one-way message whose connection is lost', () => {
  it.for([
    ['while it waits for its handler', { concurrency: 1 }, {}],
    ['while it waits because too many are open', undefined, { maxOpenCalls: 1 }],
  ] as const)('has fired when it starts: %s', async ([_, bounds, limits], { stage }) => {
    const { server, address } = await stage.listening({ limits })
    const gate = deferred<void>()
    const seen: unknown[] = []
    const note = async (value: unknown, { signal }: { readonly signal: AbortSignal }): Promise<void> => {
      const before = signal.aborted
      await gate.promise
      seen.push([value, before, signal.aborted, signal.reason instanceof TransportError])
    }
    if (bounds === undefined) server.receive('note', note)
    else server.receive('note', note, bounds)
    const client = stage.client(address)
    await client.sendBatch('note', [1, 2, 3])
    await until(() => server.metrics().oneWayReceived === 3)
    await client.close({ graceMs: 0 })
    await until(() => server.info().connections.length === 0)
    gate.resolve()
    await until(() => seen.length === 3)
    expect(seen).toEqual([
      [1, false, true, true],
      [2, true, true, true],
      [3, true, true, true],
    ])
  })

  it('has fired for many at once: those that wait, and those that came with the end', async ({ stage }) => {
    const gate = deferred<void>()
    const seen: unknown[] = []
    const { server, peer } = await stage.serverAndPeer((server) => {
      server.receive(
        'note',
        onBatch((notes, { signal }) => {
          seen.push([notes, signal.aborted])
          return gate.promise
        }),
        { concurrency: 1, maxQueued: 3 },
      )
      server.receive(
        'other',
        onBatch((notes, { signal }) => void seen.push([notes, signal.aborted])),
      )
    })
    const oneWay = (method: number, value: number): Buffer =>
      frame(KIND.ONE_WAY, { flags: MSGPACK, aux: method, body: packed(value) })
    peer.write(methodFrame(1, 'note'), methodFrame(2, 'other'), oneWay(1, 1))
    await until(() => seen.length === 1)
    peer.write(oneWay(1, 2), oneWay(1, 3))
    await until(() => server.metrics().oneWayReceived === 3)
    await settle()
    // A kind that there is not ends the connection in the turn in which these come.
    peer.write(Buffer.concat([oneWay(2, 4), oneWay(2, 5), oneWay(1, 6), oneWay(1, 7), frame(0x7f)]))
    await until(() => server.metrics().oneWayReceived === 7)
    gate.resolve()
    await until(() => seen.length === 4)
    expect(seen).toEqual([
      [[1], false],
      [[4, 5], true],
      // Of those that wait there is room for three.
      [[3], true],
      [[6, 7], true],
    ])
    expect(server.metrics().oneWayDropped).toBe(1)
  })
})
