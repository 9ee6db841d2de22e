import { describe, expect, it } from 'vitest'
import { msgpack } from '../../src/codec/msgpack.js'
import { Pace } from '../../src/connection/pace.js'
import type { Stream } from '../../src/connection/stream.js'
import { MessageWriter } from '../../src/rpc/message-writer.js'
import { turn } from '../fixtures/stage.js'
import { VirtualClock } from '../support/virtual-clock.js'
import { outcomeOf } from './two-ends.js'

const refusal = new Error('no such value')
const encodeFailed = expect.objectContaining({ reason: 'encode-failed', cause: refusal })

/** A stream that takes every message, and has no room for another before the test says so. */
function full() {
  const written: unknown[] = []
  const stream = {
    lane: 1,
    pace: () => new Pace(null, new VirtualClock()),
    write: (_flags: number, _encoder: unknown, value: unknown) => {
      written.push(value)
      return false
    },
  }
  return { written, writer: new MessageWriter<unknown>(stream as unknown as Stream, msgpack()) }
}

/** Counts how often it is told that nobody wants more. */
function counting() {
  const source = {
    told: 0,
    [Symbol.iterator]: () => ({
      next: () => ({ done: false as const, value: 'more' }),
      return: () => {
        source.told += 1
        return { done: true as const, value: undefined }
      },
    }),
  }
  return source
}

describe('a message that is found wrong only when its turn comes', () => {
  it('is told to whoever wrote it, and others are written behind it', async () => {
    const { writer, written } = full()
    const outcome = outcomeOf(Promise.resolve(writer.write('bad')))
    writer.onRoom(refusal)
    expect(await outcome).toEqual(encodeFailed)
    const next = outcomeOf(Promise.resolve(writer.write('good')))
    writer.onRoom(null)
    expect(await next).toBeUndefined()
    expect(written).toEqual(['bad', 'good'])
  })

  it('ends a source as one does that cannot be encoded at once, and the source is told', async () => {
    const { writer } = full()
    const source = counting()
    const sent = outcomeOf(writer.pump(source))
    await turn()
    writer.onRoom(refusal)
    const error = await sent
    expect(error).toEqual(encodeFailed)
    expect([writer.refused(error), source.told]).toEqual([true, 1])
  })

  it('is for nobody once the stream is over', async () => {
    const { writer } = full()
    const source = counting()
    const sent = outcomeOf(writer.pump(source))
    await turn()
    writer.close(null)
    writer.onRoom(refusal)
    expect(await sent).toBe(false)
    expect(source.told).toBe(1)
  })
})
