import { describe, expect, it } from 'vitest'
import { Connection } from '../../src/connection/connection.js'
import { Registry } from '../../src/rpc/registry.js'
import { looseMethod } from '../../src/rpc/service.js'
import type { Session } from '../../src/rpc/session.js'
import { SessionMaker } from '../../src/rpc/session-maker.js'
import { KIND } from '../../src/wire/frame.js'
import { FEATURE } from '../../src/wire/hello.js'
import { preface } from '../../src/wire/preface.js'
import { expectNothingLeft, framesOf, newEnvironment, type Options } from '../connection/bench.js'
import { resetFrame } from '../connection/stream-bench.js'
import { faultOf, frame, helloFrame, MSGPACK, methodFrame, packed, u32 } from '../fixtures/raw-peer.js'
import { turn } from '../fixtures/stage.js'
import { MemoryChannel } from '../support/memory-channel.js'

type Handler = (signal: AbortSignal) => Promise<unknown>

/** One end that serves a server stream to a peer made of bytes. */
class Served {
  readonly channel = new MemoryChannel()
  readonly connection: Connection
  readonly session: Session
  /** The id of a PING that is open, by which the round trip is measured. */
  readonly askedAtFirst: number
  running = 0
  most = 0
  readonly #parts: ReturnType<typeof newEnvironment>

  constructor(handler: Handler, dialled: boolean, options: Options = {}) {
    this.#parts = newEnvironment(options)
    const { environment } = this.#parts
    const registry = new Registry()
    registry.add(looseMethod('flood', 'serverStream'), async (_, { signal }) => {
      this.running += 1
      this.most = Math.max(this.most, this.running)
      try {
        await handler(signal)
      } finally {
        this.running -= 1
      }
    })
    const nothing = (): void => {}
    const maker = new SessionMaker(environment, registry, {
      onLeaving: nothing,
      onRoom: nothing,
      onFault: nothing,
    })
    this.connection = new Connection(this.channel, environment, maker, [], 0, dialled)
    this.channel.flush()
    this.channel.writes.length = 0
    const flow = { maxStreams: 256, streamWindowBytes: 65_536, laneWindowBytes: 65_536 }
    this.channel.say(preface(), helloFrame({ features: FEATURE.FLOW, flow }), methodFrame(1, 'flood'))
    this.session = maker.of(this.connection)
    this.pass()
    this.askedAtFirst = this.pings[0] ?? 0
    this.channel.writes.length = 0
  }

  get failures(): Readonly<Record<string, number>> {
    return this.#parts.environment.counters.failures
  }

  pass(): void {
    this.#parts.clock.turn()
    if (!this.channel.full) this.channel.flush()
  }

  get pings(): number[] {
    return framesOf(this.channel.bytes).flatMap(({ kind, id }) => (kind === KIND.PING ? [id] : []))
  }

  advance(ms: number): void {
    this.#parts.clock.advance(ms)
    this.pass()
  }

  /** Of each stream that was ended: whether its handler ran, and why it ended. */
  get ends(): (readonly [id: number, processed: string, reason: string])[] {
    const ends = framesOf(this.channel.bytes).filter(({ kind }) => kind === KIND.STREAM_END)
    return ends.map((one) => [one.id, faultOf(one).processed, faultOf(one).reason] as const)
  }

