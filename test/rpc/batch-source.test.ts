import { describe, expect, test } from 'vitest'
import { failure, TransportError } from '../../src/base/errors.js'
import { type ClientOptions, defineService, oneWay, type SendOptions } from '../../src/index.js'
import { OVERFLOWS, type Overflow } from '../../src/mailbox/mailbox.js'
import { BatchSource } from '../../src/rpc/batch-source.js'
import { it, type Stage, turn } from '../fixtures/stage.js'
import { VirtualClock } from '../support/virtual-clock.js'

const Notes = defineService('notes', {
  note: oneWay<unknown>(),
  latest: oneWay<unknown>().coalesce({
    key: (note) => (typeof note === 'number' ? 'number' : note),
    merge: (_older, newer) => newer,
    maxDelayMs: 60_000,
    maxItems: 1_000_000,
  }),
})

const WINDOW = 1_024
const PLAIN = { compression: { algorithm: 'none' }, heartbeat: { intervalMs: 0 }, pool: { min: 1, max: 1 } } as const
const PROCESSED: SendOptions = { ack: 'processed' }

/** Every way that a batch may go. */
const WAYS: readonly (readonly [way: string, name: string, options: SendOptions])[] = [
  ['messages as they are', 'notes.note', {}],
  ['messages with metadata', 'notes.note', { metadata: { a: 'b' } }],
  ['merged messages', 'notes.latest', {}],
  ['acknowledged messages', 'notes.note', PROCESSED],
]

/** Messages, then whatever `end` does. Counts how often it is told that nobody wants more; has something to say to that. */
function sourceOf(messages: readonly unknown[], end: () => IteratorResult<unknown>) {
  const left = [...messages]
  const told = { returns: 0 }
  const source: Iterable<unknown> = {
    [Symbol.iterator]: () => ({
      next: () => (left.length > 0 ? { done: false, value: left.shift() } : end()),
      return: () => {
        told.returns += 1
        throw new Error('the source cannot be left')
      },
    }),
  }
  return { source, told }
}

const ended = (): IteratorResult<unknown> => ({ done: true, value: undefined })

describe('a batch source', () => {
  test('gives what it has, and is not told of an end that it said itself', () => {
    const { source, told } = sourceOf([1, undefined, 2], ended)
    const batch = new BatchSource(source)
    const values: unknown[] = []
    while (batch.next()) values.push(batch.value)
    batch.leave()
    expect([values, told.returns]).toEqual([[1, undefined, 2], 0])
  })

  test('gives a message again that was kept', () => {
    const batch = new BatchSource([1, 2])
    batch.next()
    batch.keep()
    expect([batch.next(), batch.value, batch.next(), batch.value, batch.next()]).toEqual([true, 1, true, 2, false])
  })

  test('is told once that nobody wants more, and what it says to that hides no error', () => {
    const { source, told } = sourceOf([1, 2], ended)
    const batch = new BatchSource(source)
    batch.next()
    batch.accepted = 1
    const error = failure('queue-full', 'no room', { details: { limit: 5 } })
    expect(batch.fail(error)).toMatchObject({ reason: 'queue-full', details: { limit: 5, accepted: 1 } })
    batch.leave()
    expect(told.returns).toBe(1)
    expect(error.details).toEqual({ limit: 5 })
  })
})

describe.each(WAYS)('a batch of %s', (_way, name, options) => {
  it('whose source fails rejects with that, untouched, and leaves a source alone that has failed', async ({
    stage,
  }) => {
    const { server, address } = await stage.listening()
    server.implement(Notes, { note: () => {}, latest: () => {} })
    const client = stage.client(address, PLAIN)
    client.use(Notes)
    await client.connect()
    const error = new TransportError('of the source', { code: 'ABORTED', origin: 'user' })
    const { source, told } = sourceOf([1, 2, 3], () => {
      throw error
    })
    const outcome = await client.sendBatch(name, source, options).catch((reason: unknown) => reason)
    expect(outcome).toBe(error)
    expect([error.details, told.returns]).toEqual([{}, 0])
  })

  it('lets others have their turn where its source takes long', async ({ stage }) => {
    const { server, address } = await stage.listening()
    server.implement(Notes, { note: () => {}, latest: () => {} })
    const clock = new VirtualClock()
    const client = stage.client(address, { ...PLAIN, clock })
    client.use(Notes)
    await client.connect()
    const perTurn = await mostInATurn(
      (source) => client.sendBatch(name, source, options),
      50,
      () => clock.advance(5),
    )
    // Whether the source or the one who counts is first in a turn, nobody says.
    expect(perTurn).toBeLessThanOrEqual(2)
  })
})

