import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BufferPool } from '../../src/memory/buffer-pool.js'
import { ByteWriter, REFERENCE_FROM_BYTES, type Segment } from '../../src/memory/byte-writer.js'
import { Ledger } from '../../src/memory/ledger.js'

function stage(chunkBytes: number, maxIdle = 4) {
  const ledger = new Ledger()
  const pool = new BufferPool(ledger, chunkBytes, maxIdle)
  return { ledger, pool, out: new ByteWriter(pool) }
}

/** Bytes that differ from those of every other seed nearby, so that a run out of place shows. */
function bytes(length: number, seed = 0): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (seed * 31 + index * 7 + (index >> 8)) & 0xff)
}

function record(out: ByteWriter, ...parts: Uint8Array[]): void {
  out.open(0)
  for (const part of parts) out.put(part)
  out.close()
}

function takeAll(out: ByteWriter): Segment[] {
  const segments: Segment[] = []
  for (let segment = out.take(); segment !== undefined; segment = out.take()) segments.push(segment)
  return segments
}

const joined = (segments: readonly Segment[]) => Buffer.concat(segments.map((segment) => segment.bytes))

describe('a byte writer', () => {
  test('holds no buffer until something is written', () => {
    const { pool, out } = stage(64)
    expect(out.take()).toBeUndefined()
    expect([out.pendingBytes, pool.borrowed]).toEqual([0, 0])
  })

  test('gives out in one run what fits one chunk', () => {
    const { out } = stage(64)
    record(out, bytes(10, 1))
    record(out, bytes(20, 2))
    expect(out.pendingBytes).toBe(30)
    const segments = takeAll(out)
    expect(segments).toHaveLength(1)
    expect(joined(segments)).toEqual(Buffer.concat([bytes(10, 1), bytes(20, 2)]))
    expect([out.pendingBytes, out.copiedBytes]).toEqual([0, 30])
  })

  test('moves an open record that outgrows its chunk, and counts the move', () => {
    const { pool, out } = stage(64)
    record(out, bytes(50, 1))
    out.open(4)
    out.copy(bytes(10, 2), 0, 10)
    expect(out.recordStart).toBe(50)
    out.copy(bytes(10, 3), 0, 10)
    expect(out.recordStart).toBe(0)
    expect(pool.borrowed).toBe(2)
    out.close()
    expect(joined(takeAll(out))).toEqual(Buffer.concat([bytes(50, 1), bytes(10, 2), bytes(10, 3)]))
    expect(out.copiedBytes).toBe(50 + 10 + 10 + 10)
  })

  test('can be patched at the record that is open, also after it moved', () => {
    const { out } = stage(64)
    record(out, bytes(50, 1))
    out.open(4)
    out.position += 4
    out.copy(bytes(30, 2), 0, 30)
    out.recordBytes[out.recordStart] = 0xaa
    out.recordBytes[out.recordStart + 3] = 0xbb
    out.close()
    const [, second] = takeAll(out)
    expect([second?.bytes[0], second?.bytes[3], second?.bytes.length]).toEqual([0xaa, 0xbb, 34])
  })

  test('copies what is smaller than a page and refers to what is not', () => {
    const { out } = stage(8_192)
    const small = bytes(REFERENCE_FROM_BYTES - 1, 1)
    const large = bytes(REFERENCE_FROM_BYTES, 2)
    record(out, small)
    expect([out.referencedBytes, out.copiedBytes]).toEqual([0, small.length])
    out.open(4)
    out.put(large)
    expect([out.reference, out.referencedBytes, out.copiedBytes]).toEqual([large, large.length, small.length])
    out.close()
    expect([out.reference, out.referencedBytes]).toEqual([null, 0])
    const segments = takeAll(out)
    expect(segments.map((segment) => segment.bytes.length)).toEqual([small.length, large.length])
    expect(segments[1]?.bytes).toBe(large)
    expect(segments[1]?.chunk).toBeNull()
  })

  test('lets bytes behind a waiting run go on growing until it is their turn', () => {
    const { out } = stage(8_192)
    record(out, bytes(10, 1), bytes(5_000, 2))
    expect(out.take()?.bytes).toHaveLength(10)
    record(out, bytes(10, 3))
    expect(out.take()?.bytes).toHaveLength(5_000)
    record(out, bytes(10, 4))
    expect(joined(takeAll(out).slice(0, 1))).toEqual(Buffer.concat([bytes(10, 3), bytes(10, 4)]))
  })

  test('takes back what the open record has beyond a point, references too', () => {
    const { out } = stage(8_192)
    record(out, bytes(10, 1))
    out.open(4)
    out.copy(bytes(20, 2), 0, 20)
    out.put(bytes(5_000, 3))
    out.truncate(out.recordStart + 5)
    expect([out.reference, out.referencedBytes]).toEqual([null, 0])
    out.copy(bytes(3, 4), 0, 3)
    out.close()
    expect(joined(takeAll(out))).toEqual(Buffer.concat([bytes(10, 1), bytes(5, 2), bytes(3, 4)]))
  })

  test('copies any part of a source, short or long', () => {
    for (const [start, end] of [
      [0, 0],
      [0, 48],
      [0, 49],
      [1, 49],
      [1, 50],
      [7, 200],
      [0, 200],
      [200, 200],
    ] as const) {
      const { out } = stage(256)
      const source = bytes(200, 5)
      out.open(0)
      out.copy(source, start, end)
      out.close()
      expect(joined(takeAll(out))).toEqual(Buffer.from(source.subarray(start, end)))
      expect(out.copiedBytes).toBe(end - start)
    }
  })

  test('does not write over bytes that were taken and are not written yet', () => {
    const { out } = stage(64)
    record(out, bytes(20, 1))
    const [first] = takeAll(out)
    record(out, bytes(20, 2))
    record(out, bytes(40, 3))
    expect(Buffer.from(first?.bytes ?? [])).toEqual(Buffer.from(bytes(20, 1)))
    expect(joined(takeAll(out))).toEqual(Buffer.concat([bytes(20, 2), bytes(40, 3)]))
  })

  test('refuses a record that does not fit a chunk, and keeps its books', () => {
    const { ledger, pool, out } = stage(64)
    record(out, bytes(10, 1))
    out.open(4)
    out.copy(bytes(30, 2), 0, 30)
    expect(() => out.ensure(35)).toThrow(RangeError)
    expect(() => out.copy(bytes(65, 3), 0, 65)).toThrow('a record of 95 inline bytes does not fit a chunk')
    expect(out.copiedBytes).toBe(40)
    // The record is as it was: it can be gone on with, or be taken back.
    out.copy(bytes(4, 4), 0, 4)
    out.close()
    out.open(4)
    expect(() => out.ensure(65)).toThrow(RangeError)
    out.truncate(out.recordStart)
    out.close()
    const segments = takeAll(out)
    expect(joined(segments)).toEqual(Buffer.concat([bytes(10, 1), bytes(30, 2), bytes(4, 4)]))
    for (const segment of segments) out.written(segment)
    out.rest()
    expect([pool.borrowed, ledger.current]).toEqual([0, 0])
  })
})

