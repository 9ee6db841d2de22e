import { once } from 'node:events'
import { describe, expect } from 'vitest'
import { defineService, raw, unary } from '../../src/index.js'
import { FLAG, KIND } from '../../src/wire/frame.js'
import { answerFrame, errorFrame, frame, MSGPACK, packed } from '../fixtures/raw-peer.js'
import { it, turn, until } from '../fixtures/stage.js'
import { VirtualClock } from '../support/virtual-clock.js'

describe('a call on the wire', () => {
  it('introduces its method once, and carries its id, codec, lane and timeout', async ({ stage }) => {
    const { client, peer } = await stage.clientAndPeer({ pool: { separateBulk: false } })
    const calls = [client.call('echo', 'a', { timeoutMs: 1_500, priority: 'bulk' }), client.call('echo', 'b')]
    expect(await peer.next()).toMatchObject({ kind: KIND.METHOD, aux: 1, body: Buffer.from('echo') })
    const first = await peer.next()
    expect(first).toMatchObject({ kind: KIND.CALL, aux: 1, id: 1, flags: MSGPACK | (3 << 5) })
    expect(first.body.readUInt32LE(0)).toBe(1_500)
    expect(first.body.subarray(4)).toEqual(packed('a'))
    const second = await peer.next()
    expect(second).toMatchObject({ kind: KIND.CALL, aux: 1, id: 2, flags: MSGPACK | (1 << 5) })
    expect(second.body.readUInt32LE(0)).toBe(30_000)
    peer.write(answerFrame(2, 'B'), answerFrame(1, 'A'))
    expect(await Promise.all(calls)).toEqual(['A', 'B'])
  })

  it('is raw up to compression.thresholdBytes of payload, and compressed from the next byte on', async ({ stage }) => {
    const { client, peer } = await stage.clientAndPeer({}, { compressions: 1 })
    const Bytes = defineService('bytes', { put: unary({ request: raw(), response: raw() }) })
    const { put } = client.use(Bytes)
    for (const [bytes, compressed] of [
      [1_024, false],
      [1_025, true],
    ] as const) {
      const call = put(Buffer.alloc(bytes, 1))
      const { id, flags, body } = await peer.nextOf(KIND.CALL)
      expect((flags & FLAG.COMPRESSED) !== 0).toBe(compressed)
      if (compressed) expect(body.readUInt32LE(4)).toBe(bytes)
      else expect(body.length).toBe(4 + bytes)
      peer.write(frame(KIND.ANSWER, { id }))
      await call
    }
  })

  it('that waited for its connection carries what is left of its time, and ends when that is over', async ({
    stage,
  }) => {
    const clock = new VirtualClock()
    const raw = await stage.rawServer()
    const client = stage.client(raw.address, { clock })
    const call = client.call('echo', 1, { timeoutMs: 4_000 })
    const peer = await raw.accept()
    await turn()
    clock.advance(3_000)
    peer.hello()
    expect((await peer.nextOf(KIND.CALL)).body.readUInt32LE(0)).toBe(1_000)
    await turn()
    const failing = expect(call).rejects.toMatchObject({ reason: 'deadline', processed: 'maybe' })
    clock.advance(1_010)
    await failing
    peer.write(errorFrame(1, 'maybe'))
    await until(() => client.info().pool.borrowed === 0)
  })

  it('whose time ran out while it waited is not sent any more', async ({ stage }) => {
    // The loop was busy: the connection is ready before the timer had its turn.
    const clock = new VirtualClock()
    const behind = clock.now.bind(clock)
    const raw = await stage.rawServer()
    const client = stage.client(raw.address, { clock })
    const call = client.call('echo', 1, { timeoutMs: 4_000 })
    const peer = await raw.accept()
    await turn()
    clock.now = () => behind() + 4_500
    peer.hello()
    await expect(call).rejects.toMatchObject({ reason: 'deadline', processed: 'no' })
    clock.now = behind
    peer.write(frame(KIND.PING, { id: 1 }))
    await peer.nextOf(KIND.HELLO)
    expect((await peer.next()).kind).toBe(KIND.PONG)
  })

  it('longer than a day is cut to a day', async ({ stage }) => {
    const { client, peer } = await stage.clientAndPeer()
    const call = client.call('echo', 1, { timeoutMs: Number.POSITIVE_INFINITY })
    const { id, body } = await peer.nextOf(KIND.CALL)
    expect(body.readUInt32LE(0)).toBe(86_400_000)
    peer.write(answerFrame(id, 1))
    await call
  })
})

