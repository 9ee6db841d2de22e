import { describe, expect } from 'vitest'
import { KIND } from '../../src/wire/frame.js'
import { callFrame, faultOf, frame, goAwayFrame, MSGPACK, methodFrame, packed } from '../fixtures/raw-peer.js'
import { it, turn, until } from '../fixtures/stage.js'
import { VirtualClock } from '../support/virtual-clock.js'

describe('server.close()', () => {
  it('waits for running handlers, and their answers arrive', async ({ stage }) => {
    const { server, address, held } = await stage.holding()
    const client = stage.client(address)
    const calls = [client.call('hold', 1), client.call('hold', 2)]
    await until(() => held.length === 2)
    let closed = false
    const closing = server.close().then(() => {
      closed = true
    })
    for (let turns = 0; turns < 20; turns += 1) await turn()
    expect(closed).toBe(false)
    held.forEach((answer, index) => {
      answer(index)
    })
    expect(await Promise.all(calls)).toEqual([0, 1])
    await closing
    expect(server.info().connections).toEqual([])
  })

  it.for(['answers at once', 'has to wait itself'])(
    'answers the handler that asked for it, which %s',
    async (how, { stage }) => {
      const { server, address } = await stage.listening()
      const closing: Promise<void>[] = []
      server.handle('shutdown', () => {
        closing.push(server.close({ graceMs: 10_000 }))
        return how === 'answers at once' ? 'bye' : turn().then(() => 'bye')
      })
      expect(await stage.client(address).call('shutdown', null)).toBe('bye')
      await Promise.all(closing)
      expect(closing).toHaveLength(1)
    },
  )

  it('takes one-way messages that cross its GO_AWAY', async ({ stage }) => {
    const seen: unknown[] = []
    const { server, peer } = await stage.serverAndPeer((made) => {
      made.receive('note', (value) => {
        seen.push(value)
      })
    })
    await until(() => server.info().connections[0]?.state === 'ready')
    const closing = server.close()
    await peer.nextOf(KIND.GO_AWAY)
    const { id } = await peer.nextOf(KIND.PING)
    const note = frame(KIND.ONE_WAY, { flags: MSGPACK, aux: 1, body: packed('crossed') })
    peer.write(methodFrame(1, 'note'), note, frame(KIND.PONG, { id }))
    await closing
    expect(seen).toEqual(['crossed'])
    expect(server.metrics().oneWayReceived).toBe(1)
  })

  it('waits for one-way handlers as well', async ({ stage }) => {
    const { server, address } = await stage.listening()
    let finish: () => void = () => {}
    let finished = false
    server.receive('slow', async () => {
      await new Promise<void>((resolve) => {
        finish = resolve
      })
      finished = true
    })
    const client = stage.client(address)
    await client.send('slow', 1)
    await until(() => server.metrics().handlersStarted === 1)
    const closing = server.close()
    await turn()
    finish()
    await closing
    expect(finished).toBe(true)
  })

  it('cuts what still runs after graceMs: the handler is told, its caller knows that it may have run', async ({
    stage,
  }) => {
    const clock = new VirtualClock()
    const { server, address } = await stage.listening({ clock })
    const reasons: unknown[] = []
    server.handle('stuck', (_, call) => {
      call.signal.addEventListener('abort', () => reasons.push(call.signal.reason))
      return new Promise(() => {})
    })
    const client = stage.client(address)
    const call = client.call('stuck', 1)
    await until(() => server.info().connections[0]?.runningHandlers === 1)
    const closing = server.close({ graceMs: 3_000 })
    clock.advance(2_990)
    await turn()
    expect(reasons).toEqual([])
    clock.advance(20)
    expect(reasons).toEqual([expect.objectContaining({ reason: 'closed' })])
    await expect(call).rejects.toMatchObject({ code: 'UNAVAILABLE', processed: 'maybe' })
    await closing
  })

  it('frees its address, and refuses to listen again', async ({ stage }) => {
    const { server, address } = await stage.listening()
    await server.close()
    await expect(server.listen(address)).rejects.toMatchObject({ reason: 'closed' })
    const next = await stage.listening({}, address)
    expect(next.address).toBe(address)
  })

  it('closes an address that was about to be listened at', async ({ stage }) => {
    const path = stage.socketPath()
    const server = stage.server()
    const listening = server.listen(`unix:${path}`)
    await Promise.all([server.close(), expect(listening).rejects.toMatchObject({ reason: 'closed' })])
    await stage.listening({}, `unix:${path}`)
  })

  it('is one closing however often it is called', async ({ stage }) => {
    const { server, held, address } = await stage.holding()
    const call = stage.client(address).call('hold', 1)
    await until(() => held.length === 1)
    const closed: number[] = []
    const closings = [1, 2].map((time) => server.close().then(() => closed.push(time)))
    await turn()
    expect(closed).toEqual([])
    held[0]?.('done')
    expect(await call).toBe('done')
    await Promise.all(closings)
    expect(server.info().connections).toEqual([])
  })

  it('ends what is with who has not said HELLO', async ({ stage }) => {
    const { server, address } = await stage.listening()
    const silent = await stage.dial(address)
    await silent.nextOf(KIND.HELLO)
    const closing = server.close()
    expect(await silent.nextOf(KIND.GO_AWAY)).toMatchObject({ aux: 0, id: 0 })
    await closing
    await silent.closed
    expect(server.info().buffers.current).toBe(0)
  })

  it('tells who calls before its HELLO has arrived that the call did not run', async ({ stage }) => {
    const { server, address } = await stage.holding()
    const client = stage.client(address, { retry: { maxAttempts: 1 } })
    // Our HELLO made it ready; its own is on its way.
    await client.connect()
    const closing = server.close()
    const call = client.call('hold', 1).catch((error: unknown) => error)
    expect(await call).toMatchObject({ code: 'UNAVAILABLE', processed: 'no' })
    await closing
    expect(server.metrics().handlersStarted).toBe(0)
  })

  it('tells the last id it accepted, answers those, and neither runs nor answers what comes later', async ({
    stage,
  }) => {
    const { server, address, held } = await stage.holding()
    const peer = await stage.dial(address)
    peer.hello()
    peer.write(methodFrame(1, 'hold'), callFrame(1, 1, null), callFrame(2, 1, null))
    await until(() => held.length === 2)
    const closing = server.close()
    const notice = await peer.nextOf(KIND.GO_AWAY)
    expect(notice).toMatchObject({ aux: 0, id: 2 })
    expect(faultOf(notice)).toMatchObject({ processed: 'no', reason: 'closed' })
    peer.write(callFrame(3, 1, null), frame(KIND.PING, { id: 5 }))
    // The GO_AWAY was its answer. A ping after it harms nothing.
    expect(await peer.next()).toMatchObject({ kind: KIND.PONG, id: 5 })
    expect(server.metrics().failures['going-away']).toBe(1)
    held.forEach((answer) => {
      answer('kept')
    })
    expect(await peer.next()).toMatchObject({ kind: KIND.ANSWER, id: 1, body: packed('kept') })
    expect(await peer.next()).toMatchObject({ kind: KIND.ANSWER, id: 2, body: packed('kept') })
    peer.socket.end()
    await closing
    expect(server.metrics().handlersStarted).toBe(2)
  })
})

