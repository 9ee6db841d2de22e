import { describe, expect } from 'vitest'
import { type Client, defineService, oneWay, type Server, type TransportError } from '../../src/index.js'
import type { Overflow } from '../../src/mailbox/mailbox.js'
import { KIND } from '../../src/wire/frame.js'
import { FEATURE } from '../../src/wire/hello.js'
import { packed } from '../fixtures/raw-peer.js'
import { deadAddress, it, type Stage, turn, until } from '../fixtures/stage.js'
import { VirtualClock } from '../support/virtual-clock.js'

interface State {
  readonly key: string
  readonly value: number
}

const DELAY_MS = 10
const MAX_ITEMS = 100

/** The newest state of each key is what counts. */
const States = defineService('states', {
  tell: oneWay<State>().coalesce({
    key: ({ key }) => key,
    merge: (_older, newer) => newer,
    maxDelayMs: DELAY_MS,
    maxItems: MAX_ITEMS,
  }),
  fill: oneWay<Uint8Array>(),
})

const WINDOW = 1_024
/** What fits the mailbox. */
const ROOM = 2
const PLAIN = { compression: { algorithm: 'none' }, heartbeat: { intervalMs: 0 }, pool: { min: 1, max: 1 } } as const

interface Scene {
  readonly clock: VirtualClock
  readonly client: Client
  readonly server: Server
  readonly tell: (key: string, value: number, options?: Parameters<Client['send']>[2]) => Promise<void>
  /** What arrived, key and value. */
  readonly seen: string[]
  /** Lets the receiver go on. */
  readonly release: () => void
}

/** A client whose receiver takes its time, if it is told to. */
async function scene(stage: Stage, overflow: Overflow): Promise<Scene> {
  const { server, address } = await stage.listening({ flow: { laneWindowBytes: WINDOW } })
  const seen: string[] = []
  let release: () => void = () => {}
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  server.implement(States, { tell: ({ key, value }) => void seen.push(`${key}${value}`), fill: () => released })
  const clock = new VirtualClock()
  const client = stage.client(address, { ...PLAIN, clock, mailbox: { maxMessages: ROOM, overflow } })
  await client.connect()
  const states = client.use(States)
  const tell: Scene['tell'] = (key, value, options) => states.tell({ key, value }, options)
  return { clock, client, server, tell, seen, release }
}

/** The same, where the credit of the lane is used up and its mailbox is full. */
async function stuckScene(stage: Stage, overflow: Overflow): Promise<Scene> {
  const made = await scene(stage, overflow)
  for (let count = 0; count < 1 + ROOM; count += 1) {
    expect(made.client.trySend('states.fill', Buffer.alloc(WINDOW))).toBe(true)
  }
  return made
}

function counts(client: Client): number[] {
  const { oneWayCoalesced, oneWayRefused, oneWayDropped } = client.metrics()
  return [oneWayCoalesced, oneWayRefused, oneWayDropped]
}

async function settle(): Promise<void> {
  for (let turns = 0; turns < 20; turns += 1) await turn()
}

