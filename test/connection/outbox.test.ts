import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { Outbox } from '../../src/connection/outbox.js'
import { SENDER, type Sender, type SenderTurn, type Writes } from '../../src/connection/sender.js'
import { LANE, LANE_COUNT } from '../../src/mailbox/lane.js'
import { PATIENCE } from '../../src/mailbox/lane-turns.js'
import { FLAG } from '../../src/wire/frame.js'
import { Writing } from './bench.js'

/** Senders of these tests write nothing. */
const NO_WRITES = {} as Writes

function stage() {
  const outbox = new Outbox()
  const sent: string[] = []
  const sender = (name: string, lane: number, wants: readonly SenderTurn[] = [], bytes = 1): Sender => {
    const left = [...wants]
    return {
      lane,
      bytes,
      send: () => {
        sent.push(name)
        return left.shift() ?? SENDER.DONE
      },
    }
  }
  const run = () => {
    while (outbox.turn(NO_WRITES));
    return sent.join(' ')
  }
  return { outbox, sent, sender, run }
}

describe('an outbox', () => {
  it('is empty at first, and has nobody to give a turn to', () => {
    const { outbox } = stage()
    expect([outbox.empty, outbox.bytes, outbox.turn(NO_WRITES)]).toEqual([true, 0, false])
  })

  it('goes by lane, and in order within a lane', () => {
    const { outbox, sender, run } = stage()
    for (const name of ['bulk1', 'low1', 'normal1', 'high1', 'bulk2', 'high2']) {
      outbox.add(sender(name, LANE[name.slice(0, -1) as keyof typeof LANE]))
    }
    expect(run()).toBe('high1 high2 normal1 low1 bulk1 bulk2')
    expect([outbox.empty, outbox.bytes]).toEqual([true, 0])
  })

  it('gives the next turn of the lane to who stays, and the last to who rotates', () => {
    const { outbox, sender, run } = stage()
    outbox.add(sender('stays', 1, [SENDER.STAY, SENDER.STAY]))
    outbox.add(sender('rotates', 1, [SENDER.ROTATE, SENDER.ROTATE]))
    outbox.add(sender('goes', 1))
    expect(run()).toBe('stays stays stays rotates goes rotates rotates')
  })

  it('counts the bytes of who waits until it is done', () => {
    const { outbox, sender } = stage()
    outbox.add(sender('a', 0, [SENDER.STAY, SENDER.ROTATE], 100))
    outbox.add(sender('b', 2, [], 10))
    const bytes = [outbox.bytes]
    while (outbox.turn(NO_WRITES)) bytes.push(outbox.bytes)
    expect(bytes).toEqual([110, 110, 110, 10, 0])
  })

  it('lets a sender come back while it has its turn', () => {
    const { outbox, sent, run } = stage()
    const again: Sender = {
      lane: 1,
      bytes: 7,
      send: () => {
        if (sent.push('again') < 3) outbox.add(again)
        return SENDER.DONE
      },
    }
    outbox.add(again)
    expect(run()).toBe('again again again')
    expect([outbox.empty, outbox.bytes]).toEqual([true, 0])
  })

  it.each([SENDER.DONE, SENDER.STAY, SENDER.ROTATE])(
    'stays empty that is cleared by a sender that wants %d',
    (wants) => {
      const { outbox, sender } = stage()
      outbox.add({
        lane: 1,
        bytes: 100,
        send: () => {
          outbox.clear()
          return wants
        },
      })
      outbox.add(sender('other', 1))
      expect(outbox.turn(NO_WRITES)).toBe(true)
      expect([outbox.empty, outbox.bytes, outbox.turn(NO_WRITES)]).toEqual([true, 0, false])
    },
  )
})

test('whoever waits gets its turns in the end, however often others come', () => {
  const waits = fc.array(
    fc.record({
      lane: fc.nat(LANE_COUNT - 1),
      wants: fc.array(fc.constantFrom(SENDER.STAY, SENDER.ROTATE), { maxLength: 4 }),
      bytes: fc.nat(1_000),
    }),
    { maxLength: 30 },
  )
  fc.assert(
    fc.property(waits, (all) => {
      const { outbox, sent, sender } = stage()
      let turns = 0
      all.forEach(({ lane, wants, bytes }, index) => {
        outbox.add(sender(`${index}`, lane, wants, bytes))
        turns += wants.length + 1
      })
      // The highest lane never runs dry, and the others go on all the same.
      for (let turn = 0; turn < (turns + LANE_COUNT) * PATIENCE; turn += 1) {
        outbox.add(sender('high', LANE.high, [], 0))
        outbox.turn(NO_WRITES)
      }
      all.forEach(({ lane, wants }, index) => {
        if (lane > 0) expect(sent.filter((name) => name === `${index}`)).toHaveLength(wants.length + 1)
      })
      while (outbox.turn(NO_WRITES));
      expect([outbox.empty, outbox.bytes]).toEqual([true, 0])
      expect(sent.filter((name) => name !== 'high')).toHaveLength(turns)
    }),
    { numRuns: 100 },
  )
})

/** A call in a lane. */
function call(writing: Writing, lane: number, id: number, body: Uint8Array): void {
  writing.loop.beginCall(lane << FLAG.LANE_SHIFT, 7, id, 0)
  writing.loop.out.put(body)
  writing.loop.endMessage()
}

function blocked(): Writing {
  const writing = new Writing({ compression: { algorithm: 'none' }, limits: { maxFrameBytes: 2 ** 21 } })
  writing.channel.full = true
  writing.call(1, Buffer.from('x'))
  writing.clock.turn()
  expect(writing.loop.blocked).toBe(true)
  return writing
}

describe('a full socket', () => {
  it('takes a frame of the high lane next, however much bulk was there before', () => {
    const writing = blocked()
    for (let id = 2; id <= 11; id += 1) call(writing, LANE.bulk, id, Buffer.alloc(2 ** 20))
    call(writing, LANE.high, 12, Buffer.from('vote'))
    expect(writing.loop.queuedBytes).toBeGreaterThan(10 * 2 ** 20)
    writing.channel.take()
    expect(writing.frames[1]).toMatchObject({ id: 12 })
    writing.channel.flush()
    expect(writing.frames.map(({ id }) => id)).toEqual([1, 12, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
    expect(writing.loop.queuedBytes).toBe(0)
    writing.end()
  })

  it('takes every frame of the lower lanes in the end, though the high one never runs dry', () => {
    const writing = blocked()
    const expected: number[] = []
    for (let id = 1_001; id <= 1_030; id += 1) {
      call(writing, 1 + (id % 3), id, Buffer.alloc(9_000))
      expected.push(id)
    }
    for (let id = 2; id < 400; id += 1) {
      // Each is worth a write of its own, and each write fills the socket again.
      for (const more of [0, 400]) call(writing, LANE.high, id + more, Buffer.alloc(9_000))
      writing.channel.take()
    }
    const left = writing.frames.filter(({ id }) => id > 1_000)
    expect(left.map(({ id }) => id).toSorted((a, b) => a - b)).toEqual(expected)
    expect(writing.loop.blocked).toBe(true)
    writing.channel.flush()
    writing.end()
  })
})