describe('client.close()', () => {
  it('lets open calls end, and refuses new ones at once', async ({ stage }) => {
    const { address, held } = await stage.holding()
    const client = stage.client(address)
    const open = client.call('hold', 1)
    await until(() => held.length === 1)
    const closing = client.close()
    const closed = { code: 'UNAVAILABLE', reason: 'closed', processed: 'no' }
    await expect(client.call('echo', 1)).rejects.toMatchObject(closed)
    await expect(client.send('note', 1)).rejects.toMatchObject(closed)
    await expect(client.sendBatch('note', [1])).rejects.toMatchObject(closed)
    await expect(client.lease()).rejects.toMatchObject(closed)
    held[0]?.('done')
    expect(await open).toBe('done')
    await closing
    await expect(client.call('echo', 1)).rejects.toMatchObject(closed)
  })

  it('cuts open calls after graceMs', async ({ stage }) => {
    const clock = new VirtualClock()
    const { address, held } = await stage.holding()
    const client = stage.client(address, { clock })
    const open = client.call('hold', 1)
    await until(() => held.length === 1)
    const closing = client.close({ graceMs: 500 })
    clock.advance(490)
    await turn()
    expect(client.info().connections).toHaveLength(1)
    const cut = expect(open).rejects.toMatchObject({ reason: 'closed', processed: 'maybe' })
    clock.advance(20)
    await cut
    await closing
    held[0]?.(null)
  })

  it('keeps to its own grace where the server is leaving as well', async ({ stage }) => {
    const clock = new VirtualClock()
    const raw = await stage.rawServer()
    const client = stage.client(raw.address, { clock })
    const peer = await raw.greeted()
    const call = client.call('echo', 1)
    const { id } = await peer.nextOf(KIND.CALL)
    peer.write(goAwayFrame(id))
    await until(() => client.info().connections.some(({ state }) => state === 'draining'))
    const cut = expect(call).rejects.toMatchObject({ reason: 'closed', processed: 'maybe' })
    const closing = client.close({ graceMs: 100 })
    clock.advance(110)
    await cut
    await closing
  })

  it('fails calls that wait for a connection: none of them was processed', async ({ stage }) => {
    const raw = await stage.rawServer()
    const client = stage.client(raw.address)
    const waiting = Promise.allSettled([client.call('echo', 1), client.connect(), client.send('note', 1)])
    await raw.accept()
    await client.close()
    for (const outcome of await waiting)
      expect(outcome).toMatchObject({ reason: { reason: 'closed', processed: 'no' } })
    expect(client.info().buffers.current).toBe(0)
  })

  it('sends what was accepted before it', async ({ stage }) => {
    const seen: unknown[] = []
    const { server, address } = await stage.listening()
    server.receive('note', (note) => void seen.push(note))
    const client = stage.client(address)
    await client.connect()
    const numbers = Array.from({ length: 3_000 }, (_, n) => n)
    await client.sendBatch('note', numbers)
    await client.close()
    await until(() => server.info().connections.length === 0)
    expect(seen).toEqual(numbers)
  })
})

