import { describe, expect } from 'vitest'
import type { Processed } from '../../src/base/errors.js'
import {
  type CallOptions,
  type Client,
  type ClientOptions,
  defineService,
  serverStream,
  TransportError,
  unary,
} from '../../src/index.js'
import { encodeFault } from '../../src/wire/fault.js'
import { KIND } from '../../src/wire/frame.js'
import { FEATURE, type HelloFields } from '../../src/wire/hello.js'
import { answerFrame, type Frame, frame, goAwayFrame, type RawPeer, type RawServer } from '../fixtures/raw-peer.js'
import { it, type Stage, turn, until } from '../fixtures/stage.js'
import { VirtualClock } from '../support/virtual-clock.js'

const UNAVAILABLE = 14
const RESOURCE_EXHAUSTED = 8

const Ledger = defineService('ledger', {
  add: unary<number, number>(),
  set: unary<number, number>({ idempotent: true }),
  get: unary<number, number>({ idempotent: true, hedge: { delayMs: 50, maxAttempts: 3 } }),
  watch: serverStream<number, number>(),
})

function errorOf({ id }: Frame, processed: Processed, reason = '', status = UNAVAILABLE, retryAfterMs = 0): Buffer {
  return frame(KIND.ERROR, { aux: status, id, body: encodeFault({ processed, retryAfterMs, reason, message: '' }) })
}

interface Scene {
  readonly client: Client
  readonly clock: VirtualClock
  readonly peer: RawPeer
  readonly raw: RawServer
}

const STREAMS: Partial<HelloFields> = {
  features: FEATURE.FLOW,
  flow: { maxStreams: 16, streamWindowBytes: 65_536, laneWindowBytes: 65_536 },
}

async function scene(stage: Stage, options: ClientOptions = {}): Promise<Scene> {
  const clock = new VirtualClock()
  return { clock, ...(await stage.clientAndPeer({ clock, pool: { max: 1 }, ...options }, STREAMS)) }
}

async function settle(): Promise<void> {
  for (let turns = 0; turns < 20; turns += 1) await turn()
}

/** The next attempt, after as much time as it takes. */
async function nextCall(peer: RawPeer, clock: VirtualClock, stepMs = 5): Promise<Frame> {
  for (let steps = 0; steps < 2_000; steps += 1) {
    const found = peer.unread.some(({ kind }) => kind === KIND.CALL)
    if (found) return peer.nextOf(KIND.CALL)
    clock.advance(stepMs)
    await turn()
  }
  throw new Error('there was no other attempt')
}

/** Refuses whatever comes until `outcome` is there. Returns how many calls came. Time passes only between attempts. */
async function refuseUntil(
  outcome: Promise<unknown>,
  { client, clock, peers }: Pick<Scene, 'client' | 'clock'> & { readonly peers: readonly RawPeer[] },
  ...fault: [Processed, string?]
): Promise<number> {
  let seen = 0
  let settled = false
  const note = (): void => {
    settled = true
  }
  outcome.then(note, note)
  while (!settled) {
    for (const peer of peers) {
      while (peer.unread.length > 0) {
        const next = await peer.next()
        if (next.kind !== KIND.CALL) continue
        seen += 1
        peer.write(errorOf(next, ...fault))
      }
    }
    if (client.info().waitingCalls > 0) clock.advance(5)
    await turn()
  }
  return seen
}

/** What became of a call whose first attempt failed so, where a second would have been answered. */
async function madeAgain(stage: Stage, options: CallOptions, ...fault: [Processed, string, number]): Promise<boolean> {
  const { client, clock, peer } = await scene(stage)
  const call = client.call('ledger.add', 1, options)
  peer.write(errorOf(await peer.nextOf(KIND.CALL), ...fault))
  const outcome = call.then(
    () => true,
    () => false,
  )
  await settle()
  clock.advance(20)
  await settle()
  for (const { kind, id } of peer.unread) if (kind === KIND.CALL) peer.write(answerFrame(id, 2))
  const again = await outcome
  expect(client.metrics().callsRetried).toBe(Number(again))
  return again
}

