import { describe, expect } from 'vitest'
import { type Client, defineService, duplex, oneWay, serverStream } from '../../src/index.js'
import { KIND } from '../../src/wire/frame.js'
import { FEATURE } from '../../src/wire/hello.js'
import type { RawPeer } from '../fixtures/raw-peer.js'
import { it, type Stage, turn, until } from '../fixtures/stage.js'
import { VirtualClock } from '../support/virtual-clock.js'
import { Shapes, TwoEnds } from './two-ends.js'

const Talks = defineService('talks', {
  list: serverStream<unknown, unknown>(),
  talk: duplex<unknown, unknown>(),
  note: oneWay<unknown>(),
})
const GRACE = { graceMs: 10_000 }

/** A client whose time stands still, and a peer that takes everything and ends nothing. */
async function silent(stage: Stage, laneWindowBytes = 65_536) {
  const clock = new VirtualClock()
  const { client, peer } = await stage.clientAndPeer(
    { clock, pool: { min: 1, max: 1 }, compression: { algorithm: 'none' } },
    {
      features: FEATURE.ACKS | FEATURE.FLOW,
      flow: { maxStreams: 256, streamWindowBytes: 65_536, laneWindowBytes },
    },
  )
  return { clock, client, peer, talks: client.use(Talks) }
}

function closing(client: Client): { done: boolean } {
  const state = { done: false }
  void client.close(GRACE).then(() => {
    state.done = true
  })
  return state
}

async function quiet(): Promise<void> {
  for (let turns = 0; turns < 20; turns += 1) await turn()
}

/** The kinds of what came from here to the end of the connection. */
async function rest(peer: RawPeer): Promise<number[]> {
  await peer.closed
  return peer.unread.map(({ kind }) => kind)
}

/** Streams and messages end without an outcome: that is what these tests are about. */
function ignore(promise: Promise<unknown>): Promise<unknown> {
  return promise.catch(() => {})
}

