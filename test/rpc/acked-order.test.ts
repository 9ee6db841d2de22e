import { describe, expect } from 'vitest'
import { type Client, type ClientOptions, type ServerOptions, TransportError } from '../../src/index.js'
import { it, type Stage, turn, until } from '../fixtures/stage.js'

const PROCESSED = { ack: 'processed' } as const
const ROOM = 4

/** A client of one connection whose lane is as narrow as can be, and a server that handles nothing until it is told to. */
async function narrow(stage: Stage, options: ClientOptions = {}, serverOptions: ServerOptions = {}) {
  const { server, address } = await stage.listening({ flow: { laneWindowBytes: 1_024 }, ...serverOptions })
  const received: unknown[] = []
  let open: () => void = () => {}
  const gate = new Promise<void>((resolve) => {
    open = resolve
  })
  server.receive('note', (value) => {
    received.push(value)
    return gate
  })
  server.receive('fill', () => gate)
  const client = stage.client(address, {
    pool: { min: 1, max: 1 },
    compression: { algorithm: 'none' },
    limits: { maxUnackedMessages: ROOM },
    mailbox: { maxMessages: ROOM },
    ...options,
  })
  await client.connect()
  return { server, client, received, open }
}

/** Takes the credit of the lane, and the places that it has for messages which wait. */
function fill(client: Client, count: number): Promise<unknown>[] {
  return Array.from({ length: count }, () => client.send('fill', Buffer.alloc(400)))
}

async function quiet(): Promise<void> {
  for (let turns = 0; turns < 20; turns += 1) await turn()
}

describe('messages with an acknowledgement', () => {
  it('arrive in the order in which they were sent, whatever each had to wait for', async ({ stage }) => {
    const { client, received, open } = await narrow(stage)
    const count = 60
    const sends = Array.from({ length: count }, (_, index) => client.send('note', index, PROCESSED))
    const others = fill(client, 16)
    await until(() => received.length === ROOM)
    await quiet()
    open()
    await Promise.all([...sends, ...others])
    expect(received).toEqual(Array.from({ length: count }, (_, index) => index))
  })

  it('do so also where those for acknowledgements wait beside those for the lane', async ({ stage }) => {
    const { client, received, open } = await narrow(stage)
    const sends: Promise<void>[] = []
    const others: Promise<unknown>[] = []
    for (let index = 0; index < 90; index += 1) {
      sends.push(client.send('note', index, PROCESSED))
      if (index % 10 === 3) others.push(...fill(client, 2))
      if (index % 30 === 29) await quiet()
    }
    open()
    await Promise.all([...sends, ...others])
    expect(received).toEqual(Array.from({ length: 90 }, (_, index) => index))
  })

  it('may be as many as may wait: not one waits within another', async ({ stage }) => {
    const { client, received, open } = await narrow(stage)
    const count = 12_000
    const sends = Array.from({ length: count }, (_, index) => client.send('note', index, PROCESSED))
    const others = fill(client, 16)
    await until(() => received.length === ROOM)
    await quiet()
    open()
    await Promise.all([...sends, ...others])
    expect(received).toEqual(Array.from({ length: count }, (_, index) => index))
  })
})

describe('messages that were given up while they waited', () => {
  async function reasonOf(promise: Promise<unknown>): Promise<unknown> {
    try {
      return await promise
    } catch (error) {
      return error instanceof TransportError ? error.reason : error
    }
  }

  it('for acknowledgements are no senders that wait any more', async ({ stage }) => {
    const waiting = 10
    const { client, received, open } = await narrow(stage, {
      limits: { maxUnackedMessages: 1, maxQueuedCalls: waiting },
    })
    const first = client.send('note', 'first', PROCESSED)
    for (let round = 0; round < 3; round += 1) {
      const over = new AbortController()
      const given = Array.from({ length: waiting }, (_, index) => {
        return reasonOf(client.send('note', index, { ...PROCESSED, signal: over.signal }))
      })
      over.abort()
      expect(new Set(await Promise.all(given))).toEqual(new Set(['cancelled']))
    }
    const last = Array.from({ length: waiting }, (_, index) => client.send('note', index, PROCESSED))
    expect(await reasonOf(client.send('note', 'one too many', PROCESSED))).toBe('queue-full')
    open()
    await Promise.all([first, ...last])
    expect(received).toEqual(['first', 0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  it('for their lane are none either, for messages with an acknowledgement and for those without', async ({
    stage,
  }) => {
    const waiting = 10
    const { client, received, open } = await narrow(stage, {
      limits: { maxUnackedMessages: 1_000, maxQueuedCalls: waiting },
    })
    const others = fill(client, 3 + ROOM)
    const given: Promise<unknown>[] = []
    const over = new AbortController()
    for (let index = 0; index < waiting; index += 1) {
      given.push(reasonOf(client.send('note', index, { ...PROCESSED, signal: over.signal })))
    }
    expect(await reasonOf(client.send('note', 'one too many', PROCESSED))).toBe('queue-full')
    over.abort()
    expect(new Set(await Promise.all(given))).toEqual(new Set(['cancelled']))
    const last = [client.send('note', 'acked', PROCESSED), client.send('note', 'plain')]
    open()
    await Promise.all([...others, ...last])
    await until(() => received.length === 2)
    expect(received).toEqual(['acked', 'plain'])
  })
})