describe('a call that failed', () => {
  it.for([
    ['no', '', UNAVAILABLE, true, true],
    ['no', 'overloaded', RESOURCE_EXHAUSTED, true, true],
    ['no', 'queue-full', RESOURCE_EXHAUSTED, true, true],
    ['no', 'too-many-open-calls', RESOURCE_EXHAUSTED, true, true],
    ['no', 'message-too-large', RESOURCE_EXHAUSTED, false, false],
    ['no', 'method-unknown', 12, false, false],
    ['no', 'msgpack-depth', RESOURCE_EXHAUSTED, false, false],
    ['maybe', 'connection-lost', UNAVAILABLE, false, true],
    ['yes', '', UNAVAILABLE, false, true],
    ['yes', '', RESOURCE_EXHAUSTED, false, true],
    ['yes', 'handler-failed', 2, false, false],
    ['yes', 'deadline', 4, false, false],
    ['yes', '', 13, false, false],
  ] as const)(
    'with processed %s, reason "%s" and status %i is made again: %s, and where it is idempotent: %s',
    async ([processed, reason, status, plain, idempotent], { stage }) => {
      expect(await madeAgain(stage, {}, processed, reason, status)).toBe(plain)
      expect(await madeAgain(stage, { idempotent: true }, processed, reason, status)).toBe(idempotent)
    },
  )

  it('is made as often as retry.maxAttempts says, and tells so, and whether any attempt may have run', async ({
    stage,
  }) => {
    const { client, clock, peer } = await scene(stage, { retry: { maxAttempts: 3 } })
    const call = expect(client.use(Ledger).set(1)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      processed: 'maybe',
      retryable: false,
      details: { attempts: 3 },
    })
    for (const processed of ['no', 'maybe', 'no'] as const) peer.write(errorOf(await nextCall(peer, clock), processed))
    await call
    expect(client.metrics()).toMatchObject({ callsStarted: 1, callsFailed: 1, callsRetried: 2 })
  })

  it('is made once where retry.maxAttempts is 1', async ({ stage }) => {
    const { client, peer } = await scene(stage, { retry: { maxAttempts: 1 } })
    const call = client.call('ledger.add', 1)
    peer.write(errorOf(await peer.nextOf(KIND.CALL), 'no'))
    await expect(call).rejects.toMatchObject({ code: 'UNAVAILABLE', processed: 'no', details: {} })
  })

  it('waits as long as the server wants before it is made again', async ({ stage }) => {
    const { client, clock, peer } = await scene(stage)
    const call = client.call('ledger.add', 1)
    peer.write(errorOf(await peer.nextOf(KIND.CALL), 'no', 'overloaded', RESOURCE_EXHAUSTED, 400))
    await until(() => client.metrics().callsRetried === 1)
    clock.advance(399)
    await settle()
    expect(peer.unread).toEqual([])
    expect(client.info().waitingCalls).toBe(1)
    clock.advance(5)
    const { id, body } = await peer.nextOf(KIND.CALL)
    // What is left of its time travels with it.
    expect(body.readUInt32LE(0)).toBeLessThanOrEqual(30_000 - 400)
    peer.write(answerFrame(id, 2))
    expect(await call).toBe(2)
  })

  it('is told at once where the pause would take it past its deadline', async ({ stage }) => {
    const { client, peer } = await scene(stage)
    const call = client.call('ledger.add', 1, { timeoutMs: 300 })
    peer.write(errorOf(await peer.nextOf(KIND.CALL), 'no', 'overloaded', RESOURCE_EXHAUSTED, 300))
    await expect(call).rejects.toMatchObject({ reason: 'overloaded', retryAfterMs: 300, processed: 'no' })
    expect(client.metrics().callsRetried).toBe(0)
  })

  it('takes a token for each attempt more, and fails where there is none', async ({ stage }) => {
    const { client, clock, peer } = await scene(stage, { retry: { budgetTokens: 2, successesPerToken: 2 } })
    const fail = async (): Promise<number> => {
      const before = client.metrics().callsRetried
      await refuseUntil(client.call('ledger.add', 1), { client, clock, peers: [peer] }, 'no')
      return client.metrics().callsRetried - before
    }
    expect([await fail(), await fail()]).toEqual([2, 0])
    expect(client.metrics().retriesRefused).toBe(1)
    for (let count = 0; count < 2; count += 1) {
      const call = client.call('ledger.add', 1)
      peer.write(answerFrame((await peer.nextOf(KIND.CALL)).id, 1))
      await call
    }
    expect(await fail()).toBe(1)
  })

  it('can be cancelled between two attempts, and is not made again', async ({ stage }) => {
    const { client, clock, peer } = await scene(stage)
    const controller = new AbortController()
    const call = client.call('ledger.add', 1, { signal: controller.signal, idempotent: true })
    peer.write(errorOf(await peer.nextOf(KIND.CALL), 'maybe'))
    await until(() => client.metrics().callsRetried === 1)
    controller.abort()
    await expect(call).rejects.toMatchObject({ code: 'CANCELLED', processed: 'maybe', details: { attempts: 2 } })
    clock.advance(1_000)
    await settle()
    expect(peer.unread).toEqual([])
  })

  it('fails between two attempts when the client is closed', async ({ stage }) => {
    const { client, peer } = await scene(stage)
    const call = expect(client.call('ledger.add', 1)).rejects.toMatchObject({ reason: 'closed', processed: 'no' })
    peer.write(errorOf(await peer.nextOf(KIND.CALL), 'no'))
    await until(() => client.metrics().callsRetried === 1)
    const closing = client.close({ graceMs: 0 })
    await call
    peer.destroy()
    await closing
  })

  it('is not sent by the connection that it has left, also where that one had not sent it yet', async ({ stage }) => {
    const { client, peer, raw } = await scene(stage, { compression: { algorithm: 'none' } })
    peer.socket.pause()
    const filling = client.call('ledger.add', Buffer.alloc(1_000_000), { timeoutMs: 60_000 })
    const more = Array.from({ length: 12 }, () => client.call('ledger.add', Buffer.alloc(1_000_000)).catch(() => {}))
    await turn()
    const held = client.call('ledger.add', 'held')
    await settle()
    peer.write(goAwayFrame(1))
    const next = await raw.greeted()
    const seen: string[] = []
    const answer = async (from: RawPeer): Promise<void> => {
      for (;;) {
        const { id, body } = await from.nextOf(KIND.CALL)
        if (body.includes('held')) seen.push('held')
        from.write(answerFrame(id, 0))
      }
    }
    answer(next).catch(() => {})
    peer.socket.resume()
    answer(peer).catch(() => {})
    expect(await held).toBe(0)
    await filling
    await Promise.all(more)
    expect(seen).toEqual(['held'])
  })

  it('goes from server to server while they leave one after the other, twice without a token', async ({ stage }) => {
    const { client, clock, peer, raw } = await scene(stage, { retry: { budgetTokens: 1 } })
    const call = client.call('ledger.add', 1)
    const outcome = expect(call).rejects.toMatchObject({ code: 'UNAVAILABLE', processed: 'no' })
    await peer.nextOf(KIND.CALL)
    peer.write(goAwayFrame(0))
    let last = peer
    for (let moves = 1; moves <= 3; moves += 1) {
      last.destroy()
      const next = raw.greeted()
      let there = false
      void next.then(() => {
        there = true
      })
      while (!there) {
        clock.advance(5)
        await turn()
      }
      last = await next
      await last.nextOf(KIND.CALL)
      expect(client.metrics()).toMatchObject({ callsMoved: Math.min(moves, 2), callsRetried: Number(moves === 3) })
      if (moves < 3) last.write(goAwayFrame(0))
    }
    // There is no other token: a call is not passed on for ever.
    last.write(goAwayFrame(0))
    await outcome
  })
})