describe('a merged message that finds no room', () => {
  it('has those of other keys wait, and is merged with those of its own', async ({ stage }) => {
    const { clock, client, tell, seen, release } = await stuckScene(stage, 'wait')
    await tell('a', 1)
    clock.advance(2 * DELAY_MS)
    let taken = false
    const other = tell('b', 1).then(() => {
      taken = true
    })
    await tell('a', 2)
    expect(client.trySend('states.tell', { key: 'a', value: 3 })).toBe(true)
    expect(client.trySend('states.tell', { key: 'c', value: 1 })).toBe(false)
    await settle()
    expect([taken, seen]).toEqual([false, []])
    release()
    await other
    clock.advance(2 * DELAY_MS)
    await until(() => seen.length === 2)
    expect([seen, counts(client)]).toEqual([
      ['a3', 'b1'],
      [4, 1, 0],
    ])
  })

  it('is one of no more than maxItems, however many are sent, and all arrive in order', async ({ stage }) => {
    const { client, tell, seen, release } = await stuckScene(stage, 'wait')
    let taken = 0
    const keys = Array.from({ length: 5 * MAX_ITEMS }, (_, index) => `k${index}:`)
    const all = keys.map((key) =>
      tell(key, 0).then(() => {
        taken += 1
      }),
    )
    await settle()
    expect(taken).toBe(MAX_ITEMS)
    release()
    await Promise.all(all)
    await until(() => seen.length === keys.length)
    expect(seen).toEqual(keys.map((key) => `${key}0`))
    expect(counts(client)).toEqual([keys.length, 0, 0])
  })

  it.for([
    ['reject', 'refused', [2, 3, 0]],
    ['drop-newest', 'dropped', [2, 0, 3]],
  ] as const)(
    'by the policy %s has those of other keys %s, as are those of other methods',
    async ([overflow, , expected], { stage }) => {
      const { clock, client, tell, seen, release } = await stuckScene(stage, overflow)
      await tell('a', 1)
      clock.advance(2 * DELAY_MS)
      for (const sent of [tell('b', 1), client.send('states.fill', Buffer.alloc(1))]) {
        const outcome = sent.then(
          () => 'dropped',
          ({ code }: TransportError) => code,
        )
        expect(await outcome).toBe(overflow === 'reject' ? 'RESOURCE_EXHAUSTED' : 'dropped')
      }
      expect(client.trySend('states.tell', { key: 'b', value: 2 })).toBe(false)
      await tell('a', 2)
      expect(counts(client)).toEqual(expected)
      release()
      await until(() => seen.length === 1)
      expect([seen, counts(client)]).toEqual([['a2'], expected])
    },
  )

  it('by the policy drop-oldest takes the place of what waits', async ({ stage }) => {
    const { clock, client, tell, seen, release } = await stuckScene(stage, 'drop-oldest')
    for (const key of ['a', 'b', 'c']) await tell(key, 1)
    clock.advance(2 * DELAY_MS)
    await tell('d', 1)
    expect(counts(client)).toEqual([4, 0, ROOM + 1])
    release()
    await until(() => seen.length === ROOM)
    expect(seen).toEqual(['b1', 'c1'])
  })

  it('because too many bytes wait for the peer has those of other keys refused, and leaves when it reads', async ({
    stage,
  }) => {
    const clock = new VirtualClock()
    const { client, peer } = await stage.clientAndPeer({ ...PLAIN, clock, limits: { maxQueuedBytes: 1_024 } })
    const states = client.use(States)
    peer.socket.pause()
    while (client.trySend('states.fill', Buffer.alloc(900_000))) await turn()
    await states.tell({ key: 'a', value: 1 })
    clock.advance(2 * DELAY_MS)
    await expect(states.tell({ key: 'b', value: 1 })).rejects.toMatchObject({ code: 'RESOURCE_EXHAUSTED' })
    await states.tell({ key: 'a', value: 2 })
    expect(counts(client)).toEqual([2, 2, 0])
    peer.socket.resume()
    let arrived = await peer.nextOf(KIND.ONE_WAY)
    while (!arrived.body.includes('key')) arrived = await peer.nextOf(KIND.ONE_WAY)
    expect(arrived.body).toEqual(packed({ key: 'a', value: 2 }))
  })

  it('leaves while the connection is drained: who waits behind it is told that the client closes', async ({
    stage,
  }) => {
    const { clock, client, tell, seen, release } = await stuckScene(stage, 'wait')
    for (const key of ['a', 'b', 'c', 'd']) await tell(key, 1)
    clock.advance(2 * DELAY_MS)
    const other = tell('e', 1)
    const closing = client.close()
    await expect(other).rejects.toMatchObject({ reason: 'closed', processed: 'no' })
    release()
    await closing
    expect([seen, counts(client)]).toEqual([
      ['a1', 'b1', 'c1', 'd1'],
      [4, 0, 0],
    ])
  })

  it('is counted as dropped where the grace of the client is over before there is any', async ({ stage }) => {
    const { clock, client, tell, release } = await stuckScene(stage, 'wait')
    await tell('a', 1)
    await tell('b', 1)
    clock.advance(2 * DELAY_MS)
    const closing = client.close({ graceMs: 100 })
    clock.advance(200)
    await closing
    expect(counts(client)).toEqual([2, 0, ROOM + 2])
    release()
  })

  it('goes to another connection where its own is lost', async ({ stage }) => {
    const raw = await stage.rawServer()
    const clock = new VirtualClock()
    const client = stage.client(raw.address, { ...PLAIN, clock, mailbox: { maxMessages: ROOM } })
    const flow = { maxStreams: 1, streamWindowBytes: WINDOW, laneWindowBytes: WINDOW }
    const peer = await raw.greeted({ features: FEATURE.FLOW, flow })
    const states = client.use(States)
    await client.connect()
    for (let count = 0; count < 1 + ROOM; count += 1) client.trySend('states.fill', Buffer.alloc(WINDOW))
    await states.tell({ key: 'a', value: 1 })
    clock.advance(2 * DELAY_MS)
    const other = states.tell({ key: 'b', value: 1 })
    peer.socket.resetAndDestroy()
    let connected = false
    const next = raw.greeted().then((again) => {
      connected = true
      return again
    })
    await until(() => {
      clock.advance(1_000)
      return connected
    })
    await other
    clock.advance(2 * DELAY_MS)
    for (const key of ['a', 'b']) {
      expect((await (await next).nextOf(KIND.ONE_WAY)).body).toEqual(packed({ key, value: 1 }))
    }
    expect(counts(client)).toEqual([2, 0, ROOM])
  })

  it('and no connection either is counted as dropped, and who waits behind it is told', async ({ stage }) => {
    const clock = new VirtualClock()
    const client = stage.client(await deadAddress(), { ...PLAIN, clock, mailbox: { overflow: 'reject' } })
    const states = client.use(States)
    await states.tell({ key: 'a', value: 1 })
    clock.advance(2 * DELAY_MS)
    // Whoever has no connection waits for one, also where the mailbox rejects.
    await expect(states.tell({ key: 'b', value: 1 })).rejects.toMatchObject({ reason: 'connect-refused' })
    expect(counts(client)).toEqual([1, 0, 1])
  })
})

