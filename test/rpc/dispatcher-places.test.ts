import { describe, expect } from 'vitest'
import { KIND } from '../../src/wire/frame.js'
import { deferred } from '../fixtures/deferred.js'
import { callFrame, type Frame, faultOf, frame, methodFrame, packed, type RawPeer } from '../fixtures/raw-peer.js'
import { it, turn, until } from '../fixtures/stage.js'
import { VirtualClock } from '../support/virtual-clock.js'

const DEADLINE_EXCEEDED = 4

function answered(id: number, value: unknown): Partial<Frame> {
  return { kind: KIND.ANSWER, id, body: packed(value) }
}

async function error(peer: RawPeer, id: number): Promise<{ status: number } & ReturnType<typeof faultOf>> {
  const found = await peer.next()
  expect(found).toMatchObject({ kind: KIND.ERROR, id })
  return { status: found.aux, ...faultOf(found) }
}

describe('a call id', () => {
  it.for([
    ['0', [0]],
    ['that came before', [1, 1]],
    ['lower than the last', [5, 4]],
    ['whose place is taken by a running call', [1, 1 + 16]],
  ] as const)('%s ends the connection by name', async ([_, ids], { stage }) => {
    const gate = deferred<number>()
    const { server, peer } = await stage.serverAndPeer((server) => server.handle('wait', () => gate.promise), {
      limits: { maxOpenCalls: 4 },
    })
    peer.write(methodFrame(1, 'wait'), ...ids.map((id) => callFrame(id, 1, null)))
    expect(faultOf(await peer.nextOf(KIND.GO_AWAY)).reason).toBe('call-id-invalid')
    expect(server.metrics().failures['call-id-invalid']).toBe(1)
    gate.resolve(0)
  })

  it('may leave ids out, also thousands of them', async ({ stage }) => {
    const { peer } = await stage.serverAndPeer((server) => server.handle('echo', (request) => request))
    peer.write(methodFrame(1, 'echo'), callFrame(7, 1, 'a'), callFrame(90_000, 1, 'b'))
    expect(await peer.next()).toMatchObject(answered(7, 'a'))
    expect(await peer.next()).toMatchObject(answered(90_000, 'b'))
  })

  it('goes on after the highest there is', async ({ stage }) => {
    const { peer } = await stage.serverAndPeer((server) => server.handle('echo', (request) => request))
    peer.write(methodFrame(1, 'echo'))
    for (const id of [0x7000_0000, 0xdfff_ffff, 0xffff_ffff, 1, 2]) {
      peer.write(callFrame(id, 1, id))
      expect(await peer.next()).toMatchObject({ kind: KIND.ANSWER, id })
    }
  })
})

describe('the deadline of a call', () => {
  it('is a day away at most, whatever its caller says', async ({ stage }) => {
    const left: number[] = []
    const { peer } = await stage.serverAndPeer((server) => {
      server.handle('left', (_, call) => void left.push(call.remainingMs))
    })
    peer.write(methodFrame(1, 'left'), callFrame(1, 1, null, 0xffff_ffff))
    await peer.nextOf(KIND.ANSWER)
    expect(left[0]).toBeGreaterThan(86_000_000)
    expect(left[0]).toBeLessThanOrEqual(86_400_000)
  })
})

describe('the place of a call', () => {
  it.for([
    ['cancels it', 'cancel'],
    ['lets its deadline pass', 'deadline'],
  ] as const)(
    'that waits for a handler which never settles is free as soon as its caller %s',
    async ([_, how], { stage }) => {
      const clock = new VirtualClock()
      const { server, peer } = await stage.serverAndPeer(
        (server) => {
          server.handle('stuck', () => new Promise(() => {}), { concurrency: 1, maxQueued: 10 })
          server.handle('echo', (request) => request)
        },
        { clock, limits: { maxOpenCalls: 3 } },
      )
      const timeoutMs = how === 'deadline' ? 100 : 0
      peer.write(methodFrame(1, 'stuck'), methodFrame(2, 'echo'))
      peer.write(...[1, 2, 3].map((id) => callFrame(id, 1, null, timeoutMs)))
      peer.write(callFrame(4, 2, 'refused'))
      expect(await error(peer, 4)).toMatchObject({ reason: 'too-many-open-calls' })
      if (how === 'cancel') peer.write(...[2, 3].map((id) => frame(KIND.CANCEL, { aux: DEADLINE_EXCEEDED, id })))
      else clock.advance(200)
      for (const id of [2, 3])
        expect(await error(peer, id)).toMatchObject({ status: DEADLINE_EXCEEDED, processed: 'no' })
      peer.write(callFrame(5, 2, 'taken'))
      expect(await peer.next()).toMatchObject(answered(5, 'taken'))
      expect(server.info().connections).toMatchObject([{ runningHandlers: 1 }])
      const closing = server.close({ graceMs: 0 })
      clock.advance(10)
      await closing
    },
  )

  it('is held until its handler settles, not until it is cancelled', async ({ stage }) => {
    const gate = deferred<string>()
    const { server, peer } = await stage.serverAndPeer((server) => server.handle('wait', () => gate.promise), {
      limits: { maxOpenCalls: 1 },
    })
    peer.write(
      methodFrame(1, 'wait'),
      callFrame(1, 1, null),
      frame(KIND.CANCEL, { id: 1, aux: 1 }),
      callFrame(2, 1, null),
    )
    expect(await error(peer, 2)).toMatchObject({ reason: 'too-many-open-calls' })
    expect(server.info().connections[0]?.runningHandlers).toBe(1)
    gate.resolve('done')
    expect(await error(peer, 1)).toMatchObject({ status: 1, processed: 'yes' })
    await until(() => server.info().connections[0]?.runningHandlers === 0)
  })

  it('is held until its handler settles, not until its deadline', async ({ stage }) => {
    const clock = new VirtualClock()
    const gate = deferred<string>()
    const { server, peer } = await stage.serverAndPeer((server) => server.handle('wait', () => gate.promise), {
      clock,
      limits: { maxOpenCalls: 1 },
    })
    peer.write(methodFrame(1, 'wait'), callFrame(1, 1, null, 100))
    await until(() => server.info().connections[0]?.runningHandlers === 1)
    await turn()
    clock.advance(110)
    peer.write(callFrame(2, 1, null))
    expect(await error(peer, 2)).toMatchObject({ reason: 'too-many-open-calls' })
    gate.reject(new Error('aborted'))
    // The caller hears what became of its deadline, not that a handler failed that nobody waited for.
    expect(await error(peer, 1)).toMatchObject({ status: DEADLINE_EXCEEDED, reason: 'deadline', processed: 'yes' })
  })
})
