import { describe, expect } from 'vitest'
import { type ClientOptions, onBatch, type SendOptions, type ServerOptions, TransportError } from '../../src/index.js'
import { KIND } from '../../src/wire/frame.js'
import { FEATURE } from '../../src/wire/hello.js'
import { faultOf, frame, MSGPACK, methodFrame, packed, u32 } from '../fixtures/raw-peer.js'
import { it, type Stage, turn, until } from '../fixtures/stage.js'
import { VirtualClock } from '../support/virtual-clock.js'

const PROCESSED: SendOptions = { ack: 'processed' }
const ACCEPTED: SendOptions = { ack: 'accepted' }

async function pair(stage: Stage, options: ClientOptions = {}, serverOptions: ServerOptions = {}) {
  const { server, address } = await stage.listening(serverOptions)
  return { server, address, client: stage.client(address, { pool: { min: 1, max: 1 }, ...options }) }
}

async function reasonOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    return await promise
  } catch (error) {
    return error instanceof TransportError ? `${error.reason ?? error.code} ${error.processed}` : error
  }
}

describe('a one-way message with an acknowledgement', () => {
  it('is processed when its handler has resolved, and not before', async ({ stage }) => {
    const { server, client } = await pair(stage)
    const finish: (() => void)[] = []
    server.receive('note', () => new Promise<void>((resolve) => finish.push(resolve)))
    let acked = false
    const sent = client.send('note', 1, PROCESSED).then(() => {
      acked = true
    })
    await until(() => finish.length === 1)
    for (let turns = 0; turns < 20; turns += 1) await turn()
    expect(acked).toBe(false)
    finish[0]?.()
    await sent
    expect(client.metrics()).toMatchObject({ oneWaySent: 1, oneWayAcksAsked: 1, oneWayAcked: 1, oneWayUnacked: 0 })
  })

  it('is accepted as soon as its receiver has it, whatever its handler does', async ({ stage }) => {
    const { server, client } = await pair(stage)
    server.receive('note', () => new Promise<void>(() => {}), { concurrency: 1 })
    await client.send('note', 1, ACCEPTED)
    await client.send('note', 2, ACCEPTED)
    expect(server.metrics().handlersStarted).toBe(1)
    await server.close({ graceMs: 0 })
  })

  it('fails with what its handler failed with: that it ran', async ({ stage }) => {
    const { server, client } = await pair(stage)
    server.receive('sync', () => {
      throw new TransportError('no such account', { code: 'NOT_FOUND', origin: 'user' })
    })
    server.receive('async', async () => {
      throw new Error('a secret')
    })
    await expect(client.send('sync', 1, PROCESSED)).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: 'no such account',
      processed: 'yes',
    })
    await expect(client.send('async', 1, PROCESSED)).rejects.toMatchObject({
      reason: 'handler-failed',
      message: 'the handler failed',
      processed: 'yes',
    })
    expect(client.metrics()).toMatchObject({ oneWayAcked: 0, oneWayUnacked: 2 })
  })

  it('is refused where nobody takes it, or where the queue of its handler is full: it did not run', async ({
    stage,
  }) => {
    const { server, client } = await pair(stage)
    const finish: (() => void)[] = []
    server.receive('busy', () => new Promise<void>((resolve) => finish.push(resolve)), {
      concurrency: 1,
      maxQueued: 1,
      overflow: 'reject',
    })
    expect(await reasonOf(client.send('nobody', 1, PROCESSED))).toBe('method-unknown no')
    const taken = [client.send('busy', 1, PROCESSED), client.send('busy', 2, PROCESSED)]
    expect(await reasonOf(client.send('busy', 3, PROCESSED))).toBe('queue-full no')
    finish[0]?.()
    await until(() => finish.length === 2)
    finish[1]?.()
    await Promise.all(taken)
  })

  it('is acknowledged in ranges: a turn of many is one frame', async ({ stage }) => {
    const { server, client } = await pair(stage)
    server.receive('note', () => {})
    await client.connect()
    const before = server.metrics().framesSent
    await Promise.all(Array.from({ length: 1_000 }, (_, index) => client.send('note', index, PROCESSED)))
    // Beside the ACKs there are METHOD and CREDIT frames, and PINGs.
    expect(server.metrics().framesSent - before).toBeLessThan(100)
    expect(client.metrics().oneWayAcked).toBe(1_000)
  })

  it('arrives once and in order, among others of its lane that ask for none', async ({ stage }) => {
    const { server, client } = await pair(stage)
    const received: unknown[] = []
    server.receive('note', (value) => void received.push(value))
    const sends = Array.from({ length: 3_000 }, (_, index) => {
      return index % 3 === 0 ? client.send('note', index) : client.send('note', index, PROCESSED)
    })
    await Promise.all(sends)
    await until(() => received.length === 3_000)
    expect(received).toEqual(Array.from({ length: 3_000 }, (_, index) => index))
  })

  it('keeps its id whatever overtakes it: lanes, large messages, messages with metadata', async ({ stage }) => {
    const { server, client } = await pair(stage, { compression: { algorithm: 'none' } })
    const received = new Map<unknown, number>()
    server.receive('note', (note) => {
      const [value] = note as [number]
      received.set(value, (received.get(value) ?? 0) + 1)
    })
    const lanes = ['high', 'normal', 'low', 'bulk'] as const
    const large = Buffer.alloc(300_000)
    const sends = Array.from({ length: 400 }, (_, index) => {
      const options: SendOptions = {
        ...(index % 2 === 0 ? PROCESSED : ACCEPTED),
        priority: lanes[index % 4] ?? 'normal',
        ...(index % 7 === 0 ? { metadata: { k: 'v' } } : {}),
      }
      return client.send('note', [index, index % 20 === 0 ? large : null], options)
    })
    await Promise.all(sends)
    await until(() => server.metrics().oneWayReceived === 400)
    expect([...received.values()].every((count) => count === 1)).toBe(true)
    expect(received.size).toBe(400)
    expect(client.metrics()).toMatchObject({ oneWayAcked: 400, oneWayUnacked: 0 })
  })

  it('is for handlers that take many at once as well', async ({ stage }) => {
    const { server, client } = await pair(stage)
    const batches: number[] = []
    server.receive(
      'note',
      onBatch(async (notes) => {
        batches.push(notes.length)
        if (notes.includes(7)) throw new Error('not this one')
      }),
    )
    await Promise.all([1, 2, 3].map((value) => client.send('note', value, PROCESSED)))
    const failed = await Promise.all([7, 8].map((value) => reasonOf(client.send('note', value, PROCESSED))))
    expect(failed).toEqual(['handler-failed yes', 'handler-failed yes'])
    expect(batches).toEqual([3, 2])
  })

  it('can be one of a batch, which resolves when all of them are acknowledged', async ({ stage }) => {
    const { server, client } = await pair(stage, { limits: { maxUnackedMessages: 64 } })
    const received: unknown[] = []
    server.receive('note', async (value) => void received.push(value))
    await client.sendBatch(
      'note',
      Array.from({ length: 1_000 }, (_, index) => index),
      PROCESSED,
    )
    expect(received).toEqual(Array.from({ length: 1_000 }, (_, index) => index))
  })

  it('ends its batch where it fails, and the rest of the source is not asked for', async ({ stage }) => {
    const { server, client } = await pair(stage, { limits: { maxUnackedMessages: 10 } })
    server.receive('note', (value) => {
      if (value === 25) throw new Error('no')
    })
    let asked = 0
    let returned = false
    function* source() {
      try {
        for (; asked < 10_000; asked += 1) yield asked
      } finally {
        returned = true
      }
    }
    expect(await reasonOf(client.sendBatch('note', source(), PROCESSED))).toBe('handler-failed yes')
    expect([asked < 100, returned]).toEqual([true, true])
  })

  it('fails at its deadline, and holds up no close', async ({ stage }) => {
    const clock = new VirtualClock()
    const { server, client } = await pair(stage, { clock })
    server.receive('note', () => new Promise(() => {}))
    const sent = reasonOf(client.send('note', 1, { ack: 'processed', timeoutMs: 500 }))
    await until(() => server.metrics().handlersStarted === 1)
    clock.advance(510)
    expect(await sent).toBe('deadline maybe')
    await Promise.all([client.close({ graceMs: 0 }), server.close({ graceMs: 0 })])
  })

  it('can be given up by a signal, before it has left and after', async ({ stage }) => {
    const { server, client } = await pair(stage)
    server.receive('note', () => new Promise(() => {}))
    const aborted = AbortSignal.abort()
    expect(await reasonOf(client.send('note', 1, { ack: 'processed', signal: aborted }))).toBe('cancelled no')
    const controller = new AbortController()
    const sent = reasonOf(client.send('note', 2, { ack: 'processed', signal: controller.signal }))
    await until(() => server.metrics().handlersStarted === 1)
    controller.abort()
    expect(await sent).toBe('cancelled maybe')
    await server.close({ graceMs: 0 })
  })

  it('waits for its acknowledgement while its client closes', async ({ stage }) => {
    const { server, client } = await pair(stage)
    let finish: () => void = () => {}
    server.receive('note', () => {
      return new Promise<void>((resolve) => {
        finish = resolve
      })
    })
    const sent = client.send('note', 1, PROCESSED)
    await until(() => server.metrics().handlersStarted === 1)
    const closing = client.close()
    await turn()
    finish()
    await Promise.all([sent, closing])
  })

  it('is acknowledged by a server that closes', async ({ stage }) => {
    const { server, client } = await pair(stage)
    let finish: () => void = () => {}
    server.receive('note', () => {
      return new Promise<void>((resolve) => {
        finish = resolve
      })
    })
    const sent = client.send('note', 1, PROCESSED)
    await until(() => server.metrics().handlersStarted === 1)
    const closing = server.close()
    await turn()
    finish()
    await Promise.all([sent, closing])
  })

  it.each([
    [{ timeoutMs: 5 }, 'option timeoutMs needs the option ack'],
    [{ resend: true }, 'option resend needs the option ack'],
    [{ signal: AbortSignal.abort() }, 'option signal needs the option ack'],
    [{ ack: 'read' }, 'option ack must be one of accepted, processed, got read'],
    [{ ack: 'processed', timeoutMs: 0 }, 'option timeoutMs must be a number over 0, got 0'],
  ])('is told what is wrong with %j', async (options, message) => {
    const { Client } = await import('../../src/index.js')
    const client = new Client('tcp://127.0.0.1:1', { pool: { min: 0 } })
    await expect(client.send('note', 1, options as SendOptions)).rejects.toThrow(message)
    await client.close()
  })

  it('cannot be sent by trySend, which waits for nothing', async ({ stage }) => {
    const { client } = await pair(stage)
    expect(() => client.trySend('note', 1, PROCESSED)).toThrow('trySend waits for nothing')
  })
})

