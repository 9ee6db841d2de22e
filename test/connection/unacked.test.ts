import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { failure } from '../../src/base/errors.js'
import { ACK, type AckStage, Unacked, type Unacknowledged } from '../../src/connection/unacked.js'

const LOST = failure('connection-lost', 'lost')

class Sent implements Unacknowledged {
  stage: AckStage = 'sent'
  settled = false
  readonly endPosition: number
  readonly heard: string[] = []

  constructor(endPosition = 0) {
    this.endPosition = endPosition
  }

  onAccepted(): void {
    this.heard.push('accepted')
  }

  onProcessed(): void {
    this.heard.push('processed')
  }

  onRefused(): void {
    this.heard.push('refused')
  }

  onLost(_error: Error, ran: string): void {
    this.heard.push(`lost ${ran}`)
  }
}

function left(unacked: Unacked, count: number): Sent[] {
  return Array.from({ length: count }, () => {
    const message = new Sent()
    unacked.leave(message)
    return message
  })
}

describe('messages without an acknowledgement', () => {
  it('have ids in the order in which they leave', () => {
    const unacked = new Unacked(10)
    const [first, second] = [new Sent(), new Sent()]
    unacked.expect(first)
    unacked.expect(second)
    expect([unacked.nextId, unacked.leave(second), unacked.nextId, unacked.leave(first)]).toEqual([1, 1, 2, 2])
  })

  it('are accepted, processed or refused, each once', () => {
    const unacked = new Unacked(10)
    const messages = left(unacked, 4)
    expect(unacked.onAck(ACK.ACCEPTED, 1, 3)).toBe(true)
    expect(unacked.onAck(ACK.PROCESSED, 2, 3)).toBe(true)
    expect(unacked.onNack(4, LOST)).toBe(true)
    expect(unacked.onNack(1, LOST)).toBe(true)
    expect(messages.map(({ heard }) => heard)).toEqual([
      ['accepted', 'refused'],
      ['accepted', 'processed'],
      ['accepted', 'processed'],
      ['refused'],
    ])
    expect(unacked.open).toBe(0)
  })

  it.each([
    ['one that was never sent', ACK.ACCEPTED, 4, 4],
    ['one more than were sent', ACK.PROCESSED, 1, 4],
    ['one that is done', ACK.PROCESSED, 1, 1],
    ['one that is done, as accepted', ACK.ACCEPTED, 1, 1],
    ['one that was accepted, again', ACK.ACCEPTED, 2, 2],
    ['a range the wrong way round', ACK.PROCESSED, 3, 2],
    ['id 0', ACK.PROCESSED, 0, 0],
    ['a range that ends with 0', ACK.PROCESSED, 3, 0],
    ['the largest range there is', ACK.PROCESSED, 1, 0xffff_ffff],
  ])('cannot be acknowledged with %s', (_name, stage, first, last) => {
    const unacked = new Unacked(10)
    left(unacked, 3)
    unacked.onAck(ACK.PROCESSED, 1, 1)
    unacked.onAck(ACK.ACCEPTED, 2, 2)
    expect(unacked.onAck(stage, first, last)).toBe(false)
  })

  it.each([
    ['never sent', 4],
    ['done', 1],
    ['0', 0],
  ])('cannot be refused with an id that was %s', (_name, id) => {
    const unacked = new Unacked(10)
    left(unacked, 3)
    unacked.onAck(ACK.PROCESSED, 1, 1)
    expect(unacked.onNack(id, LOST)).toBe(false)
  })

  it('tell at the end who may have been received, and who certainly was not', () => {
    const unacked = new Unacked(10)
    const [done, before, behind, waiting] = [new Sent(10), new Sent(20), new Sent(21), new Sent()]
    for (const message of [done, before, behind]) unacked.leave(message)
    unacked.expect(waiting)
    unacked.onAck(ACK.PROCESSED, 1, 1)
    unacked.onClosed(LOST, 20)
    expect([done, before, behind, waiting].map(({ heard }) => heard)).toEqual([
      ['processed'],
      ['lost maybe'],
      ['lost no'],
      ['lost no'],
    ])
    expect(unacked.open).toBe(0)
  })

  it('keep senders waiting at the limit, and let them go on in order when the oldest are done', () => {
    const unacked = new Unacked(2)
    const heard: string[] = []
    left(unacked, 2)
    expect(unacked.full).toBe(true)
    for (const name of ['a', 'b', 'c']) {
      unacked.whenRoom(() => {
        heard.push(name)
        unacked.leave(new Sent())
      })
    }
    // The places of those behind one that takes its time are not free.
    unacked.onAck(ACK.PROCESSED, 2, 2)
    expect(heard).toEqual([])
    unacked.onAck(ACK.PROCESSED, 1, 1)
    expect(heard).toEqual(['a', 'b'])
    unacked.onAck(ACK.PROCESSED, 3, 3)
    expect(heard).toEqual(['a', 'b', 'c'])
  })

  it('let who waits go one after the other, also where one leaves its place to the next', () => {
    const unacked = new Unacked(1)
    const heard: string[] = []
    const [first] = left(unacked, 1)
    let depth = 0
    for (const name of ['a', 'b', 'c']) {
      unacked.whenRoom(() => {
        depth += 1
        const message = new Sent()
        unacked.expect(message)
        // It finds no room elsewhere.
        unacked.forget(message)
        heard.push(`${name} at depth ${depth}`)
        depth -= 1
      })
    }
    unacked.onAck(ACK.PROCESSED, 1, 1)
    expect(first?.heard).toEqual(['processed'])
    expect(heard).toEqual(['a at depth 1', 'b at depth 1', 'c at depth 1'])
  })

  it('are no reason to wait for who gave up waiting', () => {
    const unacked = new Unacked(1)
    const heard: string[] = []
    left(unacked, 1)
    const given = (): void => void heard.push('given up')
    unacked.whenRoom(given)
    unacked.whenRoom(() => heard.push('told'))
    unacked.giveUp(given)
    expect(unacked.waiting).toBe(1)
    unacked.onAck(ACK.PROCESSED, 1, 1)
    expect(heard).toEqual(['told'])
    expect(unacked.full).toBe(false)
  })

  it('are awaited as long as the sender of one of them waits, in whatever state it is', () => {
    const unacked = new Unacked(10)
    expect(unacked.awaited).toBe(false)
    const [given, taken] = left(unacked, 2) as [Sent, Sent]
    const waiting = new Sent()
    unacked.expect(waiting)
    given.settled = true
    expect(unacked.awaited).toBe(true)
    unacked.forget(waiting)
    expect(unacked.awaited).toBe(true)
    // What was to be accepted is settled then, and open until it is processed.
    unacked.onAck(ACK.ACCEPTED, 2, 2)
    taken.settled = true
    expect([unacked.awaited, unacked.open]).toEqual([false, 2])
  })

  it('let who waits go when the connection is lost', () => {
    const unacked = new Unacked(1)
    const heard: string[] = []
    left(unacked, 1)
    unacked.whenRoom(() => heard.push('told'))
    unacked.onClosed(LOST, 0)
    expect(heard).toEqual(['told'])
  })

  it('find their message whatever the order of what is acknowledged', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(30)), { maxLength: 200 }), (steps) => {
        const unacked = new Unacked(1_000)
        const model = new Map<number, Sent>()
        for (const [leaves, choice] of steps) {
          if (leaves || model.size === 0) {
            const message = new Sent()
            model.set(unacked.leave(message), message)
            continue
          }
          const ids = [...model.keys()]
          const id = ids[choice % ids.length] as number
          expect(unacked.onAck(ACK.PROCESSED, id, id)).toBe(true)
          expect(model.get(id)?.heard).toEqual(['processed'])
          model.delete(id)
        }
        expect([...model.values()].every(({ heard }) => heard.length === 0)).toBe(true)
      }),
    )
  })
})
