import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { TransportError } from '../../src/base/errors.js'
import { BufferPool } from '../../src/memory/buffer-pool.js'
import { Ledger } from '../../src/memory/ledger.js'
import { HEADER_BYTES } from '../../src/wire/frame.js'
import { FrameReader } from '../../src/wire/frame-reader.js'
import { type FrameParts, frameBytes } from './bytes.js'

const CARRY_BYTES = 4_096
const MAX_FRAME_BYTES = 100_000

interface Reading {
  readonly reader: FrameReader
  readonly frames: FrameParts[]
  readonly errors: TransportError[]
  readonly pool: BufferPool
  /** Whether each frame's bytes were given away. */
  readonly owned: boolean[]
  /** Stops after so many frames. */
  stopAfter: number
}

function newReading(maxFrameBytes = MAX_FRAME_BYTES): Reading {
  const pool = new BufferPool(new Ledger(), CARRY_BYTES, 1)
  const frames: FrameParts[] = []
  const errors: TransportError[] = []
  const owned: boolean[] = []
  const reading: Reading = {
    frames,
    errors,
    owned,
    pool,
    stopAfter: Number.POSITIVE_INFINITY,
    reader: undefined as never,
  }
  const reader = new FrameReader(
    {
      onFrame: (kind, flags, aux, id, bytes, start, end, given) => {
        frames.push({ kind, flags, aux, id, body: Buffer.from(bytes.subarray(start, end)) })
        owned.push(given)
        return frames.length < reading.stopAfter
      },
      onBadFrame: (error) => errors.push(error),
    },
    pool,
    maxFrameBytes,
  )
  return Object.assign(reading, { reader })
}

/** Reads in chunks that begin and end at the given places, each a buffer of its own. */
function readInPieces({ reader }: Reading, bytes: Buffer, cuts: readonly number[]): void {
  let from = 0
  for (const to of [...cuts, bytes.length]) {
    const chunk = Buffer.from(bytes.subarray(from, to))
    // A plain comparison: this runs for every byte of some streams, and an expectation costs milliseconds.
    if (reader.read(chunk, 0, chunk.length) !== chunk.length) expect.fail(`the reader stopped before byte ${to}`)
    from = to
  }
}

const small: FrameParts = { kind: 3, flags: 0x20, aux: 7, id: 1, body: Buffer.from('hello') }
const empty: FrameParts = { kind: 6, flags: 0, aux: 1, id: 0xfffffffe, body: Buffer.alloc(0) }
const large: FrameParts = { kind: 4, flags: 0, aux: 0xffff, id: 2, body: Buffer.alloc(CARRY_BYTES * 2 + 3, 5) }
const three = [small, empty, large]
const bytesOfThree = Buffer.concat(three.map(frameBytes))

function isSame(frame: FrameParts, other: FrameParts | undefined): boolean {
  if (other === undefined || frame.kind !== other.kind || frame.flags !== other.flags) return false
  return frame.aux === other.aux && frame.id === other.id && Buffer.compare(frame.body, other.body) === 0
}

/** Has a socket fill the place that the reader wants, or a chunk of its own, with up to `most` bytes. Returns how many. */
function fill(reader: FrameReader, bytes: Buffer, at: number, most: number): number {
  const wanted = reader.destination()
  const place = wanted ?? Buffer.alloc(most)
  const count = Math.min(
    place.length,
    most,
    wanted === null ? frameBytes(small).length - HEADER_BYTES : bytes.length - at,
  )
  bytes.copy(place, 0, at, at + count)
  expect(reader.read(place, 0, count)).toBe(count)
  return count
}