describe('a client whose server fails everything', () => {
  it('makes no more than 1.2 times the calls that were offered, and ten a second', async ({ stage }) => {
    const { server, address } = await stage.listening()
    server.implement(Ledger, {
      add: () => 0,
      set: () => {
        throw new TransportError('broken', { code: 'UNAVAILABLE', origin: 'user' })
      },
      get: () => 0,
      watch: async function* () {},
    })
    const client = stage.client(address, { retry: { minBackoffMs: 1, maxBackoffMs: 1 } })
    const { set } = client.use(Ledger)
    const OFFERED = 500
    for (let offered = 0; offered < OFFERED; offered += 1) await set(offered).catch(() => {})
    expect(client.metrics().callsFailed).toBe(OFFERED)
    expect(server.metrics().handlersStarted).toBeLessThanOrEqual(OFFERED + 10)
    expect(client.metrics().callsRetried).toBe(10)
  })

  it.for([
    ['going-away', 1],
    ['closed', 1],
    ['going-away', 4],
  ] as const)(
    'makes no more either where it says that it leaves (%s) and stays, on %i connections',
    async ([reason, connections], { stage }) => {
      const clock = new VirtualClock()
      const raw = await stage.rawServer()
      const client = stage.client(raw.address, { clock, pool: { min: connections, max: connections } })
      const peers = await Promise.all(Array.from({ length: connections }, () => raw.greeted()))
      await until(() => client.info().pool.ready === connections)
      const OFFERED = 500
      let seen = 0
      for (let offered = 0; offered < OFFERED; offered += 10) {
        const calls = Array.from({ length: 10 }, (_, n) => client.call('ledger.add', n))
        const outcomes = Promise.allSettled(calls)
        seen += await refuseUntil(outcomes, { client, clock, peers }, 'no', reason)
        for (const outcome of await outcomes) expect(outcome).toMatchObject({ reason: { reason, processed: 'no' } })
      }
      const { callsRetried, callsMoved } = client.metrics()
      expect([callsRetried, seen]).toEqual([10, OFFERED + callsRetried + callsMoved])
      expect(seen).toBeLessThanOrEqual(OFFERED * 1.2 + 10)
    },
  )

  it('loses no call when it leaves in the end, and has answered some', async ({ stage }) => {
    const { client, peer, raw } = await scene(stage, { retry: { maxAttempts: 1 } })
    const calls = Array.from({ length: 50 }, (_, n) => client.call('ledger.add', n))
    const seen: Frame[] = []
    for (let count = 0; count < 50; count += 1) seen.push(await peer.nextOf(KIND.CALL))
    peer.write(answerFrame(1, 'old'), goAwayFrame(1))
    const next = await raw.greeted()
    for (let count = 1; count < 50; count += 1) next.write(answerFrame((await next.nextOf(KIND.CALL)).id, 'new'))
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['old', 'new']))
    expect(client.metrics()).toMatchObject({ callsMoved: 49, callsRetried: 0, retriesRefused: 0 })
  })
})

