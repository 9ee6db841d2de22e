import { describe, expect } from 'vitest'
import { FLAG, KIND } from '../../src/wire/frame.js'
import { FEATURE } from '../../src/wire/hello.js'
import { answerFrame, type Frame } from '../fixtures/raw-peer.js'
import { it, turn, until } from '../fixtures/stage.js'
import { VirtualClock } from '../support/virtual-clock.js'

const KiB = 1_024
const MiB = 1_024 * KiB
/** One connection for all lanes. */
const PLAIN = { compression: { algorithm: 'none' }, pool: { separateBulk: false } } as const

function laneOf({ flags }: Frame): number {
  return (flags & FLAG.LANE_MASK) >> FLAG.LANE_SHIFT
}

describe('ten megabytes that wait in the bulk lane', () => {
  it('let a message of the high lane go next, and all of them arrive in the end', async ({ stage }) => {
    const mailbox = { maxBytes: 64 * MiB }
    const { client, peer } = await stage.clientAndPeer({ ...PLAIN, clock: new VirtualClock(), mailbox })
    peer.socket.pause()
    const body = Buffer.alloc(100 * KiB)
    let sent = 0
    // What the system takes before it is full waits in nobody's lane.
    while (client.info().connections[0]?.queuedBytes === 0) {
      await client.send('note', body, { priority: 'bulk' })
      sent += 1
      await turn()
    }
    for (let count = 0; count < 100; count += 1) await client.send('note', body, { priority: 'bulk' })
    sent += 100
    expect(client.info().connections[0]?.queuedBytes).toBeGreaterThan(10 * 1_000_000)
    const vote = client.call('vote', 'yes', { priority: 'high' })
    await client.send('note', body, { priority: 'low' })
    peer.socket.resume()
    const order: number[] = []
    while (order.length < sent + 2) {
      const frame = await peer.nextOf(KIND.ONE_WAY, KIND.CALL)
      order.push(laneOf(frame))
      if (frame.kind === KIND.CALL) peer.write(answerFrame(frame.id, 'counted'))
    }
    expect(await vote).toBe('counted')
    const [high, low] = [order.indexOf(0), order.indexOf(2)]
    // Behind what the system and one write had, before all that waited: 100 messages of bulk, and the low one.
    expect(order.slice(high).filter((lane) => lane === 3).length).toBeGreaterThanOrEqual(99)
    expect(low).toBeLessThan(order.length - 80)
    expect(order.filter((lane) => lane === 3)).toHaveLength(sent)
  })

  it('keep a high one waiting for one part at most, where they are one body', async ({ stage }) => {
    const flow = { maxStreams: 1, streamWindowBytes: MiB, laneWindowBytes: 64 * MiB }
    const { client, peer } = await stage.clientAndPeer(
      { ...PLAIN, clock: new VirtualClock(), limits: { maxMessageBytes: 16 * MiB } },
      { features: FEATURE.FLOW | FEATURE.PARTS, flow, maxMessageBytes: 16 * MiB },
    )
    peer.socket.pause()
    const bulk = client.call('store', Buffer.alloc(12 * MiB), { priority: 'bulk' })
    await turn()
    expect(client.info().connections[0]?.queuedBytes).toBeGreaterThan(4 * MiB)
    const vote = client.call('vote', 'yes', { priority: 'high' })
    peer.socket.resume()
    let partsBehind = 0
    let voted = false
    for (let calls = 0; calls < 2; ) {
      const frame = await peer.nextOf(KIND.PART, KIND.CALL)
      if (frame.kind === KIND.PART) partsBehind += voted ? 1 : 0
      else {
        calls += 1
        if (laneOf(frame) === 0) voted = true
        peer.write(answerFrame(frame.id, laneOf(frame)))
      }
    }
    expect(await Promise.all([bulk, vote])).toEqual([3, 0])
    // More than half of 12 MiB came behind it: what went before had been with the system.
    expect(partsBehind).toBeGreaterThan((4 * MiB) / (64 * KiB))
  })
})

describe('a thousand messages at a batch size of a hundred', () => {
  it('make ten batches on the wire', async ({ stage }) => {
    const { client, peer } = await stage.clientAndPeer({ batch: { maxMessages: 100 } })
    await Promise.all(Array.from({ length: 1_000 }, (_, index) => client.send('note', index)))
    for (let batch = 0; batch < 10; batch += 1) {
      const { kind, body } = await peer.nextOf(KIND.BATCH, KIND.ONE_WAY)
      expect(kind).toBe(KIND.BATCH)
      let messages = 0
      for (let at = 0; at < body.length; at += 4 + body.readUInt32LE(at)) messages += 1
      expect(messages).toBe(100)
    }
    expect(client.metrics().oneWaySent).toBe(1_000)
  })
})

describe('an idle connection', () => {
  it('has no timer armed', async ({ stage }) => {
    const clocks = [new VirtualClock(), new VirtualClock()] as const
    const { server, address } = await stage.listening({ clock: clocks[0] })
    server.handle('echo', (request) => request)
    const client = stage.client(address, { clock: clocks[1] })
    expect(await client.call('echo', 1)).toBe(1)
    // The wheel looks once more where the deadline was.
    for (const clock of clocks) clock.advance(120_000)
    await until(() => clocks.every(({ timers }) => timers === 0))
  })
})