describe('a lost connection', () => {
  it('is told to who waits for an acknowledgement: nobody knows whether it was received', async ({ stage }) => {
    const { client, peer } = await stage.clientAndPeer({}, { features: FEATURE.ACKS })
    const sent = reasonOf(client.send('note', 1, PROCESSED))
    await peer.nextOf(KIND.ONE_WAY)
    peer.destroy()
    expect(await sent).toBe('connection-lost maybe')
  })

  it('has a message-id that no other life of the same peer uses', async ({ stage }) => {
    const { server, address } = await stage.listening()
    const ids: unknown[] = []
    server.receive('pay', (_, call) => {
      ids.push(call.metadata['message-id'])
    })
    for (let life = 1; life <= 2; life += 1) {
      const client = stage.client(address, { id: 'worker-1' })
      await client.send('pay', life, { ack: 'processed', resend: true })
      await client.close()
    }
    expect(new Set(ids).size).toBe(2)
    for (const id of ids) expect(id).toMatch(/^worker-1-/)
  })

  it('has a message sent again under the same message-id, where its sender chose that', async ({ stage }) => {
    const { client, peer, raw } = await stage.clientAndPeer(
      { id: 'me', pool: { min: 1, max: 1 } },
      { features: FEATURE.ACKS },
    )
    let acked = false
    const sent = client.send('note', 1, { ack: 'processed', resend: true }).then(() => {
      acked = true
    })
    const first = await peer.nextOf(KIND.ONE_WAY)
    peer.destroy()
    const next = await raw.greeted({ features: FEATURE.ACKS })
    const second = await next.nextOf(KIND.ONE_WAY)
    expect(second.body).toEqual(first.body)
    expect(second.body.toString('latin1')).toContain('message-id')
    expect(second.body.toString('latin1')).toMatch(/me-[0-9a-f]{16}-1/)
    expect([second.id, acked]).toEqual([1, false])
    next.write(frame(KIND.ACK, { aux: 2, body: Buffer.concat([u32(1), u32(1)]) }))
    await sent
  })

  it('is not forgotten by one that is to be sent again: what ends it then does not say that it never ran', async ({
    stage,
  }) => {
    const { client, peer } = await stage.clientAndPeer({ pool: { min: 1, max: 1 } }, { features: FEATURE.ACKS })
    const sent = reasonOf(client.send('note', 1, { ack: 'processed', resend: true }))
    await peer.nextOf(KIND.ONE_WAY)
    peer.destroy()
    await until(() => client.state === 'connecting')
    await client.close()
    expect(await sent).toBe('closed maybe')
  })

  it('moves what never left it to another, whatever its sender chose', async ({ stage }) => {
    const { client, peer, raw } = await stage.clientAndPeer(
      { pool: { min: 1, max: 1 }, compression: { algorithm: 'none' } },
      {
        features: FEATURE.ACKS | FEATURE.FLOW,
        flow: { maxStreams: 1, streamWindowBytes: 1_024, laneWindowBytes: 1_024 },
      },
    )
    const large = Buffer.alloc(2_000)
    const outcomes = [reasonOf(client.send('note', large, PROCESSED))]
    await peer.nextOf(KIND.ONE_WAY)
    outcomes.push(reasonOf(client.send('note', 'held', PROCESSED)))
    peer.destroy()
    const next = await raw.greeted({ features: FEATURE.ACKS })
    const { id, body } = await next.nextOf(KIND.ONE_WAY)
    expect([id, body]).toEqual([1, packed('held')])
    next.write(frame(KIND.ACK, { aux: 2, body: Buffer.concat([u32(1), u32(1)]) }))
    expect(await Promise.all(outcomes)).toEqual(['connection-lost maybe', undefined])
  })
})

