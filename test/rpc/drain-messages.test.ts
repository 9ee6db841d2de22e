import { describe, expect } from 'vitest'
import type { Client, Server } from '../../src/index.js'
import { KIND } from '../../src/wire/frame.js'
import { FEATURE } from '../../src/wire/hello.js'
import { frame, goAwayFrame, MSGPACK, methodFrame, packed, u32 } from '../fixtures/raw-peer.js'
import { it, type Stage, turn, until } from '../fixtures/stage.js'
import { VirtualClock } from '../support/virtual-clock.js'

const NORMAL = 1
/** A lane takes one message, and none more until credit comes. */
const NARROW = { features: FEATURE.FLOW, flow: { maxStreams: 0, streamWindowBytes: 1, laneWindowBytes: 1 } }

const BODY = Buffer.alloc(1_000)

/** A server that counts what it handles, and a client with one connection to it. */
async function counting(stage: Stage): Promise<{ server: Server; client: Client; handled: () => number }> {
  const { server, address } = await stage.listening()
  let count = 0
  server.receive('note', () => {
    count += 1
  })
  const client = stage.client(address, { pool: { max: 1 } })
  await client.connect()
  return { server, client, handled: () => count }
}

describe('one-way messages that wait while their server leaves', () => {
  it('are sent before its PING is answered, so that it knows when there are no more', async ({ stage }) => {
    const { client, peer } = await stage.clientAndPeer({ heartbeat: { intervalMs: 0 }, pool: { max: 1 } }, NARROW)
    for (const word of ['first', 'second', 'third']) await client.send('note', word)
    await peer.nextOf(KIND.ONE_WAY)
    peer.write(goAwayFrame(0), frame(KIND.PING, { id: 7 }))
    await until(() => client.state !== 'ready')
    for (let turns = 0; turns < 20; turns += 1) await turn()
    expect(peer.unread.map(({ kind }) => kind)).not.toContain(KIND.PONG)
    peer.write(frame(KIND.CREDIT, { aux: NORMAL, body: u32(10_000) }))
    const next = await peer.nextOf(KIND.ONE_WAY, KIND.BATCH, KIND.PONG)
    expect([next.kind, next.body.toString('latin1')]).toEqual([KIND.BATCH, expect.stringMatching(/second[\s\S]*third/)])
    expect(await peer.nextOf(KIND.PONG)).toMatchObject({ id: 7 })
    await client.close({ graceMs: 0 })
  })

  it('all have their handler run, and none of them is dropped', async ({ stage }) => {
    const MESSAGES = 4_000
    const { server, client, handled } = await counting(stage)
    const sending = Array.from({ length: MESSAGES }, () => client.send('note', BODY))
    await Promise.all(sending)
    await until(() => handled() > 0)
    await server.close()
    expect([handled(), server.metrics().oneWayReceived, client.metrics().oneWayDropped]).toEqual([
      MESSAGES,
      MESSAGES,
      0,
    ])
  })

  it('are waited for as long as something comes, and no longer', async ({ stage }) => {
    const clock = new VirtualClock()
    let seen = 0
    const { server, peer } = await stage.serverAndPeer(
      (made) => {
        made.receive('note', () => {
          seen += 1
        })
      },
      { clock, heartbeat: { intervalMs: 0 } },
    )
    await until(() => server.info().connections[0]?.state === 'ready')
    const closing = server.close({ graceMs: 60_000 })
    await peer.nextOf(KIND.PING)
    peer.write(methodFrame(1, 'note'))
    for (let count = 1; count <= 5; count += 1) {
      peer.write(frame(KIND.ONE_WAY, { flags: MSGPACK, aux: 1, body: packed(count) }))
      await until(() => seen === count)
      clock.advance(900)
    }
    expect(peer.gone).toBe(false)
    clock.advance(1_100)
    clock.advance(1_100)
    await closing
    expect([seen, clock.now() < 60_000]).toEqual([5, true])
  })

  it('are acknowledged before it is gone', async ({ stage }) => {
    const { server, client, handled } = await counting(stage)
    const sending = Promise.all(Array.from({ length: 2_000 }, () => client.send('note', BODY, { ack: 'processed' })))
    await until(() => handled() > 0)
    await server.close()
    await sending
    expect(handled()).toBe(2_000)
  })
})
