import { describe, expect } from 'vitest'
import { defineService, oneWay, raw, type Server, TransportError, unary } from '../../src/index.js'
import { KIND } from '../../src/wire/frame.js'
import { deferred } from '../fixtures/deferred.js'
import {
  callFrame,
  type Frame,
  faultOf,
  frame,
  MSGPACK,
  methodFrame,
  packed,
  type RawPeer,
  u32,
} from '../fixtures/raw-peer.js'
import { it } from '../fixtures/stage.js'

const UNKNOWN = 2
const NOT_FOUND = 5
const RESOURCE_EXHAUSTED = 8
const FAILED_PRECONDITION = 9
const UNIMPLEMENTED = 12

function answered(id: number, value: unknown): Partial<Frame> {
  return { kind: KIND.ANSWER, id, body: packed(value) }
}

async function error(peer: RawPeer, id: number): Promise<{ status: number } & ReturnType<typeof faultOf>> {
  const found = await peer.next()
  expect(found).toMatchObject({ kind: KIND.ERROR, id })
  return { status: found.aux, ...faultOf(found) }
}

describe('a handler', () => {
  it('answers with what it returns, or with what its promise gives, each as soon as it has it', async ({ stage }) => {
    const slow = deferred<string>()
    const { peer } = await stage.serverAndPeer((server) => {
      server.handle('now', (request) => request)
      server.handle('later', () => slow.promise)
      server.handle('nothing', () => {})
    })
    peer.write(methodFrame(1, 'later'), methodFrame(2, 'now'), methodFrame(3, 'nothing'))
    peer.write(callFrame(1, 1, null), callFrame(2, 2, 'b'), callFrame(3, 3, null))
    expect(await peer.next()).toMatchObject(answered(2, 'b'))
    expect(await peer.next()).toMatchObject({ kind: KIND.ANSWER, id: 3 })
    slow.resolve('a')
    expect(await peer.next()).toMatchObject(answered(1, 'a'))
  })

  it.for([
    ['an error', (): unknown => new Error('the password is 1234')],
    ['text', (): unknown => 'the password is 1234'],
    ['nothing', (): unknown => undefined],
    [
      'a TransportError that is not the handler’s own',
      (): unknown => new TransportError('1234', { code: 'NOT_FOUND', origin: 'peer' }),
    ],
  ] as const)(
    'that throws %s, or rejects with it, tells its caller no more than that',
    async ([_, make], { stage }) => {
      const { server, peer } = await stage.serverAndPeer((server) => {
        server.handle('throws', () => {
          throw make()
        })
        server.handle('rejects', async () => {
          throw make()
        })
      })
      peer.write(methodFrame(1, 'throws'), methodFrame(2, 'rejects'), callFrame(1, 1, null), callFrame(2, 2, null))
      for (const id of [1, 2]) {
        const { status, reason, message, processed } = await error(peer, id)
        expect({ status, reason, processed }).toEqual({ status: UNKNOWN, reason: 'handler-failed', processed: 'yes' })
        expect(message).not.toContain('1234')
      }
      expect(server.metrics()).toMatchObject({ handlersStarted: 2, handlersFinished: 2 })
      expect(server.metrics().failures['handler-failed']).toBe(2)
    },
  )

  it('that throws a TransportError of origin user chooses code and message', async ({ stage }) => {
    const own = (): TransportError => new TransportError('no block 7', { code: 'NOT_FOUND', origin: 'user' })
    const { peer } = await stage.serverAndPeer((server) => {
      server.handle('throws', () => {
        throw own()
      })
      server.handle('rejects', () => Promise.reject(own()))
    })
    peer.write(methodFrame(1, 'throws'), methodFrame(2, 'rejects'), callFrame(1, 1, null), callFrame(2, 2, null))
    for (const id of [1, 2]) {
      expect(await error(peer, id)).toMatchObject({ status: NOT_FOUND, message: 'no block 7', processed: 'yes' })
    }
  })

  it.for([-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 40, '7', 250])(
    'may say when to come back, and %s is never a crash',
    async (retryAfterMs, { stage }) => {
      const { peer } = await stage.serverAndPeer((server) => {
        server.handle('busy', () => {
          throw new TransportError('busy', { code: 'UNAVAILABLE', origin: 'user', details: { retryAfterMs } })
        })
        server.handle('odd', () => {
          throw new TransportError('odd', { code: 'NO_SUCH_CODE' as never, origin: 'user' })
        })
      })
      peer.write(methodFrame(1, 'busy'), methodFrame(2, 'odd'), callFrame(1, 1, null), callFrame(2, 2, null))
      const said = (await error(peer, 1)).retryAfterMs
      if (retryAfterMs === 250) expect(said).toBe(250)
      expect(await error(peer, 2)).toMatchObject({ status: UNKNOWN, reason: 'handler-failed' })
    },
  )

  it('may return any thenable, also one that breaks the rules', async ({ stage }) => {
    const { peer } = await stage.serverAndPeer((server) => {
      server.handle('twice', () => ({
        // biome-ignore lint/suspicious/noThenProperty: a thenable is the point
        then: (resolve: (value: string) => void) => {
          resolve('first')
          resolve('second')
        },
      }))
      server.handle('throws', () => ({
        // biome-ignore lint/suspicious/noThenProperty: a thenable is the point
        then: () => {
          throw new Error('no')
        },
      }))
      server.handle('trap', () => ({
        // biome-ignore lint/suspicious/noThenProperty: a thenable is the point
        get then() {
          throw new Error('no')
        },
      }))
      server.handle('echo', (request) => request)
    })
    const names = ['twice', 'throws', 'trap', 'echo']
    peer.write(...names.map((name, index) => methodFrame(index + 1, name)))
    peer.write(callFrame(1, 1, null))
    expect(await peer.next()).toMatchObject(answered(1, 'first'))
    peer.write(callFrame(2, 2, null))
    expect(await error(peer, 2)).toMatchObject({ reason: 'handler-failed', processed: 'yes' })
    peer.write(callFrame(3, 3, null))
    expect(await error(peer, 3)).toMatchObject({ reason: 'handler-failed', processed: 'yes' })
    peer.write(callFrame(4, 4, 'alive'))
    expect(await peer.next()).toMatchObject(answered(4, 'alive'))
  })
})