describe('the buffers of a byte writer', () => {
  test('go back to the pool when all of a full chunk is written', () => {
    const { pool, out } = stage(64)
    for (let count = 0; count < 8; count += 1) record(out, bytes(32, count))
    const segments = takeAll(out)
    expect(pool.borrowed).toBe(4)
    for (const segment of segments) out.written(segment)
    expect(pool.borrowed).toBe(1)
    out.rest()
    expect(pool.borrowed).toBe(0)
  })

  test('are kept while bytes wait, and while the socket has them', () => {
    const { pool, out } = stage(64)
    record(out, bytes(10))
    out.rest()
    expect(pool.borrowed).toBe(1)
    const [segment] = takeAll(out)
    out.rest()
    expect(pool.borrowed).toBe(1)
    out.written(segment as Segment)
    expect(pool.borrowed).toBe(0)
  })

  test('are held by nothing of an idle writer, so that the pool alone decides what stays', () => {
    for (const end of ['rest', 'clear'] as const) {
      const { pool, out } = stage(64, 0)
      record(out, bytes(10))
      for (const segment of takeAll(out)) out.written(segment)
      out[end]()
      expect(pool.borrowed).toBe(0)
      expect([out.bytes.length, out.recordBytes.length]).toEqual([0, 0])
    }
  })

  test('go back when everything is forgotten, but for what the socket has', () => {
    const { pool, out } = stage(64)
    record(out, bytes(60, 1))
    const taken = out.take()
    record(out, bytes(60, 2))
    record(out, bytes(5_000, 3))
    out.open(4)
    out.copy(bytes(10, 4), 0, 10)
    out.clear()
    expect([out.pendingBytes, out.take(), pool.borrowed]).toEqual([0, undefined, 1])
    out.written(taken as Segment)
    expect(pool.borrowed).toBe(0)
    record(out, bytes(7, 5))
    expect(joined(takeAll(out))).toEqual(Buffer.from(bytes(7, 5)))
  })
})

