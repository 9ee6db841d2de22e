import { createHash } from 'node:crypto'
import { describe, expect } from 'vitest'
import { seededRandom } from '../../src/base/random.js'
import { turn, until } from '../fixtures/stage.js'
import type { End } from './end.js'
import { it, type Pair, type Sockets, stream } from './pairs.js'

export interface Carrier {
  readonly name: string
  readonly open: (sockets: Sockets) => Pair | Promise<Pair>
  /** What the carrier takes of bytes that nobody reads, at most. Of a socket that is the kernel, about 4 MB. */
  readonly swallows: number
  /** Enough that most of it waits with the writer while nobody reads. */
  readonly bulk: number
  /** How much of what was written `unsentBytes` does not tell of. */
  readonly untold?: number
  /** Whether reads go where the receiver wants them. */
  readonly places: boolean
}

async function turns(count: number): Promise<void> {
  for (let passed = 0; passed < count; passed += 1) await turn()
}

function digest(bytes: Uint8Array): string {
  return createHash('sha1').update(bytes).digest('hex')
}

/** Writes `bytes` in pieces, without a pause. */
function writeAll(end: End, bytes: Buffer, pieceBytes: number): void {
  for (let at = 0; at < bytes.length; at += pieceBytes) end.write(bytes.subarray(at, at + pieceBytes))
}

/** The far end reads nothing of a bulk that the near one wrote. */
async function clogged({ near, far }: Pair, { bulk, swallows }: Carrier): Promise<Buffer> {
  const bytes = stream(bulk)
  far.pause()
  writeAll(near, bytes, bulk / 48)
  await turns(20)
  expect(near.channel.unsentBytes).toBeGreaterThanOrEqual(bulk - swallows)
  return bytes
}