describe('a client whose server refuses everything for want of time', () => {
  it('keeps most calls to itself after a while, by a name of its own, and sends all again in five seconds', async ({
    stage,
  }) => {
    const { client, clock, peer } = await scene(stage, { retry: { maxAttempts: 1 } })
    const offer = async (answer: (call: Frame) => Buffer): Promise<number> => {
      const call = client.call('ledger.add', 1).catch(() => {})
      await settle()
      const calls = peer.unread.filter(({ kind }) => kind === KIND.CALL)
      for (const one of calls) peer.write(answer(one))
      if (calls.length > 0) await peer.nextOf(KIND.CALL)
      await call
      clock.advance(10)
      return calls.length
    }
    const refuse = (call: Frame): Buffer => errorOf(call, 'no', 'overloaded', RESOURCE_EXHAUSTED)
    for (let count = 0; count < 100; count += 1) await offer(refuse)
    let sent = 0
    for (let count = 0; count < 100; count += 1) sent += await offer(refuse)
    expect(sent).toBeLessThan(25)
    expect(client.metrics().failures.throttled).toBeGreaterThan(100)
    for (let count = 0; count < 480; count += 1) await offer(({ id }) => answerFrame(id, 1))
    let again = 0
    for (let count = 0; count < 20; count += 1) again += await offer(({ id }) => answerFrame(id, 1))
    expect(again).toBe(20)
  })

  it('keeps streams to itself as it does calls', async ({ stage }) => {
    const { client, clock, peer } = await scene(stage)
    const { watch } = client.use(Ledger)
    const offer = async (): Promise<number> => {
      const stream = watch(1)
      const next = stream.next().catch((error: unknown) => error)
      await settle()
      const opened = peer.unread.filter(({ kind }) => kind === KIND.STREAM_OPEN)
      const fault = { processed: 'no', retryAfterMs: 0, reason: 'overloaded', message: '' } as const
      for (const { id } of opened) {
        peer.write(frame(KIND.STREAM_END, { aux: RESOURCE_EXHAUSTED, id, body: encodeFault(fault) }))
        await peer.nextOf(KIND.STREAM_OPEN)
      }
      const reason = opened.length > 0 ? 'overloaded' : 'throttled'
      expect(await next).toMatchObject({ code: 'RESOURCE_EXHAUSTED', reason, processed: 'no' })
      clock.advance(10)
      return opened.length
    }
    for (let count = 0; count < 100; count += 1) await offer()
    let sent = 0
    for (let count = 0; count < 100; count += 1) sent += await offer()
    expect(sent).toBeLessThan(25)
    expect(client.metrics()).toMatchObject({ callsStarted: 200, callsFailed: 200 })
    expect(client.info().connections).toMatchObject([{ openStreams: 0 }])
  })
})