describe('a stream of frames', () => {
  it('gives the same frames one byte at a time', () => {
    const reading = newReading()
    readInPieces(
      reading,
      bytesOfThree,
      Array.from({ length: bytesOfThree.length - 1 }, (_, index) => index + 1),
    )
    expect(reading.frames).toEqual(three)
    expect(reading.pool.borrowed).toBe(0)
  })

  it('gives the same three frames at every split into two', () => {
    for (let cut = 1; cut < bytesOfThree.length; cut += 1) {
      const reading = newReading()
      readInPieces(reading, bytesOfThree, [cut])
      const same = reading.frames.length === 3 && reading.frames.every((frame, index) => isSame(frame, three[index]))
      const left = reading.pool.borrowed + reading.reader.partialBytes
      if (!same || left > 0) expect.fail(`cut at ${cut}: same ${same}, ${left} left`)
    }
  })

  it('gives the same frames however it is cut', () => {
    const frame = fc.record({
      kind: fc.integer({ min: 1, max: 255 }),
      flags: fc.integer({ min: 0, max: 255 }),
      aux: fc.integer({ min: 0, max: 65_535 }),
      id: fc.integer({ min: 0, max: 0xffffffff }),
      body: fc
        .oneof(
          fc.integer({ min: 0, max: 64 }),
          fc.integer({ min: CARRY_BYTES - 40, max: CARRY_BYTES + 40 }),
          fc.constant(20_000),
        )
        .map((length) => Buffer.alloc(length, length)),
    })
    fc.assert(
      fc.property(
        fc.array(frame, { minLength: 1, maxLength: 8 }),
        fc.array(fc.double({ min: 0, max: 1, noNaN: true })),
        (frames, shares) => {
          const bytes = Buffer.concat(frames.map(frameBytes))
          const reading = newReading()
          readInPieces(
            reading,
            bytes,
            shares.map((share) => Math.floor(share * bytes.length)).sort((a, b) => a - b),
          )
          expect(reading.frames.length).toBe(frames.length)
          // `toEqual` compares buffers byte by byte through an iterator, a thousand times slower.
          expect(reading.frames.every((read, index) => isSame(read, frames[index]))).toBe(true)
          expect(reading.pool.borrowed).toBe(0)
        },
      ),
      { numRuns: 150 },
    )
  })

  it('reads a large body straight into its buffer and gives it away', () => {
    const reading = newReading()
    const bytes = frameBytes(large)
    reading.reader.read(bytes.subarray(0, 20) as Buffer, 0, 20)
    const copiedBefore = reading.reader.copiedBytes
    let at = 20
    while (at < bytes.length) at += fill(reading.reader, bytes, at, 3_000)
    expect(reading.frames).toEqual([large])
    expect(reading.owned).toEqual([true])
    expect(reading.reader.copiedBytes).toBe(copiedBefore)
  })

  it('reads the header behind a large frame alone, so that the next large body is not copied either', () => {
    const reading = newReading()
    const bytes = Buffer.concat([frameBytes(large), frameBytes(large), frameBytes(small), frameBytes(small)])
    reading.reader.read(bytes.subarray(0, 12) as Buffer, 0, 12)
    const places: (number | undefined)[] = []
    let at = 12
    while (reading.frames.length < 3) {
      places.push(reading.reader.destination()?.length)
      at += fill(reading.reader, bytes, at, 100_000)
    }
    const body = large.body.length
    // The small one turns out to be small when its header is there: what follows is read anywhere.
    expect(places).toEqual([body, HEADER_BYTES, body, HEADER_BYTES, undefined])
    expect(reading.reader.copiedBytes).toBe(frameBytes(small).length)
    reading.reader.read(bytes.subarray(at) as Buffer, 0, bytes.length - at)
    expect(reading.frames).toEqual([large, large, small, small])
    expect(reading.reader.destination()).toBeNull()
    reading.reader.close()
  })

  it('reads on where the header behind a large frame comes in pieces', () => {
    const reading = newReading()
    const bytes = Buffer.concat([frameBytes(large), frameBytes(large)])
    let at = frameBytes(large).length
    reading.reader.read(bytes.subarray(0, at) as Buffer, 0, 12)
    fill(reading.reader, bytes, 12, 100_000)
    at += fill(reading.reader, bytes, at, 5)
    expect(reading.reader.destination()).toBeNull()
    reading.reader.read(bytes.subarray(at) as Buffer, 0, bytes.length - at)
    expect(reading.frames).toEqual([large, large])
    reading.reader.close()
  })

  it('has no place for bytes between frames, and none for small ones', () => {
    const { reader } = newReading()
    expect(reader.destination()).toBeNull()
    reader.read(frameBytes(small).subarray(0, 13) as Buffer, 0, 13)
    expect(reader.destination()).toBeNull()
    reader.close()
  })

  it('says how much of an incomplete frame is there and how much will be', () => {
    const { reader } = newReading()
    reader.read(frameBytes(large).subarray(0, 100) as Buffer, 0, 100)
    expect(reader.partialBytes).toBe(100)
    expect(reader.expectedBytes).toBe(frameBytes(large).length)
    reader.close()
    expect(reader.partialBytes).toBe(0)
  })

  it('stops after the frame at which the sink says so, and goes on from there', () => {
    const reading = newReading()
    reading.stopAfter = 1
    const at = reading.reader.read(bytesOfThree, 0, bytesOfThree.length)
    expect(at).toBe(frameBytes(small).length)
    reading.stopAfter = Number.POSITIVE_INFINITY
    reading.reader.read(bytesOfThree, at, bytesOfThree.length)
    expect(reading.frames).toEqual(three)
  })

  it('can be closed by the sink within a frame that was carried over', () => {
    const pool = new BufferPool(new Ledger(), CARRY_BYTES, 1)
    const reader: FrameReader = new FrameReader(
      {
        onFrame: () => {
          reader.close()
          return false
        },
        onBadFrame: (error) => expect.fail(error.message),
      },
      pool,
      MAX_FRAME_BYTES,
    )
    const bytes = Buffer.concat([frameBytes(small), frameBytes(small)])
    reader.read(Buffer.from(bytes.subarray(0, 6)), 0, 6)
    reader.read(Buffer.from(bytes.subarray(6)), 0, bytes.length - 6)
    expect(pool.borrowed).toBe(0)
  })
})

