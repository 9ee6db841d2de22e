import { describe, expect } from 'vitest'
import type { Client } from '../../src/index.js'
import { LANE } from '../../src/mailbox/lane.js'
import { OVERFLOWS, type Overflow } from '../../src/mailbox/mailbox.js'
import { FLAG, KIND } from '../../src/wire/frame.js'
import type { RawPeer } from '../fixtures/raw-peer.js'
import { it, type Stage, turn, until } from '../fixtures/stage.js'
import { VirtualClock } from '../support/virtual-clock.js'
import { Writing } from './bench.js'

/** What fits the mailbox of these tests. */
const ROOM = 5

/** A client whose peer does not read, so that its socket is full, and what it sent until then. */
async function newStuck(stage: Stage, overflow: Overflow): Promise<{ client: Client; peer: RawPeer; sent: number }> {
  const { client, peer } = await stage.clientAndPeer({
    clock: new VirtualClock(),
    compression: { algorithm: 'none' },
    pool: { min: 1, max: 1 },
    mailbox: { maxMessages: ROOM, overflow },
  })
  peer.socket.pause()
  let sent = 0
  while ((client.info().connections[0]?.queuedBytes ?? 0) === 0) {
    expect(client.trySend('fill', Buffer.alloc(512 * 1024), { priority: 'bulk' })).toBe(true)
    sent += 1
    await turn()
    await turn()
  }
  return { client, peer, sent }
}

function counts(client: Client): number[] {
  const { oneWaySent, oneWayRefused, oneWayDropped } = client.metrics()
  return [oneWaySent, oneWayRefused, oneWayDropped]
}

describe('trySend at a socket that is full', () => {
  it.for(OVERFLOWS)(
    'by the policy %s says at once what becomes of it, and each is counted once',
    async (overflow, { stage }) => {
      const { client, peer, sent } = await newStuck(stage, overflow)
      const offered = 20
      const told = Array.from({ length: offered }, (_, number) => client.trySend('note', number))
      const over = offered - ROOM
      const dropping = overflow === 'drop-oldest' || overflow === 'drop-newest'
      // What made room for it was accepted; what is dropped itself is not kept.
      expect(told).toEqual(told.map((_, index) => overflow === 'drop-oldest' || index < ROOM))
      expect(counts(client)).toEqual([sent, dropping ? 0 : over, dropping ? over : 0])
      peer.socket.resume()
      await until(() => client.metrics().oneWaySent === sent + ROOM)
      expect(counts(client)).toEqual([sent + ROOM, dropping ? 0 : over, dropping ? over : 0])
      // Which of them arrived: five of one byte each, in a batch.
      const { body } = await peer.nextOf(KIND.BATCH)
      const arrived = Array.from({ length: ROOM }, (_, index) => body.readUInt8(index * 5 + 4))
      expect(arrived).toEqual(overflow === 'drop-oldest' ? [15, 16, 17, 18, 19] : [0, 1, 2, 3, 4])
    },
  )

  it('says yes again as soon as there is room, and other lanes have room of their own', async ({ stage }) => {
    const { client, peer, sent } = await newStuck(stage, 'reject')
    for (let number = 0; number < ROOM; number += 1) expect(client.trySend('note', number)).toBe(true)
    expect(client.trySend('note', ROOM)).toBe(false)
    expect(client.trySend('note', ROOM, { priority: 'high' })).toBe(true)
    peer.socket.resume()
    await until(() => client.metrics().oneWaySent === sent + ROOM + 1)
    expect(client.trySend('note', ROOM)).toBe(true)
  })

  it('and what waits is counted as dropped where the connection goes', async ({ stage }) => {
    const { client, peer, sent } = await newStuck(stage, 'reject')
    for (let number = 0; number < ROOM; number += 1) client.trySend('note', number)
    peer.socket.resetAndDestroy()
    await until(() => client.metrics().oneWayDropped > 0)
    expect(counts(client)).toEqual([sent, 0, ROOM])
  })
})

function newBlocked(): Writing {
  const writing = new Writing({ compression: { algorithm: 'none' }, limits: { maxFrameBytes: 64 * 1024 } })
  writing.channel.full = true
  writing.call(1, Buffer.from('x'))
  writing.clock.turn()
  return writing
}

function hold(writing: Writing, lane: number, body: Uint8Array): void {
  const flags = lane << FLAG.LANE_SHIFT
  const oneWay = writing.loop.oneWay(lane)
  expect(oneWay.admit(false)).toBe('accepted')
  writing.loop.beginHeldOneWay(flags, 7)
  writing.loop.out.put(body)
  writing.loop.holdOneWay(flags, 7, oneWay)
}

describe('a message that waits', () => {
  it('goes by its lane, in order, in batches as if it had not waited', () => {
    const writing = newBlocked()
    for (let number = 0; number < 3; number += 1) hold(writing, LANE.bulk, Buffer.from(`b${number}`))
    for (let number = 0; number < 3; number += 1) hold(writing, LANE.high, Buffer.from(`h${number}`))
    writing.channel.flush()
    const texts = writing.frames.slice(1).map(({ kind, body }) => [kind, body.toString('latin1').replace(/\W/g, '')])
    expect(texts).toEqual([
      [KIND.BATCH, 'h0h1h2'],
      [KIND.BATCH, 'b0b1b2'],
    ])
    writing.channel.flush()
    expect(writing.loop.idle).toBe(true)
    writing.end()
  })

  it('is too large for the peer when it is sent and not when its turn comes', () => {
    const writing = newBlocked()
    expect(() => hold(writing, LANE.normal, Buffer.alloc(64 * 1024))).toThrow(
      expect.objectContaining({ reason: 'message-too-large' }),
    )
    hold(writing, LANE.normal, Buffer.alloc(60_000))
    writing.channel.flush()
    expect(writing.frames.map(({ body }) => body.length)).toEqual([5, 60_000])
    writing.channel.flush()
    writing.end()
  })

  it('keeps its order behind one that travels in parts', () => {
    const writing = newBlocked()
    writing.loop.wholeFrameBytes = 4_096
    hold(writing, LANE.normal, Buffer.alloc(150_000, 'l'))
    hold(writing, LANE.normal, Buffer.from('s'))
    writing.channel.flush()
    writing.clock.turn()
    expect(writing.frames.slice(1).map(({ body }) => body.toString('latin1').at(-1))).toEqual(['l', 'l', 'l', 's'])
    writing.channel.flush()
    writing.end()
  })
})
