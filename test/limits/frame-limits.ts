import { expect } from 'vitest'
import { compressBlock } from '../../src/compression/lz4.js'
import { FLAG, KIND, OPTIONAL_KINDS_FROM } from '../../src/wire/frame.js'
import { answerFrame, faultOf, frame, MSGPACK, packed, u32 } from '../fixtures/raw-peer.js'
import { until } from '../fixtures/stage.js'
import { both, KiB, MiB, type Subject, type Table } from './subject.js'

const COMPRESSED = MSGPACK | FLAG.COMPRESSED

/** msgpack bytes of exactly so many bytes. */
function bytesOf(length: number): Buffer {
  const head = length < 0x100 + 2 ? 2 : length < 0x10000 + 3 ? 3 : 5
  const body = packed(Buffer.alloc(length - head))
  expect(body.length).toBe(length)
  return body
}

/** What our end gets `count` of, in one write: each is delivered to a handler or a caller. */
async function deliverAtOnce(subject: Subject, count: number): Promise<number[]> {
  const numbers = Array.from({ length: count }, (_, index) => index)
  const seen: number[] = []
  if (subject.role === 'server') {
    subject.onNote = (note) => void seen.push(note as number)
    subject.peer.write(...numbers.map((number) => subject.note(packed(number))))
  } else {
    const calls = numbers.map((number) => subject.client.call<number>('take', number))
    const frames: Buffer[] = []
    for (const number of numbers) frames.push(answerFrame((await subject.peer.nextOf(KIND.CALL)).id, number))
    subject.peer.write(...frames)
    for (const call of calls) void call.then((number) => seen.push(number))
  }
  await until(() => seen.length === count)
  expect(seen).toEqual(numbers)
  return seen
}

/** The bytes of a message to our end, of which all but the last come now. */
async function startFrame(subject: Subject, bytes: number): Promise<Buffer> {
  const body = bytesOf(bytes)
  const whole = subject.role === 'server' ? subject.note(body) : frame(OPTIONAL_KINDS_FROM, { body })
  const before = subject.metrics().bytesReceived
  const most = whole.length - 1
  subject.peer.write(whole.subarray(0, most))
  await until(() => subject.metrics().bytesReceived === before + most)
  return whole.subarray(most)
}