describe('the length of a frame', () => {
  for (let length = 0; length < 8; length += 1) {
    it(`of ${length} is refused as soon as it is there`, () => {
      const reading = newReading()
      reading.reader.read(Buffer.of(length, 0, 0), 0, 3)
      expect(reading.errors).toEqual([])
      reading.reader.read(Buffer.of(0), 0, 1)
      expect(reading.errors.map(({ reason }) => reason)).toEqual(['frame-too-small'])
      reading.reader.close()
      expect(reading.pool.borrowed).toBe(0)
    })
  }

  it('may be as large as the limit', () => {
    const reading = newReading(1_000)
    const frame = { ...small, body: Buffer.alloc(1_000 - 8) }
    readInPieces(reading, frameBytes(frame), [])
    expect(reading.frames).toEqual([frame])
  })

  for (const [how, count] of [
    ['alone', 4],
    ['with its header', 12],
    ['with its body', 1_005],
  ] as const) {
    it(`one past the limit is refused when it comes ${how}, before anything is kept`, () => {
      const reading = newReading(1_000)
      const bytes = frameBytes({ ...small, body: Buffer.alloc(1_000 - 7) })
      reading.reader.read(bytes.subarray(0, count) as Buffer, 0, count)
      expect(reading.errors.map(({ reason }) => reason)).toEqual(['frame-too-large'])
      expect(reading.frames).toEqual([])
      expect(reading.pool.borrowed).toBe(0)
    })
  }

  it('of four gigabytes is refused, and taken for what it is: unsigned', () => {
    const reading = newReading()
    reading.reader.read(Buffer.of(255, 255, 255, 255), 0, 4)
    expect(reading.errors.map(({ reason }) => reason)).toEqual(['frame-too-large'])
  })
})