describe('a byte writer beside a plain list of bytes', () => {
  const CHUNK = 256
  const part = fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('copy' as const), length: fc.nat(80), skip: fc.nat(5) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('copy' as const), length: fc.nat(CHUNK), skip: fc.nat(5) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('bytes' as const), length: fc.nat(9) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('truncate' as const), to: fc.nat(CHUNK) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('patch' as const), at: fc.nat(CHUNK), value: fc.nat(255) }) },
  )
  const step = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constant('record' as const),
        headBytes: fc.nat(20),
        parts: fc.array(part, { maxLength: 6 }),
        reference: fc.option(fc.integer({ min: REFERENCE_FROM_BYTES, max: REFERENCE_FROM_BYTES + 300 }), { nil: 0 }),
        takenBack: fc.boolean(),
      }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('take' as const), count: fc.nat(4) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('written' as const), which: fc.nat(10) }) },
    { weight: 2, arbitrary: fc.constant({ kind: 'rest' as const }) },
    { weight: 1, arbitrary: fc.constant({ kind: 'clear' as const }) },
  )

  test('gives out what was put in, counts every copy and returns every buffer', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const { ledger, pool, out } = stage(CHUNK)
        /** What nobody took yet, what was taken, and what the socket still has. */
        let waiting: number[] = []
        const inFlight: { segment: Segment; expected: Buffer }[] = []
        /** The naive book of copies: where the writer stands in its chunk, if it has one. */
        let [copied, position, room, seed] = [0, 0, 0, 0]

        const take = (): boolean => {
          const segment = out.take()
          if (segment === undefined) return false
          const expected = Buffer.from(waiting.splice(0, segment.bytes.length))
          expect(expected.equals(segment.bytes)).toBe(true)
          inFlight.push({ segment, expected })
          return true
        }
        const giveBack = (which: number) => {
          for (const { segment, expected } of inFlight.splice(which % inFlight.length, 1)) {
            // Nothing may have written over it while it was out.
            expect(expected.equals(segment.bytes)).toBe(true)
            out.written(segment)
          }
        }

        for (const one of steps) {
          seed += 1
          if (one.kind === 'record') {
            let content: number[] = []
            out.open(one.headBytes)
            if (position + one.headBytes > room) [position, room] = [0, CHUNK]
            const makeRoom = (count: number): boolean => {
              if (content.length + count > CHUNK) return false
              if (position + count > room) {
                copied += content.length
                ;[position, room] = [content.length, CHUNK]
              }
              return true
            }
            for (const piece of one.parts) {
              if (piece.kind === 'copy') {
                const source = bytes(piece.length + 2 * piece.skip, seed)
                if (!makeRoom(piece.length)) {
                  if (position + piece.length > room) expect(() => out.ensure(piece.length)).toThrow(RangeError)
                  continue
                }
                out.copy(source, piece.skip, piece.skip + piece.length)
                content.push(...source.subarray(piece.skip, piece.skip + piece.length))
                copied += piece.length
                position += piece.length
              } else if (piece.kind === 'bytes') {
                if (!makeRoom(piece.length)) continue
                out.ensure(piece.length)
                for (let index = 0; index < piece.length; index += 1) {
                  out.bytes[out.position] = seed + index
                  out.position += 1
                  content.push((seed + index) & 0xff)
                }
                position += piece.length
              } else if (piece.kind === 'truncate') {
                const to = Math.min(piece.to, content.length)
                out.truncate(out.recordStart + to)
                position -= content.length - to
                content = content.slice(0, to)
              } else if (content.length > 0) {
                out.recordBytes[out.recordStart + (piece.at % content.length)] = piece.value
                content[piece.at % content.length] = piece.value
              }
              expect(out.position - out.recordStart).toBe(content.length)
            }
            if (one.reference > 0) {
              const large = bytes(one.reference, seed)
              out.put(large)
              expect(out.referencedBytes).toBe(large.length)
              if (!one.takenBack) content.push(...large)
            }
            if (one.takenBack) {
              out.truncate(out.recordStart)
              position -= content.length
              content = []
            }
            out.close()
            waiting.push(...content)
          } else if (one.kind === 'take') {
            for (let count = 0; count < one.count; count += 1) take()
          } else if (one.kind === 'written') {
            if (inFlight.length > 0) giveBack(one.which)
          } else if (one.kind === 'rest') {
            out.rest()
            if (waiting.length === 0) [position, room] = [0, 0]
          } else {
            out.clear()
            waiting = []
            ;[position, room] = [0, 0]
          }
          expect(out.pendingBytes).toBe(waiting.length)
          expect(out.copiedBytes).toBe(copied)
          expect(ledger.current).toBe(pool.borrowed * CHUNK)
        }

        while (take());
        expect(waiting).toHaveLength(0)
        while (inFlight.length > 0) giveBack(0)
        out.rest()
        expect([out.pendingBytes, pool.borrowed, ledger.current]).toEqual([0, 0, 0])
      }),
      { numRuns: 500 },
    )
  })
})