/** What every channel promises, whatever carries it. */
export function describeContract(carrier: Carrier): void {
  describe(`bytes over ${carrier.name}`, () => {
    it('arrive whole and in order, both ways at once, however they were cut', async ({ sockets }) => {
      const { near, far } = await carrier.open(sockets)
      const random = seededRandom(7)
      const sent = { near: stream(carrier.bulk / 16), far: stream(carrier.bulk / 16 + 1) }
      const at = { near: 0, far: 0 }
      const most = carrier.bulk / 256
      while (at.near < sent.near.length || at.far < sent.far.length) {
        for (const [name, end] of [['near', near] as const, ['far', far] as const]) {
          // Every eighth write is empty.
          const size = Math.max(0, Math.floor((random.next() * 8 - 1) * most))
          end.write(sent[name].subarray(at[name], at[name] + size))
          at[name] += size
        }
        if (random.next() < 0.2) await turn()
      }
      await until(() => far.receivedBytes === sent.near.length && near.receivedBytes === sent.far.length)
      expect(digest(far.received())).toBe(digest(sent.near))
      expect(digest(near.received())).toBe(digest(sent.far))
    })

    it('are borrowed until the write is handed back, once for each, and may be overwritten then', async ({
      sockets,
    }) => {
      const { near, far } = await carrier.open(sockets)
      const count = 40
      const pieces = Array.from({ length: count }, (_, n) => Buffer.alloc(carrier.bulk / 4_096, n + 1))
      const expected = digest(Buffer.concat(pieces))
      near.onHandedBack = () => pieces[near.handedBack - 1]?.fill(0)
      for (const piece of pieces) near.write(piece)
      await until(() => near.handedBack === count)
      await until(() => far.receivedBytes === (count * carrier.bulk) / 4_096)
      expect(digest(far.received())).toBe(expected)
      await turns(5)
      expect(near).toMatchObject({ handedBack: count, failed: 0 })
    })

    it('wait with the writer while the peer does not read, and arrive when it does', async ({ sockets }) => {
      const { near, far } = await carrier.open(sockets)
      const bytes = await clogged({ near, far }, carrier)
      expect(far.receivedBytes).toBe(0)
      expect(near.handedBack).toBeLessThan(near.writes)
      far.resume()
      await until(() => far.receivedBytes === bytes.length)
      expect(digest(far.received())).toBe(digest(bytes))
      await until(() => near.handedBack === near.writes)
      expect(near).toMatchObject({ failed: 0, channel: { unsentBytes: 0 } })
    })

    it('stop coming while reading is paused, also from within the read, and go on after', async ({ sockets }) => {
      const { near, far } = await carrier.open(sockets)
      const bytes = stream(carrier.bulk / 16)
      far.onChunk = () => far.pause()
      writeAll(near, bytes, carrier.bulk / 64)
      for (let reads = 1; reads <= 20; reads += 1) {
        await until(() => far.chunks.length === reads)
        await turns(3)
        expect(far.chunks.length).toBe(reads)
        // One byte a read would take its time.
        if (reads === 20) far.onChunk = () => {}
        far.resume()
      }
      await until(() => far.receivedBytes === bytes.length)
      expect(digest(far.received())).toBe(digest(bytes))
    })

    it('are gathered between cork and uncork, and each write is still handed back', async ({ sockets }) => {
      const { near, far } = await carrier.open(sockets)
      near.call(() => near.channel.cork())
      for (const text of ['one ', 'two ', 'three']) near.write(Buffer.from(text))
      await turns(5)
      const told = Math.max(0, 13 - (carrier.untold ?? 0))
      expect([near.channel.unsentBytes, near.handedBack, far.receivedBytes]).toEqual([told, 0, 0])
      near.call(() => near.channel.uncork())
      await until(() => near.handedBack === 3 && far.receivedBytes === 13)
      expect(far.received().toString()).toBe('one two three')
      expect(near.channel.unsentBytes).toBe(0)
    })

    it('are put where the receiver wants them, as far as the carrier can', async ({ sockets }) => {
      const { near, far } = await carrier.open(sockets)
      const bytes = stream(carrier.bulk / 16)
      const body = Buffer.alloc(bytes.length)
      far.where = () => (far.receivedBytes < body.length ? body.subarray(far.receivedBytes) : null)
      far.onChunk = (chunk) => chunk.copy(body, far.receivedBytes - chunk.length)
      writeAll(near, bytes, bytes.length)
      await until(() => far.receivedBytes === bytes.length)
      expect(digest(body)).toBe(digest(bytes))
      if (carrier.places) expect(far.placed).toBeGreaterThan(0)
      near.write(Buffer.from('after'))
      await until(() => far.receivedBytes === bytes.length + 5)
      expect(far.received().subarray(bytes.length).toString()).toBe('after')
    })
  })

  describe(`the end over ${carrier.name}`, () => {
    it('comes behind all bytes and leaves the other direction open', async ({ sockets }) => {
      const { near, far } = await carrier.open(sockets)
      const bytes = stream(carrier.bulk / 16)
      writeAll(near, bytes, carrier.bulk / 64)
      near.end()
      await until(() => far.ended)
      expect(digest(far.received())).toBe(digest(bytes))
      await turns(5)
      expect([near.closed, far.closed]).toEqual([false, false])
      far.write(Buffer.from('still here'))
      await until(() => near.receivedBytes === 10)
      far.end()
      await until(() => near.closed && far.closed)
      expect([near.ended, near.error, far.error]).toEqual([true, null, null])
    })

    it('comes from both sides at once', async ({ sockets }) => {
      const { near, far } = await carrier.open(sockets)
      near.write(Buffer.from('bye'))
      near.end()
      far.write(Buffer.from('good bye'))
      far.end()
      await until(() => near.closed && far.closed)
      expect([near.received().toString(), far.received().toString()]).toEqual(['good bye', 'bye'])
      expect([near.ended, far.ended, near.error, far.error]).toEqual([true, true, null, null])
    })

    it('waits for what the peer does not read yet, and for a reader that is paused', async ({ sockets }) => {
      const { near, far } = await carrier.open(sockets)
      const bytes = await clogged({ near, far }, carrier)
      near.end()
      await turns(5)
      expect([far.ended, near.closed]).toEqual([false, false])
      far.resume()
      await until(() => far.ended)
      expect(far.receivedBytes).toBe(bytes.length)
      expect(near).toMatchObject({ handedBack: near.writes, failed: 0 })
    })
  })

  describe(`destroying an end over ${carrier.name}`, () => {
    it('hands every open write back as failed, and is told to the peer', async ({ sockets }) => {
      const { near, far } = await carrier.open(sockets)
      await clogged({ near, far }, carrier)
      near.destroy()
      await until(() => near.closed)
      expect(near.handedBack).toBe(near.writes)
      expect(near.failed).toBeGreaterThan(0)
      expect([near.error, near.ended]).toEqual([null, false])
      far.resume()
      await until(() => far.ended || far.closed)
      expect(far.receivedBytes).toBeLessThanOrEqual(carrier.swallows)
    })

    it('lets what was taken before arrive, with an end behind it', async ({ sockets }) => {
      const { near, far } = await carrier.open(sockets)
      near.write(Buffer.from('last words'))
      await until(() => near.handedBack === 1)
      near.destroy()
      await until(() => far.ended)
      expect(far.received().toString()).toBe('last words')
      expect(far.closed).toBe(false)
      far.end()
      await until(() => far.closed)
      expect(far.error).toBeNull()
    })

    it('with bytes left unread resets the peer, which is told an error of the network', async ({ sockets }) => {
      const { near, far } = await carrier.open(sockets)
      await clogged({ near, far }, carrier)
      far.destroy()
      await until(() => near.closed)
      expect(near.error).toMatchObject({ reason: 'connection-lost', origin: 'network', code: 'UNAVAILABLE' })
      expect(near.handedBack).toBe(near.writes)
      await until(() => far.closed)
      expect(far.error).toBeNull()
    })

    it('resets a peer that goes on writing', async ({ sockets }) => {
      const { near, far } = await carrier.open(sockets)
      far.destroy()
      await until(() => near.ended)
      await until(() => {
        if (!near.closed) near.write(Buffer.from('anybody there?'))
        return near.closed
      })
      expect(near.error).toMatchObject({ reason: 'connection-lost' })
    })

    it('from within a read ends the reading there', async ({ sockets }) => {
      const { near, far } = await carrier.open(sockets)
      far.onChunk = () => far.destroy()
      writeAll(near, stream(carrier.bulk / 16), carrier.bulk / 64)
      await until(() => far.closed && near.closed)
      expect(far.chunks.length).toBe(1)
    })

    it('hands a write that comes after it back as failed, and is deaf once it is over', async ({ sockets }) => {
      const { near, far } = await carrier.open(sockets)
      near.destroy()
      near.write(Buffer.from('too late'))
      await until(() => near.closed)
      expect(near).toMatchObject({ handedBack: 1, failed: 1 })
      for (const act of ['cork', 'uncork', 'pause', 'resume', 'end', 'destroy'] as const) near.channel[act]()
      near.channel.write(Buffer.from('much too late'))
      await turns(5)
      expect(near.channel.unsentBytes).toBe(0)
      expect(far.receivedBytes).toBe(0)
    })
  })
}
