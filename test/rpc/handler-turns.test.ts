import { describe, expect } from 'vitest'
import {
  clientStream,
  defineService,
  type HandlerOptions,
  onBatch,
  oneWay,
  type Server,
  unary,
} from '../../src/index.js'
import { KIND } from '../../src/wire/frame.js'
import { FEATURE } from '../../src/wire/hello.js'
import { deferred } from '../fixtures/deferred.js'
import { callFrame, frame, MSGPACK, methodFrame, packed, type RawPeer } from '../fixtures/raw-peer.js'
import { it, type Stage, turn, until } from '../fixtures/stage.js'
import { VirtualClock } from '../support/virtual-clock.js'

const PER_TURN = 8
const COUNT = 100
const VALUES = Array.from({ length: COUNT }, (_, index) => index + 1)
const WINDOW = 65_536
const ONE_AT_A_TIME: HandlerOptions = { concurrency: 1 }

const Work = defineService('work', {
  do: unary<number, number>(),
  note: oneWay<number>(),
  feed: clientStream<number, number>(),
})

/** Handlers of which the first waits for a gate, and what they saw. Counts those that ran in each turn of the event loop. */
class Gate {
  readonly seen: number[] = []
  readonly #gate = deferred<void>()
  readonly #perTurn: number[] = []
  #turns = 0

  /** `work`: what each does that comes through. */
  pass(value: number, work: () => void = () => {}): Promise<void> | undefined {
    this.seen.push(value)
    if (value === 0) return this.#gate.promise
    this.#perTurn[this.#turns] = (this.#perTurn[this.#turns] ?? 0) + 1
    work()
    return undefined
  }

  async pending(): Promise<void> {
    await until(() => this.seen.length === 1)
  }

  /** Opens it. What waits is set off in this turn, after the test has gone on. */
  open(): void {
    this.#gate.resolve()
  }

  /** Counts turns until the condition holds. */
  async watch(condition: () => boolean): Promise<void> {
    await until(() => {
      this.#turns += 1
      return condition()
    })
  }

  /** In the turn of most. */
  get most(): number {
    return this.#perTurn.reduce((most, ran) => Math.max(most, ran ?? 0), 0)
  }
}

/** A server whose turns are short, on time that only the test moves. */
async function serving(stage: Stage, limits = {}): Promise<{ server: Server; address: string; clock: VirtualClock }> {
  const clock = new VirtualClock()
  const { server, address } = await stage.listening({ clock, limits: { maxMessagesPerTurn: PER_TURN, ...limits } })
  return { server, address, clock }
}

/** A peer that has credit for all that it sends, and stays until it is told to go. */
async function dial(stage: Stage, address: string, method: string): Promise<RawPeer> {
  const peer = await stage.dial(address)
  peer.hello({ features: FEATURE.FLOW, flow: { laneWindowBytes: WINDOW, streamWindowBytes: WINDOW, maxStreams: 1 } })
  peer.write(methodFrame(1, method))
  // Until it is gone.
  void echo(peer).catch(() => {})
  return peer
}

async function echo(peer: RawPeer): Promise<never> {
  for (;;) {
    const { id } = await peer.nextOf(KIND.PING)
    peer.write(frame(KIND.PONG, { id }))
  }
}

function note(value: number): Buffer {
  return frame(KIND.ONE_WAY, { flags: MSGPACK, aux: 1, body: packed(value) })
}

/** Until all that is on its way has come. */
async function settle(): Promise<void> {
  for (let turns = 0; turns < 20; turns += 1) await turn()
}