describe('client.close()', () => {
  it('does not wait for streams that nobody waits for any more, and says so before it leaves', async ({ stage }) => {
    const { client, peer, talks } = await silent(stage)
    const streams = [talks.list(1), talks.talk()]
    await peer.nextOf(KIND.STREAM_OPEN)
    await peer.nextOf(KIND.STREAM_OPEN)
    for (const stream of streams) {
      stream.cancel()
      await ignore(stream.next())
    }
    await client.close(GRACE)
    const kinds = await rest(peer)
    expect(kinds.filter((kind) => kind === KIND.STREAM_RESET)).toHaveLength(2)
    expect(kinds.at(-1)).toBe(KIND.GO_AWAY)
  })

  it('does not wait for one whose deadline has passed', async ({ stage }) => {
    const { clock, client, peer, talks } = await silent(stage)
    const next = ignore(talks.list(1, { timeoutMs: 500 }).next())
    await peer.nextOf(KIND.STREAM_OPEN)
    clock.advance(510)
    await next
    await client.close(GRACE)
    expect(await rest(peer)).toContain(KIND.STREAM_RESET)
  })

  it('waits for a stream that somebody waits for, and no longer than that', async ({ stage }) => {
    const { client, peer, talks } = await silent(stage)
    const [given, kept] = [talks.list(1), talks.list(2)]
    await peer.nextOf(KIND.STREAM_OPEN)
    await peer.nextOf(KIND.STREAM_OPEN)
    given.cancel()
    const next = ignore(kept.next())
    const closed = closing(client)
    await peer.nextOf(KIND.GO_AWAY)
    await quiet()
    expect(closed.done).toBe(false)
    kept.cancel()
    await next
    await until(() => closed.done)
  })

  it('waits for a stream until its deadline, also where the peer has been told of so many that it is not told of it', async ({
    stage,
  }) => {
    const { clock, client, peer, talks } = await silent(stage)
    const over = new AbortController()
    // Half of `limits.cancelBurst`.
    const given = Array.from({ length: 500 }, () => ignore(client.call('work', 1, { signal: over.signal })))
    for (let made = 0; made < given.length; made += 1) await peer.nextOf(KIND.CALL)
    over.abort()
    await Promise.all(given)
    for (let told = 0; told < given.length; told += 1) await peer.nextOf(KIND.CANCEL)
    const next = ignore(talks.list(1, { timeoutMs: 10 }).next())
    await peer.nextOf(KIND.STREAM_OPEN)
    const closed = closing(client)
    await peer.nextOf(KIND.GO_AWAY)
    await quiet()
    expect(closed.done).toBe(false)
    clock.advance(20)
    await next
    await until(() => closed.done)
    expect(await rest(peer)).toEqual([])
  })

  it('waits for no message whose acknowledgement nobody waits for any more', async ({ stage }) => {
    const { clock, client, peer, talks } = await silent(stage)
    const controller = new AbortController()
    const outcomes = [
      ignore(talks.note(1, { ack: 'processed', timeoutMs: 500 })),
      ignore(talks.note(2, { ack: 'processed', signal: controller.signal })),
    ]
    await peer.nextOf(KIND.BATCH)
    controller.abort()
    clock.advance(510)
    await Promise.all(outcomes)
    await client.close(GRACE)
  })

  it('waits for a message until it is given up', async ({ stage }) => {
    const { clock, client, peer, talks } = await silent(stage)
    const outcome = ignore(talks.note(1, { ack: 'processed', timeoutMs: 500 }))
    await peer.nextOf(KIND.ONE_WAY)
    const closed = closing(client)
    await quiet()
    expect(closed.done).toBe(false)
    clock.advance(510)
    await outcome
    await until(() => closed.done)
  })

  it('does not wait until what is accepted is processed, where its sender does not', async ({ stage }) => {
    const { server, address } = await stage.listening()
    let finish: () => void = () => {}
    server.receive('note', () => {
      return new Promise<void>((resolve) => {
        finish = resolve
      })
    })
    const client = stage.client(address, { clock: new VirtualClock() })
    await client.send('note', 1, { ack: 'accepted' })
    await client.close(GRACE)
    finish()
  })

  it('does not wait for credit for a message that was given up before it left', async ({ stage }) => {
    const { clock, client, peer, talks } = await silent(stage, 1_024)
    await talks.note(Buffer.alloc(2_000))
    await peer.nextOf(KIND.ONE_WAY)
    const outcomes = [1, 2, 3].map((note) => ignore(talks.note(note, { ack: 'processed', timeoutMs: 500 })))
    const closed = closing(client)
    await peer.nextOf(KIND.GO_AWAY)
    await quiet()
    expect(closed.done).toBe(false)
    clock.advance(510)
    await Promise.all(outcomes)
    await until(() => closed.done)
    expect(await rest(peer)).not.toContain(KIND.BATCH)
    expect(client.metrics()).toMatchObject({ oneWaySent: 1, oneWayDropped: 3 })
  })

  it('waits for credit for what still waits behind it', async ({ stage }) => {
    const { clock, client, peer, talks } = await silent(stage, 1_024)
    await talks.note(Buffer.alloc(2_000))
    await peer.nextOf(KIND.ONE_WAY)
    const given = ignore(talks.note(1, { ack: 'processed', timeoutMs: 500 }))
    await talks.note(2)
    clock.advance(510)
    await given
    const closed = closing(client)
    await peer.nextOf(KIND.GO_AWAY)
    await quiet()
    expect(closed.done).toBe(false)
    clock.advance(GRACE.graceMs)
    await until(() => closed.done)
  })
})

describe('an end that closes', () => {
  it('waits for the streams that its peer opened, whatever became of its own', async () => {
    let finish: () => void = () => {}
    const never = new Promise<void>(() => {})
    const idle = { unary: () => null, oneWay: () => {}, clientStream: () => null, duplex: () => {} }
    const ends = await TwoEnds.make('memory', {
      near: {
        ...idle,
        serverStream: async function* () {
          await new Promise<void>((resolve) => {
            finish = resolve
          })
          yield 'last'
        },
      },
      far: {
        ...idle,
        serverStream: async function* (_request, call) {
          yield 1
          await Promise.race([never, new Promise((resolve) => call.signal.addEventListener('abort', resolve))])
        },
      },
    })
    const { near, far, clock } = ends
    const own = near.streams.serverStream(Shapes.serverStream, 1, {})
    expect(await own.next()).toEqual({ done: false, value: 1 })
    const theirs = far.streams.serverStream(Shapes.serverStream, 1, {})
    const last = theirs.next()
    await ends.settle()
    own.cancel()
    const state = { done: false }
    const closed = near.session.close(10_000).then(() => {
      state.done = true
    })
    await ends.settle()
    expect(state.done).toBe(false)
    finish()
    expect(await last).toEqual({ done: false, value: 'last' })
    await theirs.next()
    await closed
    expect(clock.now()).toBe(0)
    await ends.end()
  })
})
