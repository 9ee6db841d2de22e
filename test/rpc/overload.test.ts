import { describe, expect } from 'vitest'
import type { Codec } from '../../src/codec/codec.js'
import { defineService, msgpack, type Server, type ServerOptions, serverStream, unary } from '../../src/index.js'
import { KIND } from '../../src/wire/frame.js'
import { deferred } from '../fixtures/deferred.js'
import { type Frame, faultOf, frame, MSGPACK, methodFrame, packed, type RawPeer, u32 } from '../fixtures/raw-peer.js'
import { it, type Stage, turn, until } from '../fixtures/stage.js'
import { VirtualClock } from '../support/virtual-clock.js'

const RESOURCE_EXHAUSTED = 8
const DEADLINE_EXCEEDED = 4

const codec = msgpack<number>()
const HIGH = 0
const NORMAL = 1
const LOW = 2

function workOf(request: Codec<number>) {
  return defineService('work', { burn: unary({ request }), hold: unary({ request }), feed: serverStream() })
}

interface Scene {
  readonly clock: VirtualClock
  readonly server: Server
  readonly peer: RawPeer
  readonly address: string
  /** Requests that were decoded, and those that ran, in order. */
  readonly decoded: number[]
  readonly ran: number[]
}

/** A server whose handler `burn` keeps the processor busy for `ms`, and whose handler `hold` runs one at a time. */
async function scene(
  stage: Stage,
  ms: number,
  options: ServerOptions = {},
  gates: Promise<void>[] = [],
): Promise<Scene> {
  const clock = new VirtualClock()
  const decoded: number[] = []
  const ran: number[] = []
  const counted: Codec<number> = {
    ...codec,
    decode: (...bytes) => {
      const value = codec.decode(...bytes)
      decoded.push(value)
      return value
    },
  }
  const Work = workOf(counted)
  const found = await stage.serverAndPeer(
    (server) => {
      server.implement(
        Work,
        {
          burn: (value) => {
            ran.push(value)
            clock.stall(ms)
            return value
          },
          hold: async (value) => {
            ran.push(value)
            await gates.shift()
            return value
          },
          async *feed(value) {
            yield value
          },
        },
        { hold: { concurrency: 1 } },
      )
    },
    { clock, ...options },
  )
  found.peer.write(methodFrame(1, 'work.burn'), methodFrame(2, 'work.hold'))
  return { clock, decoded, ran, ...found }
}

function call(id: number, method: number, timeoutMs: number, lane = NORMAL): Buffer {
  const body = Buffer.concat([u32(timeoutMs), packed(id)])
  return frame(KIND.CALL, { flags: MSGPACK | (lane << 5), aux: method, id, body })
}

function calls(from: number, to: number, method: number, timeoutMs: number, lane = NORMAL): Buffer[] {
  return Array.from({ length: to - from + 1 }, (_, index) => call(from + index, method, timeoutMs, lane))
}

async function answers(peer: RawPeer, count: number): Promise<Map<number, Frame>> {
  const found = new Map<number, Frame>()
  while (found.size < count) {
    const next = await peer.nextOf(KIND.ANSWER, KIND.ERROR)
    found.set(next.id, next)
  }
  return found
}

function endsOf(found: Map<number, Frame>): Record<string, number[]> {
  const ends: Record<string, number[]> = {}
  for (const [id, one] of [...found].sort(([a], [b]) => a - b)) {
    const end = one.kind === KIND.ANSWER ? 'answered' : faultOf(one).reason
    ends[end] = [...(ends[end] ?? []), id]
  }
  return ends
}