describe('a call is refused before its handler', () => {
  const Contract = defineService('c', { take: unary({ request: raw(), response: raw() }), note: oneWay<number>() })
  let ran = 0
  const prepare = (server: Server): void => {
    ran = 0
    server.implement(Contract, {
      take: (bytes) => {
        ran += 1
        return bytes
      },
      note: () => void (ran += 1),
    })
    server.handle('packed', () => void (ran += 1))
  }

  it.for([
    ['for a method that nobody handles', 'nobody', MSGPACK, packed(1), UNIMPLEMENTED, 'method-unknown'],
    ['for a method of another shape', 'c.note', MSGPACK, packed(1), UNIMPLEMENTED, 'method-unknown'],
    ['in another codec', 'c.take', MSGPACK, packed(1), 13, 'codec-not-agreed'],
    ['in a codec that does not exist', 'packed', 7, packed(1), 13, 'codec-not-agreed'],
    ['with a body that cannot be read', 'packed', MSGPACK, Buffer.of(0xc1), 3, 'msgpack-malformed'],
  ] as const)('%s', async ([_, name, flags, body, status, reason], { stage }) => {
    const { server, peer } = await stage.serverAndPeer(prepare)
    const bytes = Buffer.concat([u32(0), body])
    peer.write(methodFrame(1, name), frame(KIND.CALL, { flags, aux: 1, id: 1, body: bytes }))
    expect(await error(peer, 1)).toMatchObject({ status, reason, processed: 'no' })
    expect(server.metrics().failures[reason]).toBe(1)
    expect([ran, server.metrics().handlersStarted]).toEqual([0, 0])
    // Its place is free at once, and the connection goes on.
    expect(server.info().connections[0]).toMatchObject({ state: 'ready', runningHandlers: 0 })
  })

  it('when its number was never introduced', async ({ stage }) => {
    const { peer } = await stage.serverAndPeer(prepare)
    peer.write(callFrame(1, 9, null))
    expect(await error(peer, 1)).toMatchObject({ reason: 'frame-malformed', processed: 'no' })
  })

  it('when the caller said in its HELLO that it has another contract', async ({ stage }) => {
    const services = [{ name: 'c', fingerprint: '0011223344556677' }]
    const { peer } = await stage.serverAndPeer(prepare, {}, { services })
    const body = Buffer.concat([u32(0), Buffer.from('x')])
    peer.write(methodFrame(1, 'c.take'), frame(KIND.CALL, { aux: 1, id: 1, body }))
    expect(await error(peer, 1)).toMatchObject({ status: FAILED_PRECONDITION, reason: 'contract-mismatch' })
  })

  it('when as many handlers run as the limit allows, and not when there is one less', async ({ stage }) => {
    const gates = [deferred<number>(), deferred<number>(), deferred<number>()]
    const { server, peer } = await stage.serverAndPeer(
      (server) => server.handle('wait', (n) => gates[n as number]?.promise),
      { limits: { maxOpenCalls: 2 } },
    )
    peer.write(methodFrame(1, 'wait'), callFrame(1, 1, 0), callFrame(2, 1, 1), callFrame(3, 1, 2))
    expect(await error(peer, 3)).toMatchObject({
      status: RESOURCE_EXHAUSTED,
      reason: 'too-many-open-calls',
      processed: 'no',
    })
    expect(server.info().connections[0]?.runningHandlers).toBe(2)
    gates[0]?.resolve(10)
    expect(await peer.next()).toMatchObject(answered(1, 10))
    peer.write(callFrame(4, 1, 2))
    gates[2]?.resolve(12)
    expect(await peer.next()).toMatchObject(answered(4, 12))
    gates[1]?.resolve(11)
    expect(await peer.next()).toMatchObject(answered(2, 11))
  })
})
