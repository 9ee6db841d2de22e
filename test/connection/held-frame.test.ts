import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PART_BYTES } from '../../src/connection/held-frame.js'
import type { Ticket } from '../../src/connection/ticket.js'
import { FLAG, HEADER_BYTES, KIND, LEAST_LENGTH, TOTAL_BYTES } from '../../src/wire/frame.js'
import type { Frame } from '../fixtures/raw-peer.js'
import { Writing } from './bench.js'

/** Larger frames travel in parts. */
const WHOLE = 4_096

class TestTicket implements Ticket {
  endPosition = Number.POSITIVE_INFINITY
  withdrawn = false
  leftMs = 0
  left = 0
  readonly id: number

  constructor(id: number) {
    this.id = id
  }

  leave(): number {
    this.left += 1
    return this.id
  }
}

function newWriting(whole = WHOLE, maxFrameBytes = 2 ** 20): Writing {
  const writing = new Writing({ compression: { algorithm: 'none' }, limits: { maxFrameBytes } })
  writing.loop.wholeFrameBytes = whole
  return writing
}

function newBlocked(whole = WHOLE, maxFrameBytes = 2 ** 20): Writing {
  const writing = newWriting(whole, maxFrameBytes)
  writing.channel.full = true
  writing.loop.control(KIND.PONG, 0, 0, 0)
  writing.clock.turn()
  return writing
}

function call(writing: Writing, lane: number, body: Uint8Array, ticket: TestTicket, timeoutMs = 0): void {
  writing.loop.beginCall(lane << FLAG.LANE_SHIFT, 7, ticket.id, timeoutMs)
  writing.loop.out.put(body)
  writing.loop.endMessage(ticket)
}

/** Counts up, so that a byte that is missing or doubled shows. */
function bytes(length: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, index) => index * 7 + (index >>> 8)))
}

/** A CALL's body: no deadline, then the payload. */
function callBody(payload: Buffer): Buffer {
  return Buffer.concat([Buffer.alloc(4), payload])
}

/** What the other side makes of frames: whole messages, in the order in which they are complete. */
function assemble(frames: readonly Frame[]): { messages: Frame[]; takenBack: number; open: number } {
  const lanes = new Map<number, { total: number; parts: Buffer[] }>()
  const messages: Frame[] = []
  let takenBack = 0
  for (const frame of frames) {
    const lane = (frame.flags & FLAG.LANE_MASK) >> FLAG.LANE_SHIFT
    const begun = lanes.get(lane)
    if (frame.kind === KIND.PART) {
      expect([frame.flags & ~FLAG.LANE_MASK, frame.aux, frame.id]).toEqual([0, 0, 0])
      if (begun === undefined) {
        lanes.set(lane, { total: frame.body.readUInt32LE(0), parts: [frame.body.subarray(TOTAL_BYTES)] })
      } else if (frame.body.length === 0) {
        takenBack += 1
        lanes.delete(lane)
      } else begun.parts.push(frame.body)
    } else if ((frame.flags & FLAG.MORE) !== 0) {
      if (begun === undefined) throw new Error('the last part of nothing')
      const body = Buffer.concat([...begun.parts, frame.body])
      expect(body.length).toBe(begun.total)
      lanes.delete(lane)
      messages.push({ ...frame, flags: frame.flags & ~FLAG.MORE, body })
    } else messages.push(frame)
  }
  return { messages, takenBack, open: lanes.size }
}

