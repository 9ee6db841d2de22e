import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { Parts } from '../../src/connection/parts.js'
import { FLAG, KIND } from '../../src/wire/frame.js'
import { frame, u32 } from '../fixtures/raw-peer.js'
import { expectNothingLeft, newEnvironment, type Options, Talk } from './bench.js'

const NORMAL = 1 << FLAG.LANE_SHIFT
const HIGH = 0

/** A part: the first says how much all of them are. */
function part(text: string, flags = NORMAL, total?: number): Buffer {
  const body = Buffer.concat([total === undefined ? Buffer.alloc(0) : u32(total), Buffer.from(text)])
  return frame(KIND.PART, { flags, body })
}

function last(text: string, kind: number = KIND.ONE_WAY, flags = NORMAL): Buffer {
  return frame(kind, { flags: flags | FLAG.MORE, aux: 7, id: kind === KIND.ONE_WAY ? 0 : 3, body: Buffer.from(text) })
}

function ready(options: Options = {}): Talk {
  return Talk.ready(options)
}

describe('a message in parts', () => {
  it('is whole when the last of them has come, which says what it is', () => {
    const talk = ready()
    talk.channel.say(part('ab', NORMAL, 5), part('cd'), last('e'))
    expect(talk.heard).toEqual([['one-way', 0, 7, 'abcde']])
    talk.end()
  })

  it('may be a call, its deadline and metadata with it', () => {
    const talk = ready()
    const body = Buffer.concat([u32(9), Buffer.of(0, 0), Buffer.from('value')]).toString('latin1')
    const flags = NORMAL | FLAG.METADATA
    talk.channel.say(part(body.slice(0, 3), NORMAL, body.length), last(body.slice(3), KIND.CALL, flags))
    expect(talk.heard).toEqual([['call', 3, 7, 'value']])
    talk.end()
  })

  it('lets whole messages of every lane and parts of other lanes go between', () => {
    const talk = ready()
    const whole = (text: string, flags: number): Buffer =>
      frame(KIND.ONE_WAY, { flags, aux: 7, body: Buffer.from(text) })
    talk.channel.say(part('ab', NORMAL, 3), whole('same lane', NORMAL), part('xy', HIGH, 3), whole('other', HIGH))
    talk.channel.say(last('c'), last('z', KIND.ONE_WAY, HIGH))
    expect(talk.heard.map((one) => one[3])).toEqual(['same lane', 'other', 'abc', 'xyz'])
    talk.end()
  })

  it('is taken back by an empty part, and another may come', () => {
    const talk = ready()
    talk.channel.say(part('ab', NORMAL, 9), part(''), part('cd', NORMAL, 3), last('e'))
    expect(talk.heard.map((one) => one[3])).toEqual(['cde'])
    talk.end()
  })

  it.each([
    ['that come short of their total', [part('ab', NORMAL, 9), last('c')]],
    ['that are more than their total', [part('ab', NORMAL, 3), part('cd')]],
    ['the last of which is too long', [part('ab', NORMAL, 3), last('cd')]],
    ['without a first', [last('c')]],
    ['the first of which is empty', [part('', NORMAL, 3)]],
    ['the first of which has no total', [part('ab')]],
    ['of more than any message has', [part('ab', NORMAL, 1_024 + 8_192 + 7)]],
  ])('ends the connection: parts %s', (_, frames) => {
    const talk = ready({ limits: { maxMessageBytes: 1_024, metadataBytes: 8_192 } })
    talk.channel.say(...frames)
    expect([talk.reason, talk.heard.filter(([what]) => what !== 'closed')]).toEqual(['part-invalid', []])
    talk.end()
  })

  it('may be as large as any message: deadline, metadata and payload', () => {
    const talk = ready({ limits: { maxMessageBytes: 1_024, metadataBytes: 8_192 } })
    talk.channel.say(part('ab', NORMAL, 1_024 + 8_192 + 6))
    expect(talk.connection.state).toBe('ready')
    talk.end()
  })

  it('ends the connection when no part comes for limits.frameMs, and not before', () => {
    const talk = ready({ limits: { frameMs: 1_000 } })
    talk.channel.say(part('ab', NORMAL, 9))
    talk.clock.advance(999)
    talk.channel.say(part('c'))
    talk.clock.advance(1_000)
    expect(talk.connection.state).toBe('ready')
    talk.clock.advance(1_010)
    expect(talk.reason).toBe('frame-stalled')
    talk.end()
  })

  it('ends the connection when its parts come slower than limits.minFrameBytesPerSecond, and not before', () => {
    for (const [bytes, reason] of [
      [100, undefined],
      [99, 'frame-stalled'],
    ] as const) {
      const talk = ready({ limits: { frameMs: 1_000, minFrameBytesPerSecond: 100 } })
      talk.channel.say(part('a', NORMAL, 1_000))
      talk.clock.advance(1_010)
      talk.channel.say(part('b'.repeat(bytes)))
      talk.clock.advance(1_010)
      expect(talk.reason).toBe(reason)
      talk.end()
    }
  })

  it('waits while we do not read: none can come then', () => {
    const talk = ready({ limits: { frameMs: 1_000 } })
    talk.channel.say(part('ab', NORMAL, 3))
    talk.connection.pauseReading(8)
    talk.clock.advance(10_000)
    talk.connection.resumeReading(8)
    talk.channel.say(last('c'))
    expect(talk.heard.map((one) => one[3])).toEqual(['abc'])
    talk.end()
  })

  it('is forgotten with its timer when the connection ends', () => {
    const talk = ready()
    talk.channel.say(part('ab', NORMAL, 9))
    talk.end()
  })
})