  end(): void {
    this.channel.cut(null)
    this.#parts.clock.turn()
    expect(this.connection.openStreams).toBe(0)
    expectNothingLeft(this.#parts.environment, this.#parts.clock)
  }
}

function opening(id: number): Buffer {
  return frame(KIND.STREAM_OPEN, { flags: MSGPACK, aux: 1, id, body: Buffer.concat([u32(0), packed(id)]) })
}

function idsOf(dialled: boolean, count: number): number[] {
  return Array.from({ length: count }, (_, index) => 2 * index + (dialled ? 2 : 1))
}

const stuck: Handler = () => new Promise(() => {})
const obedient: Handler = (signal) => new Promise((resolve) => signal.addEventListener('abort', resolve))

describe.each([
  ['dialled', true],
  ['accepted', false],
])('where we %s, a peer that opens and gives up', (_, dialled) => {
  it('holds no more than maxStreams handlers that do not listen, and has to go', async () => {
    const served = new Served(stuck, dialled, { limits: { maxStreams: 16 } })
    for (const id of idsOf(dialled, 1_000)) {
      served.channel.say(opening(id), resetFrame(id))
      expect(served.connection.openStreams).toBeLessThanOrEqual(16)
      await Promise.resolve()
      if (served.connection.state === 'closed') break
      served.pass()
    }
    // Each refusal is an error that it caused.
    expect([served.most, served.running]).toEqual([16, 16])
    expect([served.connection.state, served.failures['too-many-errors']]).toEqual(['closed', 1])
    expect(served.ends.every(([, processed, reason]) => processed === 'no' && reason === 'too-many-streams')).toBe(true)
    expect(served.ends.length).toBeLessThanOrEqual(201)
    served.end()
  })

  it('streams whose handlers listen is cut for it all the same', async () => {
    const served = new Served(obedient, dialled, { limits: { maxStreams: 16 } })
    for (const id of idsOf(dialled, 1_001)) {
      served.channel.say(opening(id))
      expect(served.connection.state).toBe('ready')
      await Promise.resolve()
      served.channel.say(resetFrame(id))
      await turn()
      if (id < 2_000) expect(served.running).toBe(0)
      served.pass()
    }
    expect([served.connection.state, served.failures['too-many-cancels']]).toEqual(['closed', 1])
    expect(served.most).toBe(1)
    served.end()
  })

  it('all in one chunk runs no more handlers than there are places', async () => {
    const served = new Served(obedient, dialled, { limits: { maxStreams: 16 } })
    served.channel.say(...idsOf(dialled, 200).flatMap((id) => [opening(id), resetFrame(id)]))
    await turn()
    served.pass()
    expect([served.connection.state, served.most, served.running]).toEqual(['ready', 16, 0])
    expect(served.ends).toHaveLength(200)
    expect(served.ends.filter(([, processed]) => processed === 'no')).toHaveLength(200 - 16)
    expect(served.connection.openStreams).toBe(0)
    served.end()
  })

  it('while it reads nothing is cut for the frames that wait for it', async () => {
    const served = new Served(obedient, dialled, { limits: { maxStreams: 16, maxQueuedControlFrames: 50 } })
    served.channel.full = true
    for (const id of idsOf(dialled, 200)) {
      served.channel.say(opening(id), resetFrame(id))
      await turn()
      served.pass()
      // An end that waits for the socket keeps its place.
      expect(served.connection.openStreams).toBeLessThanOrEqual(16)
      if (served.connection.state === 'closed') break
    }
    expect([served.connection.state, served.failures['too-many-control-frames']]).toEqual(['closed', 1])
    served.end()
  })

  it('streams after it has read our GO_AWAY is refused, unprocessed', async () => {
    const served = new Served(stuck, dialled)
    const [first, crossing, late] = idsOf(dialled, 3) as [number, number, number]
    served.channel.say(frame(KIND.PONG, { id: served.askedAtFirst }))
    served.channel.say(opening(first))
    void served.session.close(5_000)
    served.pass()
    served.channel.say(opening(crossing))
    const [asked] = served.pings
    served.channel.say(frame(KIND.PONG, { id: asked ?? 0 }), opening(late), resetFrame(late))
    await turn()
    served.pass()
    expect(served.ends).toEqual([[late, 'no', 'going-away']])
    expect([served.most, served.connection.state]).toEqual([2, 'draining'])
    served.end()
  })

  it('and never reads that we leave keeps an idle connection for a second', async () => {
    const served = new Served(stuck, dialled)
    void served.session.close(5_000)
    served.advance(990)
    expect(served.connection.state).toBe('draining')
    served.advance(20)
    expect(served.connection.state).toBe('closed')
    served.end()
  })

  it('and hears that we leave while a PING of ours is open is asked again', async () => {
    const served = new Served(stuck, dialled)
    void served.session.close(5_000)
    served.pass()
    expect(served.pings).toEqual([])
    // Its PONG left before the GO_AWAY was read: what comes behind it may still cross.
    const [crossing, late] = idsOf(dialled, 2) as [number, number]
    served.channel.say(frame(KIND.PONG, { id: served.askedAtFirst }), opening(crossing))
    served.pass()
    const [asked] = served.pings
    served.channel.say(frame(KIND.PONG, { id: asked ?? 0 }), opening(late))
    await turn()
    served.pass()
    expect([served.most, served.ends]).toEqual([1, [[late, 'no', 'going-away']]])
    served.end()
  })
})
