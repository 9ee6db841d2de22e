import { describe, expect, test } from 'vitest'
import type { TransportError } from '../../src/base/errors.js'
import { turn } from '../fixtures/stage.js'
import { type Handlers, TwoEnds } from './two-ends.js'

const KiB = 1_024

/** What a call comes to: the size of its answer, or why there is none. */
async function outcome(call: Promise<unknown>): Promise<unknown> {
  try {
    return (await (call as Promise<Buffer>)).length
  } catch (error) {
    const { reason, processed } = error as TransportError
    return `${reason} ${processed}`
  }
}

describe('two sides that both leave answers unread', () => {
  test('do not wait for each other: what is too much is refused unprocessed, and the rest is answered', async () => {
    const answer = Buffer.alloc(64 * KiB)
    const handlers: Handlers = {
      // Later than the requests of both sides have come, so that all answers are there at once.
      unary: () => turn().then(() => answer),
      serverStream: () => [],
      clientStream: () => null,
      duplex: () => [],
      oneWay: () => {},
    }
    const limits = { unreadSoftBytes: 128 * KiB, unreadHardBytes: 64 * 1_024 * KiB }
    const options = { limits, compression: { algorithm: 'none' } } as const
    const ends = await TwoEnds.make('memory', { near: handlers, far: handlers }, options, { bufferBytes: 16 * KiB })
    // The clock stands still: whoever stalls here stalls for ever.
    const rounds: Promise<unknown>[] = []
    for (let round = 0; round < 20; round += 1) {
      for (let count = 0; count < 10; count += 1) {
        rounds.push(outcome(ends.near.call(round)), outcome(ends.far.call(round)))
      }
      await turn()
    }
    const outcomes = new Set(await Promise.all(rounds))
    expect(outcomes).toEqual(new Set([64 * KiB, 'answers-unread no']))
    await ends.end()
  })
})