export const frameLimits: Table = {
  maxFrameBytes: both({
    limits: { maxFrameBytes: 2 * KiB },
    at: async (subject) => {
      // In the length: 8 bytes of header, and 4 of the deadline of a call.
      const overhead = subject.role === 'server' ? 12 : 8
      expect(await subject.deliver(bytesOf(2 * KiB - overhead))).toBeNull()
    },
    past: async (subject) => {
      // Judged on the header: nothing of the body is sent.
      const header = Buffer.concat([u32(2 * KiB + 1), Buffer.alloc(8)])
      header.writeUInt8(KIND.ONE_WAY, 4)
      subject.peer.write(header)
      await subject.cut('frame-too-large')
    },
  }),
  maxMessageBytes: [
    ...both({
      limits: { maxMessageBytes: 8 * KiB },
      metric: 'failures.lz4-claim-too-large',
      at: async (subject) => {
        expect(await subject.deliver(compressBlock(bytesOf(8 * KiB)), COMPRESSED)).toBeNull()
      },
      past: async (subject) => {
        expect(await subject.deliver(compressBlock(bytesOf(8 * KiB + 1)), COMPRESSED)).toBe('lz4-claim-too-large')
      },
    }),
    {
      // What the peer announced holds for what we send it: the call fails here, and the peer never sees it.
      role: 'own',
      limits: {},
      hello: { maxMessageBytes: 2 * KiB },
      at: async (subject) => {
        const call = subject.client.call('take', Buffer.alloc(2 * KiB - 3))
        const { id, body } = await subject.peer.nextOf(KIND.CALL)
        expect(body.length).toBeLessThanOrEqual(2 * KiB + 4)
        subject.peer.write(answerFrame(id, null))
        await call
      },
      past: async (subject) => {
        const call = subject.client.call('take', Buffer.alloc(2 * KiB - 2))
        await expect(call).rejects.toMatchObject({ reason: 'message-too-large', processed: 'no' })
        await subject.alive()
      },
    },
    {
      role: 'server',
      limits: {},
      hello: { maxMessageBytes: 2 * KiB },
      at: async (subject) => {
        subject.gift = Buffer.alloc(2 * KiB - 3)
        subject.peer.write(subject.call('give'))
        await subject.peer.nextOf(KIND.ANSWER)
      },
      past: async (subject) => {
        subject.gift = Buffer.alloc(2 * KiB - 2)
        subject.peer.write(subject.call('give'))
        expect(faultOf(await subject.peer.nextOf(KIND.ERROR))).toMatchObject({
          reason: 'message-too-large',
          processed: 'yes',
        })
        await subject.alive()
      },
    },
  ],
  maxMessagesPerTurn: both({
    limits: { maxMessagesPerTurn: 4 },
    at: async (subject) => void (await deliverAtOnce(subject, 3)),
    past: async (subject) => void (await deliverAtOnce(subject, 20)),
  }),
  maxTurnMs: [
    {
      role: 'server',
      limits: { maxTurnMs: 10 },
      at: async (subject) => {
        let count = 0
        subject.onNote = () => {
          count += 1
        }
        subject.peer.write(...Array.from({ length: 64 }, () => subject.note(packed(1))))
        await until(() => count === 64)
      },
      past: async (subject) => {
        let count = 0
        subject.onNote = () => {
          count += 1
          subject.clock.advance(1)
        }
        subject.peer.write(...Array.from({ length: 64 }, () => subject.note(packed(1))))
        await until(() => count === 64)
      },
    },
    {
      role: 'client',
      limits: { maxTurnMs: 10 },
      at: async (subject) => await subject.tick(64),
      past: async (subject) => {
        subject.onDecode = () => subject.clock.advance(1)
        await subject.tick(64)
      },
    },
  ],
  frameMs: both({
    limits: { frameMs: 2_000, minFrameBytesPerSecond: 1 },
    at: async (subject) => {
      const rest = await startFrame(subject, 100)
      subject.clock.advance(1_990)
      subject.peer.write(rest)
      await subject.alive()
    },
    past: async (subject) => {
      await startFrame(subject, 100)
      subject.clock.advance(2_010)
      await subject.cut('frame-stalled')
    },
  }),
  minFrameBytesPerSecond: both({
    limits: { minFrameBytesPerSecond: 1_000 },
    at: async (subject) => {
      // 10,000 bytes at 1,000 a second, and 5 s for a slow start.
      const rest = await startFrame(subject, 9_900)
      subject.clock.advance(14_500)
      subject.peer.write(rest)
      await subject.alive()
    },
    past: async (subject) => {
      await startFrame(subject, 9_900)
      subject.clock.advance(15_500)
      await subject.cut('frame-stalled')
    },
  }),
  minInflatedBytes: both({
    limits: { minInflatedBytes: 3_000 },
    at: async (subject) => {
      expect(await subject.deliver(compressBlock(bytesOf(3_000)), COMPRESSED)).toBeNull()
    },
    past: async (subject) => {
      expect(await subject.deliver(compressBlock(bytesOf(2_999)), COMPRESSED)).toBe('lz4-claim-too-small')
    },
  }),
  inflatedBytesPerSecond: both({
    limits: { inflatedBytesPerSecond: MiB },
    at: async (subject) => {
      expect(await subject.deliver(compressBlock(bytesOf(MiB)), COMPRESSED)).toBeNull()
    },
    past: async (subject) => {
      // It is delivered, and then nothing is read until the debt is paid: half a second.
      expect(await subject.deliver(compressBlock(bytesOf(MiB / 2)), COMPRESSED)).toBeNull()
      subject.peer.write(frame(KIND.PING, { id: 77 }))
      await subject.settle()
      expect(subject.peer.unread.some(({ kind }) => kind === KIND.PONG)).toBe(false)
      subject.clock.advance(490)
      await subject.settle()
      expect(subject.peer.unread.some(({ kind }) => kind === KIND.PONG)).toBe(false)
      subject.clock.advance(20)
      await subject.peer.nextOf(KIND.PONG)
    },
  }),
}