describe('a call whose time passes while it waits', () => {
  it('for a place of its handler is never decoded and never run', async ({ stage }) => {
    const gate = deferred<void>()
    const { clock, peer, server, decoded, ran } = await scene(stage, 0, {}, [gate.promise])
    peer.write(call(1, 2, 60_000), call(2, 2, 100), call(3, 2, 60_000))
    await until(() => server.info().connections[0]?.runningHandlers === 3)
    clock.advance(100)
    gate.resolve()
    const found = await answers(peer, 3)
    expect(endsOf(found)).toEqual({ answered: [1, 3], deadline: [2] })
    expect(found.get(2)?.aux).toBe(DEADLINE_EXCEEDED)
    expect(faultOf(found.get(2) as Frame).processed).toBe('no')
    expect([decoded, ran]).toEqual([
      [1, 3],
      [1, 3],
    ])
    expect(server.metrics().callsExpired).toBe(1)
  })

  it('for the processor is never decoded and never run', async ({ stage }) => {
    const { peer, server, decoded } = await scene(stage, 10, { overload: { intervalMs: 60_000 } })
    peer.write(...calls(1, 100, 1, 400))
    const { answered, deadline, overloaded } = endsOf(await answers(peer, 100))
    expect(deadline?.length ?? 0).toBeGreaterThan(0)
    expect(decoded).toEqual(answered)
    expect((answered?.length ?? 0) + (deadline?.length ?? 0) + (overloaded?.length ?? 0)).toBe(100)
    expect(server.metrics()).toMatchObject({ handlersStarted: answered?.length, callsExpired: deadline?.length })
  })

  it('in bytes that nobody read on is never decoded and never run', async ({ stage }) => {
    // Without a backlog each runs as it is read, sixteen a turn; the rest of the chunk waits.
    const { peer, server, decoded } = await scene(stage, 10, { overload: { maxWaitMs: 0 } })
    peer.write(...calls(1, 64, 1, 400))
    const { answered, deadline } = endsOf(await answers(peer, 64))
    // Three turns of sixteen frames, in the first of which are those that introduce the methods.
    const count = answered?.length ?? 0
    expect(count).toBeGreaterThan(32)
    expect(count).toBeLessThanOrEqual(48)
    expect(answered).toEqual(Array.from({ length: count }, (_, index) => index + 1))
    expect(deadline?.length).toBe(64 - count)
    expect(decoded).toEqual(answered)
    expect(server.metrics().callsExpired).toBe(64 - count)
  })
})

