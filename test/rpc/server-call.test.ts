import { describe, expect } from 'vitest'
import { type ServerCall, TransportError } from '../../src/index.js'
import { KIND } from '../../src/wire/frame.js'
import { callFrame, frame, MSGPACK, methodFrame, packed, u32 } from '../fixtures/raw-peer.js'
import { it, type Stage, turn, until } from '../fixtures/stage.js'
import { VirtualClock } from '../support/virtual-clock.js'

/** A server whose handler waits for its signal, and shows its call. */
async function holding(stage: Stage, clock: VirtualClock): Promise<{ calls: ServerCall[]; address: string }> {
  const calls: ServerCall[] = []
  const { server, address } = await stage.listening({ clock, id: 'the-server' })
  server.handle('hold', (_, call) => {
    calls.push(call)
    return new Promise((resolve) => call.signal.addEventListener('abort', () => resolve(null)))
  })
  server.handle('look', (_, call) => {
    calls.push(call)
    return null
  })
  return { calls, address }
}

describe('what a handler knows of its call', () => {
  it('is who calls, from where, and what it said beside', async ({ stage }) => {
    const { calls, address } = await holding(stage, new VirtualClock())
    const client = stage.client(address, { id: 'the-client' })
    await client.call('look', null, { metadata: { 'trace-id': 'abc', text: 'größer' } })
    await client.call('look', null)
    expect(calls[0]?.peer.id).toBe('the-client')
    expect(calls[0]?.peer.address).toMatch(/^tcp:\/\/127\.0\.0\.1:\d+$/)
    expect(calls[0]?.metadata).toEqual({ 'trace-id': 'abc', text: 'größer' })
    expect(calls[1]?.metadata).toEqual({})
  })

  it('is how long the caller still waits, and until when', async ({ stage }) => {
    const clock = new VirtualClock()
    const { calls, address } = await holding(stage, clock)
    const client = stage.client(address)
    // A call that waits for its connection has less left when it goes out.
    await client.connect()
    await client.call('look', null, { timeoutMs: 5_000 })
    const [call] = calls
    expect(call?.remainingMs).toBe(5_000)
    expect(call?.deadline?.getTime()).toBe(clock.wallNow() + 5_000)
    clock.advance(1_500)
    expect(call?.remainingMs).toBe(3_500)
    clock.advance(10_000)
    expect(call?.remainingMs).toBe(0)
  })

  it('is that nobody waits for ever, unless the caller says so', async ({ stage }) => {
    const { calls, address } = await holding(stage, new VirtualClock())
    const peer = await stage.dial(address)
    peer.hello()
    peer.write(methodFrame(1, 'look'), callFrame(1, 1, null, 0))
    await peer.nextOf(KIND.ANSWER)
    expect(calls[0]?.remainingMs).toBe(Number.POSITIVE_INFINITY)
    expect(calls[0]?.deadline).toBeUndefined()
    expect(calls[0]?.signal.aborted).toBe(false)
  })

  it('stays readable after the call is over', async ({ stage }) => {
    const { calls, address } = await holding(stage, new VirtualClock())
    const client = stage.client(address)
    await client.call('look', null, { metadata: { a: 'b' } })
    await client.close()
    expect([calls[0]?.metadata, calls[0]?.signal.aborted]).toEqual([{ a: 'b' }, false])
  })
})

