import { describe, expect } from 'vitest'
import { type Codec, defineService, onBatch, oneWay, raw, unary } from '../../src/index.js'
import { KIND } from '../../src/wire/frame.js'
import { frame, MSGPACK, methodFrame, packed, u32 } from '../fixtures/raw-peer.js'
import { it, turn, until } from '../fixtures/stage.js'
import { VirtualClock } from '../support/virtual-clock.js'

/** A BATCH body: each message behind its length. */
function batch(...values: readonly unknown[]): Buffer {
  return Buffer.concat(values.map(packed).flatMap((body) => [u32(body.length), body]))
}

describe('messages without an answer', () => {
  it('wait while as many handlers run as the limit allows, and go on in order', async ({ stage }) => {
    const seen: unknown[] = []
    const release: (() => void)[] = []
    const { server, address } = await stage.listening({ limits: { maxOpenCalls: 3 } })
    server.receive('slow', (number) => {
      seen.push(number)
      return new Promise<void>((resolve) => release.push(resolve))
    })
    const client = stage.client(address)
    await client.sendBatch(
      'slow',
      Array.from({ length: 10 }, (_, index) => index),
    )
    await until(() => seen.length === 3)
    for (let turns = 0; turns < 10; turns += 1) await turn()
    expect(seen).toEqual([0, 1, 2])
    expect(server.info().connections[0]?.runningHandlers).toBe(3)
    // Their credit waits with them: nobody has to stop reading.
    expect(server.metrics().readPauses).toBe(server.metrics().turnsYielded)
    for (let next = 0; next < 10; next += 1) {
      await until(() => release.length > next)
      release[next]?.()
    }
    await until(() => server.metrics().handlersFinished === 10)
    expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  it('are dropped and counted when nobody takes them, or they cannot be read', async ({ stage }) => {
    const seen: unknown[] = []
    const { server, address } = await stage.listening()
    server.receive('note', (note) => void seen.push(note))
    server.handle('called', () => 'not for messages')
    const peer = await stage.dial(address)
    peer.hello()
    peer.write(methodFrame(1, 'note'), methodFrame(2, 'nobody'), methodFrame(3, 'called'))
    const oneWay = (aux: number, body: Buffer, flags = MSGPACK): Buffer => frame(KIND.ONE_WAY, { flags, aux, body })
    peer.write(oneWay(1, packed('a')), oneWay(2, packed('b')), oneWay(3, packed('c')), oneWay(9, packed('d')))
    peer.write(oneWay(1, Buffer.of(0xc1)), oneWay(1, packed('e'), 0), oneWay(1, packed('f')))
    peer.write(frame(KIND.PING, { id: 1 }))
    await peer.nextOf(KIND.PONG)
    expect(seen).toEqual(['a', 'f'])
    const { oneWayReceived, oneWayDropped, failures } = server.metrics()
    expect([oneWayReceived, oneWayDropped]).toEqual([7, 5])
    expect(failures).toMatchObject({ 'method-unknown': 2, 'msgpack-malformed': 1, 'codec-not-agreed': 1 })
  })

  it('of a batch fail one by one', async ({ stage }) => {
    const seen: unknown[] = []
    const { server, address } = await stage.listening()
    server.receive('note', (note) => void seen.push(note))
    const peer = await stage.dial(address)
    peer.hello()
    const broken = Buffer.concat([batch('a'), u32(1), Buffer.of(0xc1), batch('b', 'c')])
    peer.write(
      methodFrame(1, 'note'),
      frame(KIND.BATCH, { flags: MSGPACK, aux: 1, body: broken }),
      frame(KIND.PING, { id: 1 }),
    )
    await peer.nextOf(KIND.PONG)
    expect(seen).toEqual(['a', 'b', 'c'])
    expect(server.metrics()).toMatchObject({ oneWayReceived: 4, oneWayDropped: 1 })
  })

  it('whose handlers throw or reject harm nobody, and are counted', async ({ stage }) => {
    const { server, address } = await stage.listening()
    server.receive('throws', () => {
      throw new Error('thrown')
    })
    server.receive('rejects', () => Promise.reject(new Error('rejected')))
    server.receive('trap', () => ({
      // biome-ignore lint/suspicious/noThenProperty: a thenable is the point
      get then() {
        throw new Error('trapped')
      },
    }))
    server.handle('echo', (request) => request)
    const client = stage.client(address)
    for (const name of ['throws', 'rejects', 'trap']) await client.send(name, 1)
    expect(await client.call('echo', 'fine')).toBe('fine')
    await until(() => server.metrics().handlersFinished === 4)
    expect(server.metrics().failures['handler-failed']).toBe(3)
  })

  it('know their peer and metadata, and have no deadline', async ({ stage }) => {
    const { server, address } = await stage.listening()
    const seen: unknown[] = []
    server.receive('note', (_, { peer, metadata, deadline, remainingMs }) => {
      seen.push([peer.id, metadata, deadline, remainingMs])
    })
    const client = stage.client(address, { id: 'me' })
    await client.send('note', 1, { metadata: { a: 'b' }, priority: 'high' })
    await client.sendBatch('note', [1, 2], { metadata: { c: 'd' } })
    await until(() => seen.length === 3)
    const forEver = [undefined, Number.POSITIVE_INFINITY]
    expect(seen).toEqual([
      ['me', { a: 'b' }, ...forEver],
      ['me', { c: 'd' }, ...forEver],
      ['me', { c: 'd' }, ...forEver],
    ])
  })

  it('may be large, compressed, by reference and with metadata, in any mixture', async ({ stage }) => {
    const options = { compression: { mode: 'always' } } as const
    const { server, address } = await stage.listening(options)
    const seen: string[] = []
    server.receive('note', (note, { metadata }) => {
      const sizes = (note as (Buffer | string)[]).map((part) => part.length)
      seen.push([...sizes, ...Object.values(metadata)].join(' '))
    })
    const client = stage.client(address, options)
    const notes = [
      ['x'],
      ['y', Buffer.alloc(2_000)],
      ['z'.repeat(3_000)],
      [Buffer.alloc(9_000), 'a', Buffer.alloc(50_000)],
    ]
    await client.sendBatch('note', notes)
    await client.sendBatch('note', notes, { metadata: { key: 'value' } })
    await client.sendBatch('note', notes)
    await until(() => seen.length === 12)
    const sizes = ['1', '1 2000', '3000', '9000 1 50000']
    expect(seen).toEqual([...sizes, ...sizes.map((size) => `${size} value`), ...sizes])
    expect(client.metrics().compressedBodies).toBeGreaterThanOrEqual(6)
  })

  it('arrive whole where a codec writes a head in front of bytes that stay where they are', async ({ stage }) => {
    const framed: Codec<Uint8Array> = {
      name: 'raw',
      schema: 'framed',
      encode: (body, out) => {
        out.put(Buffer.from('head:'))
        out.put(body)
      },
      decode: (bytes, start, end) => Buffer.from(bytes.subarray(start, end)),
    }
    const Framed = defineService('framed', {
      note: oneWay({ request: framed }),
      echo: unary({ request: framed, response: raw() }),
    })
    const options = { compression: { mode: 'always' } } as const
    const { server, address } = await stage.listening(options)
    const seen: string[] = []
    server.implement(Framed, { note: (body) => void seen.push(body.toString()), echo: (body) => body })
    const client = stage.client(address, options)
    const { echo } = client.use(Framed)
    const bodies = ['a', 'b', 'c'.repeat(9_000), 'd', 'e'.repeat(90_000)]
    await client.sendBatch(
      'framed.note',
      bodies.map((body) => Buffer.from(body)),
    )
    for (const body of bodies) expect((await echo(Buffer.from(body))).toString()).toBe(`head:${body}`)
    expect(seen).toEqual(bodies.map((body) => `head:${body}`))
  })

  it('wait for a connection in order, and fail when there is none to come', async ({ stage }) => {
    const raw = await stage.rawServer()
    const client = stage.client(raw.address)
    const sent = Promise.all([client.send('note', 1), client.sendBatch('note', [2, 3]), client.send('note', 4)])
    const peer = await raw.greeted()
    await sent
    // In the order in which they were sent, in one batch again.
    expect((await peer.nextOf(KIND.BATCH)).body).toEqual(batch(1, 2, 3, 4))
    await raw.close()
    await until(() => client.info().connections.length === 0)
    await expect(client.send('note', 5)).rejects.toMatchObject({ reason: 'connect-refused', processed: 'no' })
  })

  it('of one batch keep their order also where there are many connections', async ({ stage }) => {
    const seen: unknown[] = []
    const { server, address } = await stage.listening()
    server.receive('note', (note) => void seen.push(note))
    const client = stage.client(address, { pool: { min: 4 } })
    await until(() => client.info().pool.ready === 4)
    const numbers = Array.from({ length: 5_000 }, (_, index) => index)
    await client.sendBatch('note', numbers)
    await until(() => seen.length === numbers.length)
    expect(seen).toEqual(numbers)
  })
})

describe('a sender', () => {
  it('waits while the peer does not read, and goes on when it does', async ({ stage }) => {
    const raw = await stage.rawServer()
    const client = stage.client(raw.address, {
      clock: new VirtualClock(),
      compression: { algorithm: 'none' },
      limits: { unreadSoftBytes: 64 * 1024 },
    })
    const peer = await raw.greeted()
    await client.connect()
    peer.socket.pause()
    const body = Buffer.alloc(256 * 1024)
    let sent = 0
    let waits: Promise<void> | null = null
    while (waits === null) {
      let accepted = false
      const sending = client.send('note', body).then(() => {
        accepted = true
      })
      sent += 1
      await turn()
      if (!accepted) waits = sending
    }
    peer.socket.resume()
    await waits
    let received = 0
    while (received < sent) {
      await peer.nextOf(KIND.ONE_WAY)
      received += 1
    }
  })

  it('does not wait for ever when the connection goes away', async ({ stage }) => {
    const raw = await stage.rawServer()
    const limits = { unreadSoftBytes: 64 * 1024 }
    const client = stage.client(raw.address, { compression: { algorithm: 'none' }, limits })
    const peer = await raw.greeted()
    await client.connect()
    peer.socket.pause()
    const body = Buffer.alloc(900 * 1024)
    const all = Promise.allSettled(Array.from({ length: 12 }, () => client.send('note', body)))
    await turn()
    peer.socket.resetAndDestroy()
    // Those that were never taken in go to the next connection.
    const next = await raw.greeted()
    expect((await all).every(({ status }) => status === 'fulfilled')).toBe(true)
    await next.nextOf(KIND.ONE_WAY)
  })

  it('is not held up by another connection that is stuck', async ({ stage }) => {
    const [stuck, free] = [await stage.rawServer(), await stage.rawServer()]
    const client = stage.client([stuck.address, free.address], {
      clock: new VirtualClock(),
      compression: { algorithm: 'none' },
      limits: { unreadSoftBytes: 64 * 1024 },
    })
    const peers = await Promise.all([stuck.greeted(), free.greeted()])
    await until(() => client.info().pool.ready === 2)
    peers[0]?.socket.pause()
    const body = Buffer.alloc(512 * 1024)
    const all = Array.from({ length: 60 }, () => client.send('note', body))
    let accepted = 0
    for (const sending of all) {
      sending.then(
        () => void (accepted += 1),
        () => {},
      )
    }
    const queued = (): number[] => client.info().connections.map(({ queuedBytes }) => queuedBytes)
    // About half of them went to the free one, which took all it was given.
    await until(() => accepted >= 30 && Math.min(...queued()) === 0)
    expect(Math.max(...queued())).toBeGreaterThan(0)
    expect(accepted).toBeLessThan(60)
  })
})

describe('a handler that takes its time', () => {
  it('holds up its sender through every queue between, and loses nothing', async ({ stage }) => {
    const { server, address } = await stage.listening()
    const release: (() => void)[] = []
    let letGo = false
    server.receive('slow', () => (letGo ? undefined : new Promise<void>((resolve) => release.push(resolve))), {
      concurrency: 2,
    })
    const mailbox = { maxMessages: 100, maxBytes: 256 * 1_024 }
    const client = stage.client(address, { compression: { algorithm: 'none' }, mailbox })
    const body = Buffer.alloc(1_024)
    let accepted = 0
    const sends = Array.from({ length: 2_000 }, () => {
      return client.send('slow', body).then(() => {
        accepted += 1
      })
    })
    await until(() => release.length === 2)
    for (let turns = 0; turns < 50; turns += 1) await turn()
    // What the reader's window lets through, and what the sender's mailbox holds: no more was taken.
    const window = (128 * 1_024) / (1_024 + 12)
    expect(accepted).toBeLessThan(window + 100 + 40)
    expect(client.trySend('slow', body)).toBe(false)
    // On a busy machine a turn may be over before all is read; nothing else keeps it from reading.
    const { readPauses, turnsYielded } = server.metrics()
    expect(readPauses).toBe(turnsYielded)
    letGo = true
    for (const go of release) go()
    await Promise.all(sends)
    await until(() => server.metrics().handlersFinished === 2_000)
    expect(server.metrics().oneWayDropped).toBe(0)
  })

  it('is told when the connection is lost, and what came at last is handled all the same', async ({ stage }) => {
    const { server, address } = await stage.listening()
    const reasons: unknown[] = []
    const batches: unknown[] = []
    server.receive('slow', (_, { signal }) => {
      return new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => {
          reasons.push(signal.reason)
          resolve()
        })
      })
    })
    server.receive(
      'many',
      onBatch((notes) => void batches.push(...notes)),
    )
    const peer = await stage.dial(address)
    peer.hello()
    peer.write(methodFrame(1, 'slow'), methodFrame(2, 'many'))
    const oneWay = (aux: number): Buffer => frame(KIND.ONE_WAY, { flags: MSGPACK, aux, body: packed(aux) })
    // The last frame ends the connection in the same turn.
    peer.write(oneWay(1), oneWay(2), oneWay(2), frame(0x7f))
    await until(() => reasons.length === 1)
    expect(reasons[0]).toMatchObject({ reason: 'frame-unknown' })
    expect(batches).toEqual([2, 2])
  })
})