describe('what waits for a handler lets others have their turn, and keeps its order:', () => {
  it.for([
    ['answers at once', 0],
    ['has a promise', 1],
  ] as const)('calls, where it %s', async ([_, promises], { stage }) => {
    const { server, address } = await serving(stage)
    const gate = new Gate()
    const handler = (value: number): unknown => {
      const waits = gate.pass(value)
      return promises === 1 || waits !== undefined ? Promise.resolve(waits).then(() => value) : value
    }
    server.implement(Work, { do: handler as never, note: () => {}, feed: () => 0 }, { do: ONE_AT_A_TIME })
    const work = stage.client(address).use(Work)
    const calls = [0, ...VALUES].map((value) => work.do(value))
    await gate.pending()
    await settle()
    gate.open()
    await gate.watch(() => gate.seen.length > COUNT)
    expect(gate.most).toBe(PER_TURN)
    expect(gate.seen).toEqual([0, ...VALUES])
    expect(await Promise.all(calls)).toEqual([0, ...VALUES])
    expect(server.metrics().turnsYielded).toBeGreaterThanOrEqual(Math.floor(COUNT / PER_TURN))
  })

  it.for([
    ['returns at once', false],
    ['has a promise', true],
  ] as const)('one-way messages, where it %s', async ([_, promises], { stage }) => {
    const { server, address } = await serving(stage)
    const gate = new Gate()
    const handler = (value: unknown): unknown => {
      const waits = gate.pass(value as number)
      return promises ? Promise.resolve(waits) : waits
    }
    server.receive('note', handler, ONE_AT_A_TIME)
    const client = stage.client(address)
    await client.sendBatch('note', [0, ...VALUES])
    await gate.pending()
    await until(() => server.metrics().oneWayReceived > COUNT)
    await settle()
    gate.open()
    await gate.watch(() => gate.seen.length > COUNT)
    expect(gate.most).toBe(PER_TURN)
    expect(gate.seen).toEqual([0, ...VALUES])
  })

  it('one-way messages over the limit of a connection, whose handler has no bounds of its own', async ({ stage }) => {
    const { server, address } = await serving(stage, { maxOpenCalls: 1 })
    const gate = new Gate()
    server.receive('note', (value) => gate.pass(value as number))
    const client = stage.client(address)
    await client.sendBatch('note', [0, ...VALUES])
    await until(() => server.metrics().oneWayReceived > COUNT)
    await settle()
    gate.open()
    await gate.watch(() => gate.seen.length > COUNT)
    expect(gate.most).toBe(PER_TURN)
    expect(gate.seen).toEqual([0, ...VALUES])
  })

  it('batches, by the messages in them', async ({ stage }) => {
    const { server, address } = await serving(stage)
    const gate = new Gate()
    const handler = onBatch<unknown>((values) => {
      for (const value of values.slice(1)) void gate.pass(value as number)
      return gate.pass(values[0] as number)
    })
    server.receive('note', handler, ONE_AT_A_TIME)
    const client = stage.client(address)
    await client.send('note', 0)
    await gate.pending()
    // They come in batches of a turn, of as many as a turn of theirs may have.
    await client.sendBatch('note', VALUES)
    await until(() => server.metrics().oneWayReceived > COUNT)
    await settle()
    gate.open()
    await gate.watch(() => gate.seen.length > COUNT)
    // The last of a turn may pass the bound.
    expect(gate.most).toBeLessThan(2 * PER_TURN)
    expect([...gate.seen].sort((a, b) => a - b)).toEqual([0, ...VALUES])
  })

  it('streams', async ({ stage }) => {
    const { server, address } = await serving(stage)
    const gate = new Gate()
    const feed = async (values: AsyncIterable<number>): Promise<number> => {
      for await (const value of values) await gate.pass(value)
      return 0
    }
    server.implement(Work, { do: () => 0, note: () => {}, feed }, { feed: ONE_AT_A_TIME })
    const work = stage.client(address).use(Work)
    const streams = [0, ...VALUES].map((value) => work.feed([value]))
    await gate.pending()
    await until(() => server.metrics().streamMessagesReceived > COUNT)
    await settle()
    gate.open()
    await gate.watch(() => gate.seen.length > COUNT)
    expect(gate.most).toBe(PER_TURN)
    expect(gate.seen).toEqual([0, ...VALUES])
    await Promise.all(streams)
  })

  it('what takes its time has the turn end sooner', async ({ stage }) => {
    const { server, address, clock } = await serving(stage, { maxMessagesPerTurn: 1_024, maxTurnMs: 4 })
    const gate = new Gate()
    server.receive('note', (value) => gate.pass(value as number, () => clock.stall(1)), ONE_AT_A_TIME)
    const client = stage.client(address)
    await client.sendBatch('note', [0, ...VALUES])
    await until(() => server.metrics().oneWayReceived > COUNT)
    await settle()
    gate.open()
    await gate.watch(() => gate.seen.length > COUNT)
    expect(gate.most).toBe(4)
    expect(gate.seen).toEqual([0, ...VALUES])
  })

  it('what comes with a higher priority between two turns goes first, and the rest behind what waits', async ({
    stage,
  }) => {
    const { server, address } = await serving(stage)
    const gate = new Gate()
    const late = [COUNT + 1, COUNT + 2, COUNT + 3]
    server.receive('note', (value) => gate.pass(value as number), ONE_AT_A_TIME)
    const client = stage.client(address)
    await client.sendBatch('note', [0, ...VALUES])
    await until(() => server.metrics().oneWayReceived > COUNT)
    await settle()
    gate.open()
    await gate.watch(() => gate.seen.length > PER_TURN)
    const sent = [
      client.send('note', COUNT + 1),
      client.send('note', COUNT + 2, { priority: 'high' }),
      client.send('note', COUNT + 3),
    ]
    await gate.watch(() => gate.seen.length > COUNT + late.length)
    await Promise.all(sent)
    expect(gate.seen.filter((value) => value !== COUNT + 2)).toEqual([0, ...VALUES, COUNT + 1, COUNT + 3])
    expect(gate.seen.indexOf(COUNT + 2)).toBeLessThan(COUNT)
  })
})