describe('a peer', () => {
  it('that acknowledges nothing is not asked', async ({ stage }) => {
    const { client } = await stage.clientAndPeer({}, { features: 0 })
    expect(await reasonOf(client.send('note', 1, PROCESSED))).toBe('ack-unsupported no')
    await client.send('note', 1)
  })

  it.each([
    [
      'acknowledges what was never sent',
      frame(KIND.ACK, { aux: 2, body: Buffer.concat([u32(2), u32(2)]) }),
      'ack-invalid',
    ],
    ['refuses what was never sent', frame(KIND.NACK, { aux: 5, id: 2, body: Buffer.alloc(8) }), 'ack-invalid'],
    ['sends an ACK without a range', frame(KIND.ACK, { aux: 2 }), 'frame-malformed'],
    ['sends half a range', frame(KIND.ACK, { aux: 2, body: Buffer.alloc(12, 1) }), 'frame-malformed'],
    ['sends an ACK of no known stage', frame(KIND.ACK, { aux: 3, body: Buffer.alloc(8, 1) }), 'frame-malformed'],
    ['sends an ACK with an id', frame(KIND.ACK, { aux: 1, id: 1, body: Buffer.alloc(8, 1) }), 'frame-malformed'],
    ['sends a NACK without a fault', frame(KIND.NACK, { aux: 5, id: 1 }), 'frame-malformed'],
  ])('that %s is cut off', async (_name, bytes, reason) => {
    const { Stage } = await import('../fixtures/stage.js')
    const stage = new Stage()
    const { client, peer } = await stage.clientAndPeer({}, { features: FEATURE.ACKS })
    const sent = reasonOf(client.send('note', 1, PROCESSED))
    await peer.nextOf(KIND.ONE_WAY)
    peer.write(bytes)
    expect(faultOf(await peer.nextOf(KIND.GO_AWAY)).reason).toBe(reason)
    expect(await sent).toMatch(/maybe$/)
    expect(client.metrics().failures[reason as 'ack-invalid']).toBe(1)
    await stage.end()
  })

  it.each([
    ['comes twice', 1],
    ['does not rise', 0xffff_ffff],
  ])('whose message id %s is cut off', async (_name, id) => {
    const { Stage } = await import('../fixtures/stage.js')
    const stage = new Stage()
    const { server, address } = await stage.listening()
    let received = 0
    server.receive('note', () => {
      received += 1
    })
    const peer = await stage.dial(address)
    peer.hello({ features: FEATURE.ACKS })
    const note = (message: number): Buffer =>
      frame(KIND.ONE_WAY, { flags: MSGPACK, aux: 1, id: message, body: packed(1) })
    peer.write(methodFrame(1, 'note'), note(1))
    expect((await peer.nextOf(KIND.ACK)).body).toEqual(Buffer.concat([u32(1), u32(1)]))
    peer.write(note(id))
    expect(faultOf(await peer.nextOf(KIND.GO_AWAY)).reason).toBe('message-id-invalid')
    expect(received).toBe(1)
    await stage.end()
  })
})