describe('a hedged call', () => {
  async function two(stage: Stage, options: ClientOptions = {}) {
    const clock = new VirtualClock()
    const raw = await stage.rawServer()
    const client = stage.client(raw.address, { clock, pool: { min: 2, max: 2 }, ...options })
    const peers = [await raw.greeted(), await raw.greeted()] as const
    await until(() => client.info().pool.ready === 2)
    const calls = (): Promise<Frame>[] => peers.map((peer) => peer.nextOf(KIND.CALL))
    return { clock, client, peers, get: client.use(Ledger).get, calls }
  }

  it('is made on another connection when it has no answer in time; the first answer counts, the other is cancelled', async ({
    stage,
  }) => {
    const { clock, client, peers, get, calls } = await two(stage)
    const call = get(1)
    await settle()
    clock.advance(49)
    await settle()
    expect(client.metrics().callsHedged).toBe(0)
    clock.advance(4)
    const [first, second] = await Promise.all(calls())
    peers[1].write(answerFrame((second as Frame).id, 7))
    expect(await call).toBe(7)
    expect(await peers[0].nextOf(KIND.CANCEL)).toMatchObject({ id: (first as Frame).id })
    // The other answer crosses the cancel, and only gives its place back.
    peers[0].write(answerFrame((first as Frame).id, 8))
    await until(() => client.info().connections.every(({ openCalls }) => openCalls === 0))
    expect(client.metrics()).toMatchObject({ callsStarted: 1, callsSucceeded: 1, callsFailed: 0, callsHedged: 1 })
  })

  it('is made no more often than it may, and not at all without a token', async ({ stage }) => {
    const { clock, client, get } = await two(stage)
    const call = get(1, { timeoutMs: 1_000 })
    const outcome = expect(call).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      processed: 'maybe',
      details: { attempts: 3 },
    })
    await settle()
    for (let step = 0; step < 60; step += 1) {
      clock.advance(20)
      await turn()
    }
    await outcome
    expect(client.metrics()).toMatchObject({ callsHedged: 2, callsFailed: 1 })
    const poor = await two(stage, { retry: { budgetTokens: 1 } })
    const refused = expect(poor.get(1, { timeoutMs: 1_000 })).rejects.toMatchObject({ details: { attempts: 2 } })
    await settle()
    for (let step = 0; step < 60; step += 1) {
      poor.clock.advance(20)
      await turn()
    }
    await refused
    expect(poor.client.metrics()).toMatchObject({ callsHedged: 1, retriesRefused: 1 })
  })

  it('is moved by a server that leaves like any other: that is no attempt, and takes no token', async ({ stage }) => {
    const { client, peers, get } = await two(stage)
    const call = get(1)
    await settle()
    const at = peers[0].unread.some(({ kind }) => kind === KIND.CALL) ? 0 : 1
    const { id } = await peers[at].nextOf(KIND.CALL)
    peers[at].write(goAwayFrame(id - 1))
    const moved = await peers[1 - at]?.nextOf(KIND.CALL)
    peers[1 - at]?.write(answerFrame((moved as Frame).id, 7))
    expect(await call).toBe(7)
    expect(client.metrics()).toMatchObject({ callsMoved: 1, callsHedged: 0, callsRetried: 0, callsSucceeded: 1 })
  })

  it('takes a token where its server says that it leaves, and stays', async ({ stage }) => {
    const { clock, client, peers, get } = await two(stage)
    let seen = 0
    for (let offered = 0; offered < 50; offered += 1) {
      seen += await refuseUntil(get(1), { client, clock, peers }, 'no', 'going-away')
    }
    expect(client.metrics()).toMatchObject({ callsFailed: 50, callsHedged: 0 })
    expect(seen).toBeLessThanOrEqual(50 * 1.2 + 10)
  })

  it('is made once where its caller says that it must not run twice', async ({ stage }) => {
    const { clock, client, peers, get } = await two(stage)
    const call = get(1, { idempotent: false })
    await settle()
    clock.advance(200)
    await settle()
    const made = peers.flatMap(({ unread }) => unread.filter(({ kind }) => kind === KIND.CALL))
    expect(made).toHaveLength(1)
    expect(client.metrics().callsHedged).toBe(0)
    for (const peer of peers) {
      if (peer.unread.some(({ kind }) => kind === KIND.CALL)) peer.write(answerFrame((made[0] as Frame).id, 3))
    }
    expect(await call).toBe(3)
  })

  it('goes on in its other attempts when one fails, and at once in another where there is none', async ({ stage }) => {
    const { clock, client, peers, get } = await two(stage)
    const call = get(1)
    await settle()
    const at = peers[0].unread.some(({ kind }) => kind === KIND.CALL) ? 0 : 1
    peers[at].write(errorOf(await peers[at].nextOf(KIND.CALL), 'maybe'))
    const second = await peers[1 - at]?.nextOf(KIND.CALL)
    clock.advance(60)
    const third = await peers[at].nextOf(KIND.CALL)
    peers[1 - at]?.write(errorOf(second as Frame, 'yes'))
    await settle()
    peers[at].write(answerFrame(third.id, 9))
    expect(await call).toBe(9)
    expect(client.metrics()).toMatchObject({ callsHedged: 1, callsStarted: 1, callsSucceeded: 1 })
  })

  it('ends in all of its attempts when it is cancelled, or when one fails for good', async ({ stage }) => {
    const { clock, peers, get, calls } = await two(stage)
    for (const how of ['cancel', 'fail'] as const) {
      const controller = new AbortController()
      const call = get(1, { signal: controller.signal })
      const settled = expect(call).rejects.toMatchObject({
        code: how === 'cancel' ? 'CANCELLED' : 'INTERNAL',
        details: { attempts: 2 },
      })
      await settle()
      clock.advance(52)
      const [first, second] = (await Promise.all(calls())) as [Frame, Frame]
      if (how === 'fail') peers[0].write(errorOf(first, 'yes', '', 13))
      else {
        controller.abort()
        expect(await peers[0].nextOf(KIND.CANCEL)).toMatchObject({ id: first.id })
      }
      await settled
      expect(await peers[1].nextOf(KIND.CANCEL)).toMatchObject({ id: second.id })
    }
  })

  it('is answered by the attempt that is under way where another is not even sent', async ({ stage }) => {
    // Chance has it that all is kept back that may be.
    const random = { next: () => 0, bytes: (count: number) => new Uint8Array(count) }
    const { clock, client, peers, get } = await two(stage, { random, retry: { maxAttempts: 1 } })
    const call = get(1)
    await settle()
    const at = peers[0].unread.some(({ kind }) => kind === KIND.CALL) ? 0 : 1
    const { id } = await peers[at].nextOf(KIND.CALL)
    const others = Promise.allSettled(Array.from({ length: 40 }, () => client.call('ledger.add', 1)))
    const sent = (peer: RawPeer): Frame[] => peer.unread.filter(({ kind }) => kind === KIND.CALL)
    await until(() => peers.flatMap(sent).length === 40)
    for (const peer of peers) {
      for (const one of sent(peer)) peer.write(errorOf(one, 'no', 'overloaded', RESOURCE_EXHAUSTED))
    }
    await others
    clock.advance(52)
    await settle()
    expect(client.metrics()).toMatchObject({ callsHedged: 1, failures: { throttled: 1 } })
    peers[at].write(answerFrame(id, 7))
    expect(await call).toBe(7)
  })

  it('is told of the failure that says most, once none of its attempts is under way', async ({ stage }) => {
    const { clock, peers, get, calls } = await two(stage)
    const call = get(1)
    let over = false
    const outcome = call.catch((error: unknown) => {
      over = true
      return error
    })
    await settle()
    clock.advance(52)
    const [first, second] = (await Promise.all(calls())) as [Frame, Frame]
    peers[0].write(errorOf(first, 'maybe', '', 13))
    await settle()
    expect(over).toBe(false)
    peers[1].write(errorOf(second, 'no', 'method-unknown', 12))
    expect(await outcome).toMatchObject({ code: 'INTERNAL', processed: 'maybe', details: { attempts: 2 } })
  })

  it('is for methods that are idempotent', () => {
    expect(() => unary({ hedge: {} })).toThrow(expect.objectContaining({ reason: 'option-range' }))
    expect(() => unary({ idempotent: true, hedge: { delayMs: 0 } })).toThrow(/delayMs/)
  })
})