describe('a frame', () => {
  it.each([
    [WHOLE - LEAST_LENGTH - 4, 1],
    [WHOLE - LEAST_LENGTH - 3, 2],
  ])('with a payload of %d bytes, held back, leaves in %d frame(s)', (length) => {
    const writing = newBlocked(WHOLE, 1_100)
    // A part is no longer than the peer's frames, and neither is a frame that need not travel in parts.
    writing.loop.maxFrameBytes = WHOLE
    call(writing, 1, bytes(length), new TestTicket(5))
    writing.channel.flush()
    const frames = writing.frames.slice(1)
    for (const { body } of frames) expect(LEAST_LENGTH + body.length).toBeLessThanOrEqual(WHOLE)
    const parts = length > WHOLE - LEAST_LENGTH - 4
    expect(frames.some(({ kind }) => kind === KIND.PART)).toBe(parts)
    expect(assemble(frames).messages).toMatchObject([{ kind: KIND.CALL, id: 5, aux: 7, body: callBody(bytes(length)) }])
    writing.end()
  })

  it('that is too large leaves in parts though the socket has room', () => {
    const writing = newWriting()
    const payload = bytes(3 * PART_BYTES)
    const ticket = new TestTicket(5)
    call(writing, 2, payload, ticket)
    writing.clock.turn()
    const { frames } = writing
    expect(frames.map(({ kind }) => kind)).toEqual([KIND.PART, KIND.PART, KIND.PART, KIND.CALL])
    expect(frames[0]?.body.length).toBe(TOTAL_BYTES + PART_BYTES)
    // The id is said once, when the message is complete: calls rise in that order.
    expect(frames.map(({ id }) => id)).toEqual([0, 0, 0, 5])
    expect([ticket.left, ticket.endPosition]).toEqual([1, writing.channel.bytes.length])
    const { messages } = assemble(frames)
    expect(messages).toHaveLength(1)
    expect(messages[0]?.flags).toBe(2 << FLAG.LANE_SHIFT)
    expect(messages[0]?.body.equals(callBody(payload))).toBe(true)
    writing.channel.flush()
    writing.end()
  })

  it('waits for no more than a part of a message that is less urgent', () => {
    const writing = newBlocked()
    call(writing, 3, bytes(10 * PART_BYTES), new TestTicket(5))
    writing.channel.take()
    expect(writing.frames.at(-1)).toMatchObject({ kind: KIND.PART })
    const before = writing.frames.length
    call(writing, 0, Buffer.from('vote'), new TestTicket(6))
    writing.channel.take()
    while (writing.channel.unsentBytes > 0 && !writing.frames.some(({ id }) => id === 6)) writing.channel.take()
    expect(writing.frames[before]).toMatchObject({ kind: KIND.CALL, id: 6 })
    writing.channel.flush()
    expect(assemble(writing.frames.slice(1))).toMatchObject({ messages: [{ id: 6 }, { id: 5 }], open: 0 })
    writing.end()
  })

  it('that nobody needs any more before it leaves is not sent', () => {
    const writing = newBlocked()
    const tickets = [new TestTicket(5), new TestTicket(6)]
    for (const [index, ticket] of tickets.entries()) call(writing, 1, bytes(index === 0 ? 10 : 10_000), ticket)
    for (const ticket of tickets) ticket.withdrawn = true
    writing.channel.flush()
    expect(writing.frames).toHaveLength(1)
    expect(tickets.map(({ left, endPosition }) => [left, endPosition])).toEqual([
      [0, Number.POSITIVE_INFINITY],
      [0, Number.POSITIVE_INFINITY],
    ])
    expect(writing.loop.queuedBytes).toBe(0)
    writing.end()
  })

  it('that nobody needs any more in the midst of its parts is taken back, and its lane goes on', () => {
    const writing = newBlocked()
    const ticket = new TestTicket(5)
    call(writing, 1, bytes(5 * PART_BYTES), ticket)
    call(writing, 1, bytes(2 * PART_BYTES), new TestTicket(6))
    writing.channel.take()
    expect(writing.frames.at(-1)).toMatchObject({ kind: KIND.PART })
    ticket.withdrawn = true
    writing.channel.flush()
    const { messages, takenBack, open } = assemble(writing.frames.slice(1))
    expect([messages.map(({ id }) => id), takenBack, open]).toEqual([[6], 1, 0])
    expect([ticket.left, ticket.endPosition]).toEqual([0, Number.POSITIVE_INFINITY])
    expect(writing.loop.queuedBytes).toBe(0)
    writing.end()
  })

  it('of a call says how much time is left when it leaves', () => {
    const writing = newBlocked()
    const tickets = [new TestTicket(5), new TestTicket(6)]
    call(writing, 1, bytes(10), tickets[0] as TestTicket, 1_000)
    call(writing, 1, bytes(2 * PART_BYTES), tickets[1] as TestTicket, 1_000)
    for (const ticket of tickets) ticket.leftMs = 321
    writing.channel.flush()
    expect(assemble(writing.frames.slice(1)).messages.map(({ body }) => body.readUInt32LE(0))).toEqual([321, 321])
    writing.end()
  })
})

it('whatever waits arrives whole, once, in order within its lane, in frames that the peer accepts', () => {
  const message = fc.record({ lane: fc.nat(3), length: fc.nat(20_000), take: fc.nat(2) })
  const limits = fc.record({
    whole: fc.constantFrom(0, 1_024, 4_096),
    maxFrameBytes: fc.constantFrom(1_024, 5_000, 30_000),
  })
  fc.assert(
    fc.property(fc.array(message, { maxLength: 25 }), limits, (all, { whole, maxFrameBytes }) => {
      // Without parts a frame has to fit the peer's limit, and is refused where it does not.
      const most = whole === 0 ? 30_000 : maxFrameBytes
      const writing = newBlocked(Math.min(whole, most), most)
      all.forEach(({ lane, length, take }, index) => {
        call(writing, lane, bytes(length), new TestTicket(index + 1))
        for (let n = 0; n < take; n += 1) writing.channel.take()
      })
      writing.channel.flush()
      writing.clock.turn()
      writing.channel.flush()
      const frames = writing.frames.slice(1)
      for (const { body } of frames) expect(HEADER_BYTES + body.length).toBeLessThanOrEqual(most)
      const { messages, takenBack, open } = assemble(frames)
      expect([messages.length, takenBack, open]).toEqual([all.length, 0, 0])
      for (const lane of [0, 1, 2, 3]) {
        const ids = messages.filter(({ flags }) => flags >> FLAG.LANE_SHIFT === lane).map(({ id }) => id)
        expect(ids).toEqual(all.flatMap((one, index) => (one.lane === lane ? [index + 1] : [])))
      }
      const wrong = messages.filter(({ id, body }) => !body.equals(callBody(bytes(all[id - 1]?.length ?? 0))))
      expect(wrong).toEqual([])
      expect(writing.loop.queuedBytes).toBe(0)
      writing.end()
    }),
    { numRuns: 60 },
  )
})