/** Parts of the normal lane, and the bytes of each buffer that is made for them. */
class Rooms {
  readonly made: number[] = []
  readonly #scene = newEnvironment()
  readonly #parts = new Parts(this.#scene.environment, { paused: false, onBroken: () => {} }, 4 * MiB)

  constructor() {
    const allocate = Buffer.allocUnsafeSlow
    vi.spyOn(Buffer, 'allocUnsafeSlow').mockImplementation((bytes) => {
      this.made.push(bytes)
      return allocate(bytes)
    })
  }

  /** The first says how much all of them are. */
  add(bytes: Buffer, total?: number): void {
    const body = total === undefined ? bytes : Buffer.concat([u32(total), bytes])
    const error = this.#parts.add(1, body, 0, body.length)
    if (error !== null) throw error
  }

  takeBack(): void {
    this.add(Buffer.alloc(0))
  }

  join(bytes: Buffer): Buffer {
    const body = this.#parts.join(1, bytes, 0, bytes.length)
    if (!Buffer.isBuffer(body)) throw body
    return body
  }

  end(): void {
    this.#parts.close()
    expectNothingLeft(this.#scene.environment, this.#scene.clock)
  }
}

const KiB = 1024
const MiB = 1024 * KiB

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0)
}

const WHEEL = Buffer.from(Array.from({ length: 251 }, (_, at) => at))

/** Bytes in which every misplaced one shows. */
function pattern(length: number): Buffer {
  return Buffer.alloc(length, WHEEL)
}

describe('the room for a message in parts', () => {
  it('is made for what came and not for what was claimed, also when that is taken back over and over', () => {
    const rooms = new Rooms()
    for (let n = 0; n < 100; n += 1) {
      rooms.add(Buffer.of(1), 4 * MiB)
      rooms.takeBack()
    }
    expect(rooms.made).toHaveLength(100)
    expect(Math.max(...rooms.made)).toBeLessThanOrEqual(KiB)
    rooms.end()
  })

  it('is as large as the claim when a thirty-second of that has come, be it with the first part', () => {
    const rooms = new Rooms()
    rooms.add(Buffer.alloc(KiB), 32 * KiB)
    rooms.takeBack()
    expect(rooms.made.splice(0)).toEqual([32 * KiB])
    rooms.add(Buffer.alloc(KiB - 1), 32 * KiB)
    expect(rooms.made.splice(0)).toEqual([KiB])
    rooms.add(Buffer.alloc(2))
    rooms.add(Buffer.alloc(KiB))
    expect(rooms.made).toEqual([32 * KiB])
    rooms.end()
  })

  it('is next to nothing more than the message for who sends 4 MiB in parts of 64 KiB', () => {
    const rooms = new Rooms()
    const piece = Buffer.alloc(64 * KiB)
    rooms.add(piece, 4 * MiB)
    for (let n = 0; n < 62; n += 1) rooms.add(piece)
    expect(rooms.join(piece)).toHaveLength(4 * MiB)
    expect(rooms.made).toEqual([64 * KiB, 4 * MiB])
    rooms.end()
  })

  it('grows by doubling where the parts are as small as can be', () => {
    const rooms = new Rooms()
    const bytes = pattern(100_000)
    rooms.add(bytes.subarray(0, 1), bytes.length)
    for (let at = 1; at < bytes.length - 1; at += 1) rooms.add(bytes.subarray(at, at + 1))
    expect(bytes.equals(rooms.join(bytes.subarray(-1)))).toBe(true)
    expect(sum(rooms.made)).toBeLessThan(1.125 * bytes.length)
    rooms.end()
  })

  it('holds what was sent, whatever the sizes of the parts', () => {
    const size = fc.oneof(fc.integer({ min: 1, max: 10 }), fc.integer({ min: 1, max: 5_000 }))
    const rooms = new Rooms()
    fc.assert(
      fc.property(fc.array(size, { minLength: 2, maxLength: 40 }), (sizes) => {
        const bytes = pattern(sum(sizes))
        const last = sizes.at(-1) ?? 0
        let at = 0
        for (const length of sizes.slice(0, -1)) {
          rooms.add(bytes.subarray(at, at + length), at === 0 ? bytes.length : undefined)
          at += length
        }
        expect(bytes.equals(rooms.join(bytes.subarray(at, at + last)))).toBe(true)
      }),
    )
    rooms.end()
  })
})