describe('a server that has more to do than it can', () => {
  it('refuses what has waited too long, undecoded, and says when to come back; those it runs have time left', async ({
    stage,
  }) => {
    const { clock, peer, server, decoded, ran } = await scene(stage, 2)
    const rounds = 60
    let offered = 0
    for (let round = 0; round < rounds; round += 1) {
      peer.write(...calls(offered + 1, offered + 20, 1, 200))
      offered += 20
      for (let turns = 0; turns < 3; turns += 1) await turn()
    }
    const found = await answers(peer, offered)
    const ends = endsOf(found)
    const { answered = [], overloaded = [], deadline = [] } = ends
    expect(answered.length + overloaded.length + deadline.length).toBe(offered)
    expect(overloaded.length).toBeGreaterThan(0)
    expect([...decoded].sort((a, b) => a - b)).toEqual(answered)
    expect(ran.length).toBe(answered.length)
    const refused = found.get(overloaded[0] as number) as Frame
    expect(refused.aux).toBe(RESOURCE_EXHAUSTED)
    expect(faultOf(refused)).toMatchObject({ processed: 'no', retryAfterMs: 100 })
    expect(server.metrics().failures.overloaded).toBe(overloaded.length)
    // It was busy with calls all the time.
    expect(clock.now()).toBeLessThan(answered.length * 2 + 20)
    expect(server.info().connections).toHaveLength(1)
  })

  it('goes on with high calls longest', async ({ stage }) => {
    const { peer } = await scene(stage, 2)
    const lanes = [HIGH, NORMAL, LOW]
    const laneOf = new Map<number, number>()
    let id = 0
    for (let round = 0; round < 40; round += 1) {
      for (const lane of lanes) {
        for (let count = 0; count < 8; count += 1) {
          id += 1
          laneOf.set(id, lane)
          peer.write(call(id, 1, 200, lane))
        }
      }
      for (let turns = 0; turns < 3; turns += 1) await turn()
    }
    const { answered = [] } = endsOf(await answers(peer, id))
    const [high = 0, normal = 0, low = 0] = lanes.map(
      (lane) => answered.filter((one) => laneOf.get(one) === lane).length,
    )
    expect(high).toBeGreaterThan(normal)
    expect(normal).toBeGreaterThanOrEqual(low)
  })

  it('runs calls of its connections in turn, so that one that floods it delays the others by one call each', async ({
    stage,
  }) => {
    const { peer, address, ran } = await scene(stage, 5)
    const modest = await stage.dial(address)
    modest.hello()
    await modest.nextOf(KIND.HELLO)
    modest.write(methodFrame(1, 'work.burn'))
    peer.write(...calls(1, 200, 1, 60_000))
    await until(() => ran.length >= 16)
    modest.write(call(1_001, 1, 60_000), call(1_002, 1, 60_000), call(1_003, 1, 60_000))
    await answers(modest, 3)
    expect(ran.length).toBeLessThan(60)
    await answers(peer, 200)
  })

  it.for([
    [4, 0],
    [5, 1],
  ] as const)(
    'keeps as many bytes of a connection as limits.maxQueuedBytes: of %d calls that wait it refuses %d',
    async ([waiting, refused], { stage }) => {
      const large = (id: number): Buffer => {
        const body = Buffer.concat([u32(60_000), packed('x'.repeat(1_021))])
        return frame(KIND.CALL, { flags: MSGPACK | (NORMAL << 5), aux: 1, id, body })
      }
      const limits = { maxQueuedBytes: 4 * 1_024 }
      const overload = { maxLoopDelayMs: 0 }
      const { peer, server, ran } = await scene(stage, 10, { limits, overload, heartbeat: { intervalMs: 0 } })
      // The turn of the first sixteen is so long that the rest of the chunk waits.
      peer.write(
        Buffer.concat([...calls(1, 16, 1, 60_000), ...Array.from({ length: waiting }, (_, at) => large(17 + at))]),
      )
      const found = await answers(peer, 16 + waiting)
      const { answered = [], 'queue-full': full = [] } = endsOf(found)
      expect([answered.length, full.length]).toEqual([16 + waiting - refused, refused])
      expect(ran).toHaveLength(answered.length)
      expect(server.metrics().failures['queue-full']).toBe(refused)
      for (const id of full) expect(faultOf(found.get(id) as Frame).processed).toBe('no')
      expect(server.info().connections).toHaveLength(1)
    },
  )

  it('runs one-way calls and fast handlers as they come, without a backlog', async ({ stage }) => {
    const { peer, decoded, clock } = await scene(stage, 0)
    peer.write(...calls(1, 500, 1, 1_000))
    const { answered } = endsOf(await answers(peer, 500))
    expect(answered).toHaveLength(500)
    expect(decoded).toEqual(answered)
    expect(clock.now()).toBe(0)
  })

  it('refuses a part of the calls while its event loop is late, and none when it is in time again', async ({
    stage,
  }) => {
    const { clock, peer, server, address } = await scene(stage, 0, { heartbeat: { intervalMs: 0 } })
    let id = 0
    const offer = async (count: number): Promise<number> => {
      peer.write(...calls(id + 1, id + count, 1, 1_000))
      id += count
      return (endsOf(await answers(peer, count))['answered'] ?? []).length
    }
    expect(await offer(1)).toBe(1)
    for (let round = 0; round < 4; round += 1) {
      clock.stall(300)
      await offer(1)
    }
    const before = server.metrics().failures.overloaded
    expect(await offer(100)).toBeLessThan(60)
    expect(server.metrics().failures.overloaded - before).toBeGreaterThan(40)
    // Streams are refused as calls are, and that is no offence.
    const { feed } = stage.client(address).use(workOf(codec))
    const streams = await Promise.allSettled(Array.from({ length: 100 }, (_, n) => feed(n).next()))
    const reasons = streams.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))
    expect(reasons.length).toBeGreaterThan(40)
    for (const reason of reasons) {
      expect(reason).toMatchObject({ reason: 'overloaded', processed: 'no', retryAfterMs: 100, retryable: true })
    }
    for (let round = 0; round < 100; round += 1) clock.advance(50)
    expect(await offer(100)).toBe(100)
    clock.advance(200)
    expect(clock.timers).toBe(0)
  })
})