describe('a call settles', () => {
  it.for(['no', 'maybe', 'yes'] as const)('with the error of the peer, processed: %s', async (processed, { stage }) => {
    const { client, peer } = await stage.clientAndPeer()
    const call = client.call('echo', 1)
    const { id } = await peer.nextOf(KIND.CALL)
    peer.write(errorFrame(id, processed, 5, 'no such\nblock'))
    await expect(call).rejects.toMatchObject({
      code: 'NOT_FOUND',
      origin: 'peer',
      processed,
      message: 'no such\\u000ablock',
    })
  })

  it('once, whatever comes after its deadline', async ({ stage }) => {
    const clock = new VirtualClock()
    const { client, peer } = await stage.clientAndPeer({ clock })
    const call = client.call('echo', 1, { timeoutMs: 100 })
    const { id } = await peer.nextOf(KIND.CALL)
    const failing = expect(call).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED', processed: 'maybe' })
    clock.advance(110)
    await failing
    expect(client.metrics()).toMatchObject({ callsFailed: 1, callsSucceeded: 0 })
    peer.write(answerFrame(id, 'late'))
    await until(() => client.info().connections[0]?.openCalls === 0)
    expect(client.metrics()).toMatchObject({ callsFailed: 1, callsSucceeded: 0 })
  })

  it('as cancelled when its signal is aborted, before, while it waits and while it runs', async ({ stage }) => {
    const raw = await stage.rawServer()
    const client = stage.client(raw.address)
    const why = new Error('changed my mind')
    const before = client.call('echo', 1, { signal: AbortSignal.abort(why) })
    await expect(before).rejects.toMatchObject({ code: 'CANCELLED', processed: 'no', cause: why })
    const waiting = new AbortController()
    const queued = client.call('echo', 2, { signal: waiting.signal })
    waiting.abort(why)
    await expect(queued).rejects.toMatchObject({ code: 'CANCELLED', processed: 'no' })
    const peer = await raw.greeted()
    const running = new AbortController()
    const open = client.call('echo', 3, { signal: running.signal })
    const { id, body } = await peer.nextOf(KIND.CALL)
    expect(body.subarray(4)).toEqual(packed(3))
    running.abort(why)
    await expect(open).rejects.toMatchObject({ code: 'CANCELLED', processed: 'maybe', cause: why })
    expect(await peer.nextOf(KIND.CANCEL)).toMatchObject({ id, aux: 1 })
    peer.write(errorFrame(id, 'maybe', 1))
  })

  it('and leaves nothing on its signal', async ({ stage }) => {
    const { client, peer } = await stage.clientAndPeer()
    const { signal } = new AbortController()
    let listeners = 0
    signal.addEventListener = () => void (listeners += 1)
    signal.removeEventListener = () => void (listeners -= 1)
    const call = client.call('echo', 1, { signal })
    const { id } = await peer.nextOf(KIND.CALL)
    expect(listeners).toBe(1)
    peer.write(answerFrame(id, 1))
    await call
    expect(listeners).toBe(0)
  })

  it('when the connection is lost: handed over is maybe', async ({ stage }) => {
    const { client, peer } = await stage.clientAndPeer()
    const calls = Promise.allSettled([client.call('echo', 1), client.call('echo', 2)])
    await peer.nextOf(KIND.CALL)
    peer.socket.resetAndDestroy()
    for (const call of await calls) {
      expect(call).toMatchObject({ reason: { code: 'UNAVAILABLE', reason: 'connection-lost', processed: 'maybe' } })
    }
  })

  it('when its peer reads no more: what the socket never got was not processed', async ({ stage }) => {
    const clock = new VirtualClock()
    const options = { clock, compression: { algorithm: 'none' }, retry: { maxAttempts: 1 } } as const
    const { client, peer } = await stage.clientAndPeer(options)
    peer.socket.pause()
    const body = Buffer.alloc(512 * 1024, 1)
    const handed = Promise.allSettled(Array.from({ length: 20 }, () => client.call('echo', body)))
    await turn()
    // The socket is full: what comes now gathers on our side.
    expect(client.info().connections[0]?.queuedBytes).toBeGreaterThan(1024 * 1024)
    const kept = Promise.allSettled(Array.from({ length: 10 }, (_, n) => client.call('echo', n)))
    await turn()
    clock.advance(10_010)
    for (const call of await kept) expect(call).toMatchObject({ reason: { reason: 'write-stalled', processed: 'no' } })
    expect((await handed)[0]).toMatchObject({ reason: { reason: 'write-stalled', processed: 'maybe' } })
    expect(client.metrics().failures['write-stalled']).toBe(1)
  })
})