describe('a message that leaves by itself', () => {
  const metadata = { from: 'me' }

  it('leaves behind what its method has merged before', async ({ stage }) => {
    const { tell, seen } = await scene(stage, 'wait')
    await tell('a', 1)
    await tell('b', 1, { priority: 'low' })
    await tell('a', 2, { metadata })
    await until(() => seen.length === 3)
    expect(seen.filter((one) => one.startsWith('a'))).toEqual(['a1', 'a2'])
  })

  it('tried at once leaves behind it as well, where there is room, and otherwise not at all', async ({ stage }) => {
    const { client, tell, seen } = await scene(stage, 'wait')
    await tell('a', 1)
    expect(client.trySend('states.tell', { key: 'a', value: 2 }, { metadata })).toBe(true)
    await until(() => seen.length === 2)
    expect(seen).toEqual(['a1', 'a2'])
    const stuck = await stuckScene(stage, 'wait')
    await stuck.tell('a', 1)
    expect(stuck.client.trySend('states.tell', { key: 'a', value: 2 }, { metadata })).toBe(false)
    expect(counts(stuck.client)).toEqual([1, 1, 0])
    stuck.release()
    await until(() => stuck.seen.length === 1)
  })

  it('waits behind what has no room, and what comes later is not merged past it', async ({ stage }) => {
    const { clock, tell, seen, release } = await stuckScene(stage, 'wait')
    await tell('a', 1)
    clock.advance(2 * DELAY_MS)
    let taken = 0
    const sends = [
      tell('b', 1),
      tell('a', 2, { metadata }),
      tell('a', 3),
      tell('b', 2, { metadata }),
      tell('b', 3),
    ].map((sent) =>
      sent.then(() => {
        taken += 1
      }),
    )
    await settle()
    expect(taken).toBe(0)
    release()
    await Promise.all(sends)
    clock.advance(2 * DELAY_MS)
    await until(() => seen.length === 6)
    expect(seen).toEqual(['a1', 'b1', 'a2', 'a3', 'b2', 'b3'])
  })

  it('out of a getter of another message loses nothing of what was merged', async ({ stage }) => {
    const { client, server, tell, seen } = await scene(stage, 'wait')
    server.receive('note', () => {})
    await tell('a', 1)
    const inner: Promise<void>[] = []
    await client.send('note', {
      get value() {
        if (inner.length === 0) inner.push(tell('a', 2, { metadata }))
        return 1
      },
    })
    await Promise.all(inner)
    await until(() => seen.length === 2)
    expect([seen, counts(client)]).toEqual([
      ['a1', 'a2'],
      [1, 0, 0],
    ])
  })
})