describe('closing a server', () => {
  it('waits for the handlers of messages whose connection is gone by then', async ({ stage }) => {
    const { server, address } = await stage.listening()
    let begun = 0
    let handled = 0
    const gates: (() => void)[] = []
    server.receive(
      'log',
      async () => {
        begun += 1
        await new Promise<void>((resolve) => gates.push(resolve))
        handled += 1
      },
      { concurrency: 1 },
    )
    const client = stage.client(address)
    for (let n = 0; n < 5; n += 1) await client.send('log', n)
    await until(() => begun === 1)
    await client.close()
    let closed = false
    const closing = server.close().then(() => {
      closed = true
    })
    for (let n = 0; n < 5; n += 1) {
      await until(() => gates.length === n + 1)
      expect(closed).toBe(false)
      gates[n]?.()
    }
    await closing
    expect(handled).toBe(5)
  })

  it('waits for the handler of a call that nobody waits for any more', async ({ stage }) => {
    const { server, address, held } = await stage.holding()
    const client = stage.client(address)
    const over = new AbortController()
    const call = client.call('hold', null, { signal: over.signal }).catch(() => {})
    await until(() => held.length === 1)
    over.abort()
    await call
    await client.close()
    let closed = false
    const closing = server.close().then(() => {
      closed = true
    })
    for (let turns = 0; turns < 20; turns += 1) await turn()
    expect(closed).toBe(false)
    held[0]?.(null)
    await closing
  })

  it('waits no longer than it is told, and less where a second call is in more of a hurry', async ({ stage }) => {
    const clock = new VirtualClock()
    const { server, address, held } = await stage.holding({ clock })
    const client = stage.client(address)
    const over = new AbortController()
    const call = client.call('hold', null, { signal: over.signal }).catch(() => {})
    await until(() => held.length === 1)
    over.abort()
    await call
    await client.close()
    let closed = false
    const closing = server.close({ graceMs: 60_000 }).then(() => {
      closed = true
    })
    await until(() => server.info().connections.length === 0)
    clock.advance(50_000)
    for (let turns = 0; turns < 20; turns += 1) await turn()
    expect(closed).toBe(false)
    const hurried = server.close({ graceMs: 100 })
    clock.advance(200)
    await Promise.all([closing, hurried])
    held[0]?.(null)
  })
})