describe('a batch that cannot be sent to its end', () => {
  it.for([
    ['messages as they are', {}],
    ['acknowledged messages', PROCESSED],
  ] as const)('of %s says how many were accepted, and leaves its source', async ([, options], { stage }) => {
    const { server, address } = await stage.listening()
    const seen: unknown[] = []
    server.implement(Notes, { note: (note) => void seen.push(note), latest: () => {} })
    // So that the failure is heard of before the source has ended.
    const client = stage.client(address, { ...PLAIN, limits: { maxUnackedMessages: 2 } })
    client.use(Notes)
    await client.connect()
    const { source, told } = sourceOf([1, 2, 3, Symbol('no value'), 4], ended)
    await expect(client.sendBatch('notes.note', source, options)).rejects.toMatchObject({
      reason: 'encode-failed',
      details: { accepted: 3 },
    })
    expect(told.returns).toBe(1)
    await client.close()
    expect(seen).toEqual([1, 2, 3])
  })

  it('says so where it is refused, its merged messages included', async ({ stage }) => {
    const { client, clock } = await stuckClient(stage, 'reject')
    await expect(client.sendBatch('notes.note', [1, 2, 3, 4, 5])).rejects.toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      details: { accepted: 3 },
    })
    await client.send('notes.latest', 1)
    clock.advance(120_000)
    await expect(client.sendBatch('notes.latest', [2, 3, 'other', 4])).rejects.toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      details: { accepted: 2 },
    })
  })

  it('says that none was where there is no connection for it', async ({ stage }) => {
    const { client } = await stuckClient(stage, 'wait')
    await client.close({ graceMs: 0 })
    await expect(client.sendBatch('notes.note', [1, 2])).rejects.toMatchObject({
      reason: 'closed',
      details: { accepted: 0 },
    })
  })
})

describe('a batch that finds no room', () => {
  it.for(['drop-oldest', 'drop-newest'] as const)(
    'by the policy %s ends its turn before each message that is lost, and counts them',
    async (overflow, { stage }) => {
      const { client } = await stuckClient(stage, overflow)
      const messages = 500
      const most = await mostInATurn((source) => client.sendBatch('notes.note', source), messages)
      // What the mailbox takes at first, the one that finds it full, and those that were taken before.
      expect(most).toBeLessThanOrEqual(ROOM + 2)
      expect(client.metrics()).toMatchObject({ oneWaySent: 1, oneWayDropped: messages - ROOM, oneWayRefused: 0 })
    },
  )

  it('by the policy reject gives the peer a turn before it is refused', async ({ stage }) => {
    const { client } = await stuckClient(stage, 'reject')
    let turned = false
    function* source(): Generator<number> {
      for (let value = 0; value < ROOM; value += 1) yield value
      setImmediate(() => {
        turned = true
      })
      yield ROOM
    }
    const outcome = client.sendBatch('notes.note', source()).catch((error: TransportError) => [turned, error.reason])
    expect(await outcome).toEqual([true, 'queue-full'])
  })

  it.for(OVERFLOWS)('by the policy %s never keeps others from their turn', async (overflow, { stage }) => {
    const { server, address } = await stage.listening()
    server.implement(Notes, { note: () => {}, latest: () => {} })
    const client = stage.client(address, { ...PLAIN, mailbox: { overflow } })
    client.use(Notes)
    await client.connect()
    let turns = 0
    function* source(): Generator<number> {
      // One without an end would stop the test for good where it fails.
      for (let value = 0; value < 300_000 && turns < 10; value += 1) yield value
    }
    const sent = client.sendBatch('notes.note', source()).catch(() => {})
    while (turns < 10) {
      await turn()
      turns += 1
    }
    await sent
    const { oneWaySent, oneWayDropped, oneWayRefused } = client.metrics()
    expect(oneWaySent + oneWayDropped + oneWayRefused).toBeLessThan(100_000)
    await client.close()
  })
})

/** What fits the mailbox. */
const ROOM = 3

/** A client whose peer gives no more credit. */
async function stuckClient(stage: Stage, overflow: Overflow) {
  const { server, address } = await stage.listening({ flow: { laneWindowBytes: WINDOW } })
  server.implement(Notes, { note: () => new Promise<void>(() => {}), latest: () => {} })
  const clock = new VirtualClock()
  const options: ClientOptions = { ...PLAIN, clock, mailbox: { maxMessages: ROOM, overflow } }
  const client = stage.client(address, options)
  client.use(Notes)
  await client.connect()
  expect(client.trySend('notes.note', Buffer.alloc(WINDOW))).toBe(true)
  return { client, clock, server }
}

/** How many messages of a batch were taken in one turn of the event loop, at most. */
async function mostInATurn(
  send: (source: Iterable<number>) => Promise<void>,
  messages: number,
  onMessage: () => void = () => {},
): Promise<number> {
  let inTurn = 0
  let most = 0
  function* source(): Generator<number> {
    for (let value = 0; value < messages; value += 1) {
      onMessage()
      inTurn += 1
      most = Math.max(most, inTurn)
      yield value
    }
  }
  let over = false
  const sent = send(source()).finally(() => {
    over = true
  })
  while (!over) {
    await turn()
    inTurn = 0
  }
  await sent
  return most
}
