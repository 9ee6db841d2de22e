import { getEventListeners } from 'node:events'
import { describe, expect } from 'vitest'
import { type CallOptions, type Client, defineService, type ServerCall, serverStream } from '../../src/index.js'
import { deferred } from '../fixtures/deferred.js'
import { it, type Stage, turn, until } from '../fixtures/stage.js'
import { VirtualClock } from '../support/virtual-clock.js'

type Nested = (inner: Client, call: ServerCall, clock: VirtualClock) => Promise<unknown>

const Feed = defineService('feed', { numbers: serverStream<null, number>() })

/** A server whose handler calls another server, which holds the call until it is told otherwise. */
async function chain(stage: Stage, nested: Nested, passDeadlines: boolean) {
  const clock = new VirtualClock()
  const held: ServerCall[] = []
  const gate = deferred<string>()
  const back = await stage.listening({ clock })
  back.server.handle('hold', (_, call) => {
    held.push(call)
    return gate.promise
  })
  back.server.implement(Feed, {
    numbers: async function* (_, call) {
      held.push(call)
      yield 1
      await gate.promise
    },
  })
  const inner = stage.client(back.address, { clock })
  await inner.connect()
  const front = await stage.listening({ clock, passDeadlines })
  const outcomes: unknown[] = []
  front.server.handle('outer', async (_, call) => {
    try {
      return await nested(inner, call, clock)
    } catch (error) {
      outcomes.push(error)
      throw error
    }
  })
  const client = stage.client(front.address, { clock })
  await client.connect()
  return { clock, held, gate, inner, client, outcomes, front: front.server }
}

async function settle(): Promise<void> {
  for (let turns = 0; turns < 20; turns += 1) await turn()
}

const byName: Nested = (inner, call) => inner.call('hold', null, { parent: call })
/** Past a promise and a turn, which the call is followed through. */
const bySelf: Nested = async (inner) => {
  await turn()
  return inner.call('hold', null)
}

describe('a call that a handler makes', () => {
  it.for([
    ['with its parent named', byName, false],
    ['by itself, where the server passes deadlines', bySelf, true],
  ] as const)(
    '%s has the time that is left of its parent, and is cancelled with it',
    async ([_, nested, pass], { stage }) => {
      const { held, gate, client, outcomes, clock } = await chain(stage, nested, pass)
      const controller = new AbortController()
      const call = client.call('outer', null, { timeoutMs: 700, signal: controller.signal })
      await until(() => held.length === 1)
      const left = held[0]?.remainingMs ?? 0
      expect(left).toBeGreaterThan(600)
      expect(left).toBeLessThanOrEqual(700)
      controller.abort()
      await expect(call).rejects.toMatchObject({ code: 'CANCELLED' })
      await until(() => held[0]?.signal.aborted === true)
      await until(() => outcomes.length === 1)
      expect(outcomes[0]).toMatchObject({ code: 'CANCELLED', processed: 'maybe' })
      gate.resolve('late')
      expect(clock.now()).toBe(0)
    },
  )

  it.for([true, false])('is followed out of the body of a generator: %s', async (pass, { stage }) => {
    const { held, gate, client, front, inner } = await chain(stage, byName, pass)
    front.implement(Feed, {
      numbers: async function* () {
        yield 1
        yield (await inner.call('hold', null)) as number
      },
    })
    const feed = client.use(Feed).numbers(null, { timeoutMs: 700 })
    await feed.next()
    const second = feed.next()
    await until(() => held.length === 1)
    if (pass) expect(held[0]?.remainingMs).toBeLessThanOrEqual(700)
    else expect(held[0]?.remainingMs).toBeGreaterThan(700)
    gate.resolve('answer')
    expect((await second).value).toBe('answer')
    await feed.return?.()
  })

  it('keeps its own time where that is shorter', async ({ stage }) => {
    const nested: Nested = (inner, call) => inner.call('hold', null, { parent: call, timeoutMs: 50 })
    const { held, gate, client } = await chain(stage, nested, false)
    const call = client.call('outer', null, { timeoutMs: 700 })
    await until(() => held.length === 1)
    expect(held[0]?.remainingMs).toBeLessThanOrEqual(50)
    gate.resolve('answer')
    expect(await call).toBe('answer')
  })

  it.for([
    ['where nothing is said', {}, false],
    ['where it is set free', { parent: null }, true],
  ] as const)('goes on by itself %s', async ([_, options, pass], { stage }) => {
    const nested: Nested = (inner) => inner.call('hold', null, options as CallOptions)
    const { held, gate, client } = await chain(stage, nested, pass)
    const controller = new AbortController()
    const call = expect(
      client.call('outer', null, { timeoutMs: 700, signal: controller.signal }),
    ).rejects.toMatchObject({
      code: 'CANCELLED',
    })
    await until(() => held.length === 1)
    expect(held[0]?.remainingMs).toBeGreaterThan(700)
    controller.abort()
    await call
    await settle()
    expect(held[0]?.signal.aborted).toBe(false)
    gate.resolve('answer')
  })

  it('fails at once, unsent, when its parent has less than a millisecond left', async ({ stage }) => {
    const nested: Nested = async (inner, call, clock) => {
      // Not the whole of it: the parent is not over yet.
      clock.stall(call.remainingMs - 0.5)
      return inner.call('hold', null, { parent: call })
    }
    const { held, client, inner, outcomes, clock } = await chain(stage, nested, false)
    const call = client.call('outer', null, { timeoutMs: 100 }).catch(() => {})
    await until(() => outcomes.length === 1)
    expect(outcomes[0]).toMatchObject({ code: 'DEADLINE_EXCEEDED', processed: 'no' })
    clock.advance(10)
    await call
    expect(held).toEqual([])
    expect(inner.metrics()).toMatchObject({ callsStarted: 1, callsFailed: 1 })
  })

  it('ends with its own signal as well, and leaves no listener on either', async ({ stage }) => {
    const own = new AbortController()
    const outers: ServerCall[] = []
    const nested: Nested = (inner, call) => {
      outers.push(call)
      return inner.call('hold', null, { parent: call, signal: own.signal })
    }
    const { held, gate, client, outcomes } = await chain(stage, nested, false)
    const call = expect(client.call('outer', null)).rejects.toMatchObject({ code: 'CANCELLED' })
    await until(() => held.length === 1)
    own.abort()
    await call
    expect(outcomes[0]).toMatchObject({ code: 'CANCELLED' })
    const outer = outers[0] as ServerCall
    expect([own.signal, outer.signal].map((signal) => getEventListeners(signal, 'abort').length)).toEqual([0, 0])
    gate.resolve('late')
  })

  it('is a stream that ends with it, too', async ({ stage }) => {
    const nested: Nested = async (inner, call) => {
      let sum = 0
      for await (const number of inner.use(Feed).numbers(null, { parent: call })) sum += number
      return sum
    }
    const { held, gate, client, outcomes } = await chain(stage, nested, false)
    const controller = new AbortController()
    const call = expect(client.call('outer', null, { signal: controller.signal })).rejects.toMatchObject({
      code: 'CANCELLED',
    })
    await until(() => held.length === 1)
    expect(held[0]?.remainingMs).toBeLessThanOrEqual(30_000)
    await settle()
    controller.abort()
    await call
    await until(() => outcomes.length === 1)
    expect(outcomes[0]).toMatchObject({ code: 'CANCELLED' })
    gate.resolve('late')
  })
})