describe('the signal of a call', () => {
  it('fires when the caller cancels', async ({ stage }) => {
    const { calls, address } = await holding(stage, new VirtualClock())
    const controller = new AbortController()
    const call = stage.client(address).call('hold', null, { signal: controller.signal })
    await until(() => calls.length === 1)
    controller.abort()
    await expect(call).rejects.toMatchObject({ code: 'CANCELLED' })
    await until(() => calls[0]?.signal.aborted === true)
    expect(calls[0]?.signal.reason).toMatchObject({ code: 'CANCELLED' })
  })

  it('fires when the deadline passes, by the clock of the server', async ({ stage }) => {
    const clock = new VirtualClock()
    const { calls, address } = await holding(stage, clock)
    const client = stage.client(address)
    await client.connect()
    const call = client.call('hold', null, { timeoutMs: 60_000 })
    await until(() => calls.length === 1)
    await turn()
    clock.advance(59_990)
    expect(calls[0]?.signal.aborted).toBe(false)
    clock.advance(20)
    expect(calls[0]?.signal.aborted).toBe(true)
    expect(calls[0]?.signal.reason).toMatchObject({ code: 'DEADLINE_EXCEEDED' })
    // The caller is told the same, even where its own clock has not got there.
    await expect(call).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED', processed: 'yes' })
  })

  it('fires when the connection is lost', async ({ stage }) => {
    const { calls, address } = await holding(stage, new VirtualClock())
    const peer = await stage.dial(address)
    peer.hello()
    peer.write(methodFrame(1, 'hold'), callFrame(1, 1, null, 0))
    await until(() => calls.length === 1)
    peer.socket.resetAndDestroy()
    await until(() => calls[0]?.signal.aborted === true)
    expect(calls[0]?.signal.reason).toBeInstanceOf(TransportError)
  })

  it('has fired already for who asks late', async ({ stage }) => {
    const clock = new VirtualClock()
    const calls: ServerCall[] = []
    const { server, address } = await stage.listening({ clock })
    let release: () => void = () => {}
    server.handle('hold', (_, call) => {
      calls.push(call)
      return new Promise<void>((resolve) => {
        release = resolve
      })
    })
    const call = stage.client(address).call('hold', null, { timeoutMs: 1_000 })
    await until(() => calls.length === 1)
    await turn()
    clock.advance(1_010)
    expect(calls[0]?.signal.aborted).toBe(true)
    expect(calls[0]?.signal.reason).toMatchObject({ code: 'DEADLINE_EXCEEDED' })
    release()
    await expect(call).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' })
  })

  it('fires once: a cancel after the deadline changes nothing', async ({ stage }) => {
    const clock = new VirtualClock()
    const { calls, address } = await holding(stage, clock)
    const peer = await stage.dial(address)
    peer.hello()
    peer.write(
      methodFrame(1, 'look'),
      frame(KIND.CALL, { flags: MSGPACK, aux: 1, id: 1, body: Buffer.concat([u32(5), packed(1)]) }),
    )
    await until(() => calls.length === 1)
    peer.write(
      frame(KIND.CANCEL, { id: 1, aux: 1 }),
      frame(KIND.CANCEL, { id: 99, aux: 1 }),
      frame(KIND.PING, { id: 1 }),
    )
    await peer.nextOf(KIND.PONG)
    expect(calls[0]?.signal.aborted).toBe(false)
  })

  it('fires for each of 1,000 calls that one signal cancels at once, without a warning', async ({ stage }) => {
    const warnings: Error[] = []
    const onWarning = (warning: Error): void => void warnings.push(warning)
    process.on('warning', onWarning)
    const { calls, address } = await holding(stage, new VirtualClock())
    const clock = new VirtualClock()
    const client = stage.client(address, { pool: { max: 1 }, heartbeat: { intervalMs: 0 }, clock })
    const controller = new AbortController()
    const all = Promise.allSettled(
      Array.from({ length: 1_000 }, () => client.call('hold', null, { signal: controller.signal })),
    )
    await until(() => calls.length === 1_000)
    controller.abort()
    for (const call of await all) expect(call).toMatchObject({ reason: { code: 'CANCELLED', processed: 'maybe' } })
    // So many are not told at once, but as many a second as the peer takes.
    await until(() => {
      clock.advance(100)
      return calls.every(({ signal }) => signal.aborted)
    })
    await until(() => client.info().connections[0]?.openCalls === 0)
    process.off('warning', onWarning)
    expect(warnings).toEqual([])
  })
})