describe('what waits for a handler while others have their turn', () => {
  it('is handled all the same when the connection of its sender is lost', async ({ stage }) => {
    const { server, address } = await serving(stage)
    const gate = new Gate()
    server.receive('note', (value) => gate.pass(value as number), ONE_AT_A_TIME)
    const peer = await dial(stage, address, 'note')
    peer.write(note(0), ...VALUES.map(note))
    await until(() => server.metrics().oneWayReceived > COUNT)
    gate.open()
    await gate.watch(() => gate.seen.length > PER_TURN)
    peer.destroy()
    await until(() => server.info().connections.length === 0)
    await gate.watch(() => gate.seen.length > COUNT)
    expect(gate.seen).toEqual([0, ...VALUES])
    expect(server.metrics()).toMatchObject({
      oneWayDropped: 0,
      handlersStarted: COUNT + 1,
      handlersFinished: COUNT + 1,
    })
  })

  it('never runs when it is a call whose connection is lost, and leaves its place to the next', async ({ stage }) => {
    const { server, address } = await serving(stage)
    const gate = new Gate()
    server.handle('do', (value) => gate.pass(value as number) ?? value, ONE_AT_A_TIME)
    const peer = await dial(stage, address, 'do')
    peer.write(callFrame(1, 1, 0), ...VALUES.map((value) => callFrame(value + 1, 1, value)))
    await gate.pending()
    await settle()
    const other = stage.client(address).call('do', COUNT + 1)
    await until(() => server.info().connections.length === 2)
    await settle()
    gate.open()
    await gate.watch(() => gate.seen.length > PER_TURN)
    peer.destroy()
    expect(await other).toBe(COUNT + 1)
    const { handlersStarted, handlersFinished } = server.metrics()
    expect(handlersStarted).toBeLessThan(COUNT)
    expect(handlersFinished).toBe(handlersStarted)
  })

  it.for([
    ['for a place of its handler', ONE_AT_A_TIME, 1_024],
    ['for a place of its connection', undefined, 1],
  ] as const)(
    '%s is handled before a server that closes is gone, which waits no longer than that',
    async ([_, options, maxOpenCalls], { stage }) => {
      const { server, address } = await serving(stage, { maxOpenCalls })
      const gate = new Gate()
      server.receive('note', (value) => gate.pass(value as number), options)
      const peer = await dial(stage, address, 'note')
      peer.write(note(0), ...VALUES.map(note))
      await until(() => server.metrics().oneWayReceived > COUNT)
      let closed = false
      const closing = server.close().then(() => {
        closed = true
      })
      await settle()
      await settle()
      gate.open()
      await gate.watch(() => gate.seen.length > PER_TURN)
      expect(closed).toBe(false)
      // Time stands still: nothing but the end of the last handler can end this.
      await until(() => closed)
      await closing
      expect(gate.seen).toEqual([0, ...VALUES])
    },
  )

  it('is what its connection waits for that is closing, also where the place was free on another', async ({
    stage,
  }) => {
    const { server, address } = await serving(stage)
    const gate = new Gate()
    server.receive('note', (value) => gate.pass(value as number), ONE_AT_A_TIME)
    const first = await dial(stage, address, 'note')
    first.write(note(0))
    await gate.pending()
    const second = await dial(stage, address, 'note')
    second.write(...VALUES.map(note))
    await until(() => server.metrics().oneWayReceived > COUNT)
    let closed = false
    const closing = server.close().then(() => {
      closed = true
    })
    await settle()
    expect(closed).toBe(false)
    gate.open()
    await until(() => closed)
    await closing
    expect(gate.seen).toEqual([0, ...VALUES])
  })
})
