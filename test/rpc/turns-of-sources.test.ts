import { randomBytes } from 'node:crypto'
import { describe, expect } from 'vitest'
import { defineService, msgpack, oneWay, raw, serverStream } from '../../src/index.js'
import { it, turn, until } from '../fixtures/stage.js'

/** Over the threshold of compression: each message of a stream is compressed by itself. */
const MESSAGE_BYTES = 1_056
const BYTES = 8_192 * MESSAGE_BYTES
/** What `connection/pace.ts` lets a source send in a turn, and the write that it ends in. */
const MOST_BYTES = (256 + 64) * 1024
const MOST_MESSAGES = 4_096

/** So wide that no source ever waits for credit. */
const WINDOW = 16 * 1024 * 1024
const WIDE = {
  flow: { laneWindowBytes: WINDOW, streamWindowBytes: WINDOW, maxWindowBytes: WINDOW, windowBudgetBytes: 2 * WINDOW },
}

const Sources = defineService('sources', {
  note: oneWay({ request: raw() }),
  latest: oneWay({ request: raw() }).coalesce({
    key: () => 'all',
    merge: (_older, newer) => newer,
    maxDelayMs: 1,
    maxItems: 100,
  }),
  read: serverStream({ request: msgpack<null>(), response: raw() }),
})

/** Messages out of these bytes. Counts those that are taken in each turn of the event loop. */
class Source implements Iterable<Uint8Array> {
  readonly length = BYTES / MESSAGE_BYTES
  readonly #bytes: Buffer
  readonly #perTurn: number[] = []
  #turns = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  *[Symbol.iterator](): Generator<Uint8Array> {
    for (let at = 0; at < BYTES; at += MESSAGE_BYTES) {
      this.#perTurn[this.#turns] = (this.#perTurn[this.#turns] ?? 0) + 1
      yield this.#bytes.subarray(at, at + MESSAGE_BYTES)
    }
  }

  /** Counts turns until the condition holds. */
  async watch(condition: () => boolean): Promise<void> {
    await until(() => {
      this.#turns += 1
      return condition()
    })
    await turn()
  }

  get most(): number {
    return this.#perTurn.reduce((most, messages) => Math.max(most, messages ?? 0), 0)
  }
}

describe.each([
  ['messages as they are', () => randomBytes(BYTES), MOST_BYTES / MESSAGE_BYTES],
  ['messages that compression makes nothing of', () => Buffer.alloc(BYTES), MOST_MESSAGES],
])('a source that never has to wait, of %s, lets others have their turn', (_name, make, most) => {
  it('as a batch of one-way messages', async ({ stage }) => {
    const { server, address } = await stage.listening(WIDE)
    let seen = 0
    server.implement(Sources, { note: () => void (seen += 1), latest: () => {}, read: () => [] })
    const client = stage.client(address, WIDE)
    client.use(Sources)
    await client.connect()
    const source = new Source(make())
    const sent = client.sendBatch('sources.note', source)
    await source.watch(() => seen === source.length)
    await sent
    expect(source.most).toBeLessThanOrEqual(most)
  })

  it('as a stream', async ({ stage }) => {
    const { server, address } = await stage.listening(WIDE)
    const source = new Source(make())
    server.implement(Sources, { note: () => {}, latest: () => {}, read: () => source })
    const sources = stage.client(address, WIDE).use(Sources)
    let seen = 0
    const read = (async () => {
      for await (const _ of sources.read(null)) seen += 1
    })()
    await source.watch(() => seen === source.length)
    await read
    expect(source.most).toBeLessThanOrEqual(most)
  })

  it('as a batch of messages that are merged', async ({ stage }) => {
    const { server, address } = await stage.listening(WIDE)
    server.implement(Sources, { note: () => {}, latest: () => {}, read: () => [] })
    const client = stage.client(address, WIDE)
    client.use(Sources)
    await client.connect()
    const source = new Source(make())
    let done = false
    const sent = client.sendBatch('sources.latest', source).then(() => (done = true))
    await source.watch(() => done)
    await sent
    // Merged, they are next to nothing.
    expect(source.most).toBeLessThanOrEqual(MOST_MESSAGES)
  })
})
