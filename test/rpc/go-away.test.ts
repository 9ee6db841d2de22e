import { describe, expect } from 'vitest'
import { encodeFault } from '../../src/wire/fault.js'
import { KIND } from '../../src/wire/frame.js'
import { answerFrame, errorFrame, frame, goAwayFrame } from '../fixtures/raw-peer.js'
import { it, turn, until } from '../fixtures/stage.js'
import { VirtualClock } from '../support/virtual-clock.js'

describe('a client whose server leaves', () => {
  it('loses no accepted call, and moves the next ones to another connection', async ({ stage }) => {
    const old = await stage.holding()
    const next = await stage.holding()
    const client = stage.client([old.address, next.address])
    const accepted = client.call('hold', 'accepted')
    await until(() => old.held.length + next.held.length === 1)
    const [leaving, staying] = old.held.length === 1 ? [old, next] : [next, old]
    const closing = leaving.server.close()
    // Some of these cross the GO_AWAY: they are refused before they run, and the rest goes to the other server.
    const outcomes = await Promise.allSettled(Array.from({ length: 50 }, (_, n) => client.call('echo', n)))
    for (const [n, outcome] of outcomes.entries()) {
      if (outcome.status === 'fulfilled') expect(outcome.value).toBe(n)
      else expect(outcome.reason).toMatchObject({ code: 'UNAVAILABLE', processed: 'no', retryable: true })
    }
    leaving.held[0]?.('not lost')
    expect(await accepted).toBe('not lost')
    expect(await client.call('echo', 'moved')).toBe('moved')
    await closing
    expect(staying.server.metrics().handlersStarted).toBeGreaterThan(0)
    expect(leaving.server.metrics().failures['answer-unknown']).toBe(0)
  })

  it('takes a call above the last accepted id to another connection, and bears with a refusal of it', async ({
    stage,
  }) => {
    const raw = await stage.rawServer()
    const client = stage.client(raw.address)
    const peer = await raw.greeted()
    const accepted = client.call('echo', 'accepted')
    const crossed = client.call('echo', 'crossed')
    await peer.nextOf(KIND.CALL)
    await peer.nextOf(KIND.CALL)
    const refusal = encodeFault({ processed: 'no', retryAfterMs: 0, reason: 'going-away', message: '' })
    peer.write(goAwayFrame(1), frame(KIND.ERROR, { aux: 14, id: 2, body: refusal }))
    peer.write(answerFrame(1, 'kept'))
    expect(await accepted).toBe('kept')
    const replacement = await raw.greeted()
    const { id } = await replacement.nextOf(KIND.CALL)
    replacement.write(answerFrame(id, 'moved'))
    expect(await crossed).toBe('moved')
    expect(client.metrics()).toMatchObject({ callsMoved: 1, callsRetried: 0, callsStarted: 2, callsSucceeded: 2 })
    expect(client.metrics().failures['answer-unknown']).toBe(0)
  })

  it.for([
    ['an answer to a call that it never made', () => answerFrame(9, 'never asked')],
    ['a second end of a call that was accepted', () => errorFrame(1, 'yes')],
  ] as const)('still refuses %s', async ([_, make], { stage }) => {
    const { client, peer } = await stage.clientAndPeer()
    const answered = client.call('echo', 1)
    const open = client.call('echo', 2)
    await peer.nextOf(KIND.CALL)
    await peer.nextOf(KIND.CALL)
    peer.write(goAwayFrame(2), answerFrame(1, 'answered'), make())
    expect(await answered).toBe('answered')
    await expect(open).rejects.toMatchObject({ reason: 'answer-unknown', processed: 'maybe' })
  })

  it('waits for accepted calls as long as they may take, longer than any grace of its own', async ({ stage }) => {
    const clock = new VirtualClock()
    const raw = await stage.rawServer()
    const client = stage.client(raw.address, { clock, timeoutMs: 120_000 })
    const peer = await raw.greeted()
    const call = client.call('echo', 1)
    const { id } = await peer.nextOf(KIND.CALL)
    await turn()
    peer.write(goAwayFrame(id))
    await until(() => client.info().connections.some(({ state }) => state === 'draining'))
    clock.advance(60_000)
    peer.write(answerFrame(id, 'after a minute'))
    expect(await call).toBe('after a minute')
  })

  it('says that it leaves as well, so that nobody begins anything any more', async ({ stage }) => {
    const { client, peer } = await stage.clientAndPeer()
    const call = client.call('echo', 1)
    await peer.nextOf(KIND.CALL)
    peer.write(goAwayFrame(1))
    expect(await peer.nextOf(KIND.GO_AWAY)).toMatchObject({ aux: 0, id: 0 })
    peer.write(answerFrame(1, 'kept'))
    expect(await call).toBe('kept')
  })
})
