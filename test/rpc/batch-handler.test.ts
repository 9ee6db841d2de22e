import { describe, expect } from 'vitest'
import { onBatch } from '../../src/index.js'
import { it, turn, until } from '../fixtures/stage.js'

async function settle(): Promise<void> {
  for (let turns = 0; turns < 20; turns += 1) await turn()
}

describe('a handler that takes many at once', () => {
  it('gets what is there, in order, and never waits for more', async ({ stage }) => {
    const batches: number[][] = []
    const { server, address } = await stage.listening()
    server.receive(
      'note',
      onBatch((notes) => void batches.push(notes as number[])),
    )
    const client = stage.client(address)
    await client.send('note', 0)
    await until(() => batches.length === 1)
    const values = Array.from({ length: 1_000 }, (_, value) => value + 1)
    await client.sendBatch('note', values)
    await until(() => batches.flat().length === 1_001)
    expect(batches[0]).toEqual([0])
    expect(batches.flat()).toEqual([0, ...values])
    expect(batches.length).toBeLessThan(20)
    expect(server.metrics().handlersStarted).toBe(batches.length)
  })

  it('gets messages with metadata alone, in their place', async ({ stage }) => {
    const batches: unknown[] = []
    const { server, address } = await stage.listening()
    server.receive(
      'note',
      onBatch((notes, { metadata }) => void batches.push([notes, metadata])),
    )
    const client = stage.client(address)
    await Promise.all([
      client.send('note', 1),
      client.send('note', 2, { metadata: { a: 'b' } }),
      client.send('note', 3),
    ])
    await until(() => batches.flat(2).filter((one) => typeof one === 'number').length === 3)
    expect(batches).toEqual([
      [[1], {}],
      [[2], { a: 'b' }],
      [[3], {}],
    ])
  })

  it.for([
    ['reject', [1, 2, 3]],
    ['drop-newest', [1, 2, 3]],
    ['drop-oldest', [8, 9, 10]],
  ] as const)(
    'has no more messages wait than it may, however they come, and keeps those that %s says',
    async ([overflow, kept], { stage }) => {
      const { server, address } = await stage.listening()
      const batches: number[][] = []
      const release: (() => void)[] = []
      const handler = onBatch((notes) => {
        batches.push(notes as number[])
        return new Promise<void>((resolve) => release.push(resolve))
      })
      server.receive('note', handler, { concurrency: 1, maxQueued: 3, overflow })
      const client = stage.client(address)
      const outcomes: string[] = []
      const send = (value: number): Promise<unknown> =>
        client.send('note', value, value % 2 === 0 ? { ack: 'processed' } : {}).then(
          () => outcomes.push(`${value} done`),
          ({ reason, processed }) => outcomes.push(`${value} ${reason} ${processed}`),
        )
      const sent = [send(0)]
      await until(() => batches.length === 1)
      for (const value of [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]) sent.push(send(value))
      await until(() => server.metrics().oneWayReceived === 11)
      await settle()
      while (server.metrics().handlersFinished < 4 && release.length > 0) {
        release.shift()?.()
        await settle()
      }
      await Promise.all(sent)
      expect(batches.flat()).toEqual([0, ...kept])
      expect(server.metrics()).toMatchObject({ oneWayDropped: 7, failures: { 'queue-full': 7 } })
      for (const value of [2, 4, 6, 8, 10]) {
        const lives = (kept as readonly number[]).includes(value)
        expect(outcomes).toContain(lives ? `${value} done` : `${value} queue-full no`)
      }
      // Nothing of them is in any account any more: what runs now is what the close of the server waits for.
      const last = send(12)
      await until(() => release.length === 1)
      let closed = false
      const closing = server.close().then(() => {
        closed = true
      })
      await settle()
      expect(closed).toBe(false)
      release.shift()?.()
      await Promise.all([last, closing])
    },
  )

  it.for([
    ['reject', 0, 3],
    ['drop-oldest', 7, 10],
  ] as const)('has as many bytes wait as it may, time after time, with %s', async ([overflow, from, to], { stage }) => {
    const { server, address } = await stage.listening()
    const batches: number[][] = []
    const release: (() => void)[] = []
    const handler = onBatch((notes) => {
      batches.push(notes.map((one) => (one as Uint8Array)[0] ?? -1))
      return new Promise<void>((resolve) => release.push(resolve))
    })
    server.receive('note', handler, { concurrency: 1, maxQueuedBytes: 1_024, overflow })
    const client = stage.client(address)
    const values = Array.from({ length: 10 }, (_, value) => value)
    const note = (value: number): Promise<void> => client.send('note', Buffer.alloc(400, value))
    for (let round = 0; round < 3; round += 1) {
      await note(round)
      await until(() => batches.length === 2 * round + 1)
      // Of 400 bytes each: with the third there is no room any more.
      await Promise.all(values.map(note))
      await until(() => server.metrics().oneWayReceived === 11 * (round + 1))
      await settle()
      release.shift()?.()
      await until(() => batches.length === 2 * round + 2)
      expect(batches.at(-1)).toEqual(values.slice(from, to))
      release.shift()?.()
      await until(() => server.metrics().handlersFinished === 2 * (round + 1))
    }
  })

  it('is for one-way messages only', ({ stage }) => {
    const handle = onBatch(() => {}) as never
    expect(() => stage.server().handle('x', handle)).toThrow(expect.objectContaining({ reason: 'misuse' }))
  })
})