describe('a call that was given up', () => {
  it('keeps its place until the peer says that the handler has settled', async ({ stage }) => {
    const clock = new VirtualClock()
    const { client, peer } = await stage.clientAndPeer({ clock }, { maxOpenCalls: 2 })
    const given = Promise.allSettled([1, 2].map((n) => client.call('echo', n, { timeoutMs: 50 })))
    const first = await peer.nextOf(KIND.CALL)
    const second = await peer.nextOf(KIND.CALL)
    clock.advance(60)
    await given
    expect(client.info().connections[0]?.openCalls).toBe(2)
    // No place, no call: it waits on our side.
    const third = client.call('echo', 3)
    await turn()
    expect(client.info().waitingCalls).toBe(1)
    peer.write(errorFrame(second.id, 'maybe', 4))
    const next = await peer.nextOf(KIND.CALL)
    expect(next.body.subarray(4)).toEqual(packed(3))
    peer.write(answerFrame(next.id, 'third'), answerFrame(first.id, 'too late'))
    expect(await third).toBe('third')
    await until(() => client.info().connections[0]?.openCalls === 0)
  })

  it('does not hold up close()', async ({ stage }) => {
    // Time stands still: no grace ever ends.
    const { client, peer } = await stage.clientAndPeer({ clock: new VirtualClock() })
    const controller = new AbortController()
    const call = client.call('echo', 1, { signal: controller.signal })
    await peer.nextOf(KIND.CALL)
    controller.abort()
    await expect(call).rejects.toMatchObject({ code: 'CANCELLED' })
    const ended = once(peer.socket, 'end')
    const closing = client.close()
    await ended
    peer.socket.end()
    await closing
  })

  it('with a thousand others at once does not have the peer close the connection for its cancels', async ({
    stage,
  }) => {
    const clock = new VirtualClock()
    const { server, address } = await stage.listening({ clock, limits: { maxOpenCalls: 4_096, errorsPer10s: 10_000 } })
    server.handle('slow', (_, call) => {
      return new Promise((_resolve, reject) => call.signal.addEventListener('abort', () => reject(call.signal.reason)))
    })
    server.handle('echo', (request) => request)
    const client = stage.client(address, { clock, limits: { maxOpenCalls: 4_096 }, pool: { max: 1 } })
    await client.connect()
    const calls = Promise.allSettled(Array.from({ length: 1_500 }, () => client.call('slow', 1, { timeoutMs: 500 })))
    await until(() => server.metrics().handlersStarted === 1_500)
    await turn()
    clock.advance(520)
    for (const call of await calls) expect(call).toMatchObject({ reason: { code: 'DEADLINE_EXCEEDED' } })
    expect(await client.call('echo', 'still here')).toBe('still here')
    await until(() => client.info().connections[0]?.openCalls === 0)
    expect(client.metrics().dialsStarted).toBe(1)
  })
})
