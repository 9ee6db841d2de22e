import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Mailbox, type MailboxBounds, OVERFLOWS, type Overflow } from '../../src/mailbox/mailbox.js'

interface Item {
  readonly name: number
  readonly bytes: number
}

function stage(bounds: Partial<MailboxBounds> = {}) {
  const dropped: number[] = []
  const all: MailboxBounds = { maxMessages: 3, maxBytes: 1_000, overflow: 'wait', ...bounds }
  const mailbox = new Mailbox<Item>(all, ({ name }) => dropped.push(name))
  const offer = (name: number, bytes = 1) => mailbox.offer({ name, bytes })
  const rest = () => {
    const names: number[] = []
    for (let item = mailbox.next(); item !== undefined; item = mailbox.next()) names.push(item.name)
    return names
  }
  return { mailbox, dropped, offer, rest }
}

function counts({ accepted, rejected, droppedOldest, droppedNewest }: Mailbox<Item>): number[] {
  return [accepted, rejected, droppedOldest, droppedNewest]
}

describe('a mailbox', () => {
  test('is empty at first and gives nothing', () => {
    const { mailbox } = stage()
    expect([mailbox.length, mailbox.bytes, mailbox.full]).toEqual([0, 0, false])
    expect([mailbox.peek(), mailbox.next()]).toEqual([undefined, undefined])
    expect([mailbox.length, mailbox.bytes]).toEqual([0, 0])
  })

  test('gives back in the order it was given', () => {
    const { mailbox, offer, rest } = stage()
    for (const name of [1, 2, 3]) expect(offer(name)).toBe('accepted')
    expect(mailbox.peek()?.name).toBe(1)
    expect(rest()).toEqual([1, 2, 3])
  })

  test('is full at its count, and has room again one below it', () => {
    const { mailbox, offer } = stage()
    for (const name of [1, 2, 3]) offer(name)
    expect([mailbox.full, offer(4)]).toEqual([true, 'wait'])
    mailbox.next()
    expect([mailbox.full, offer(5)]).toEqual([false, 'accepted'])
  })

  test('is full at its bytes, and has room again one below them', () => {
    const { mailbox, offer } = stage({ maxMessages: 100 })
    offer(1, 1)
    offer(2, 999)
    expect([mailbox.full, offer(3)]).toEqual([true, 'wait'])
    mailbox.next()
    expect([mailbox.bytes, mailbox.full]).toEqual([999, false])
  })

  test('takes a message larger than itself while it has room at all', () => {
    const { mailbox, offer } = stage()
    offer(1, 999)
    expect(offer(2, 50_000)).toBe('accepted')
    expect([mailbox.length, mailbox.bytes, offer(3)]).toEqual([2, 50_999, 'wait'])
  })
})

describe('a message that finds the mailbox full', () => {
  const full = (overflow: Overflow) => {
    const made = stage({ overflow })
    for (const name of [1, 2, 3]) made.offer(name)
    return made
  }

  test('waits, and is counted when it comes again', () => {
    const { mailbox, offer, rest } = full('wait')
    expect([offer(4), offer(4)]).toEqual(['wait', 'wait'])
    expect(counts(mailbox)).toEqual([3, 0, 0, 0])
    expect(rest()).toEqual([1, 2, 3])
  })

  test('is rejected', () => {
    const { mailbox, offer, rest } = full('reject')
    expect(offer(4)).toBe('rejected')
    expect(counts(mailbox)).toEqual([3, 1, 0, 0])
    expect(rest()).toEqual([1, 2, 3])
  })

  test('is dropped itself', () => {
    const { mailbox, dropped, offer, rest } = full('drop-newest')
    expect(offer(4)).toBe('dropped')
    expect(counts(mailbox)).toEqual([3, 0, 0, 1])
    expect([rest(), dropped]).toEqual([[1, 2, 3], []])
  })

  test('takes the place of the oldest, whose owner is told', () => {
    const { mailbox, dropped, offer, rest } = full('drop-oldest')
    expect(offer(4)).toBe('accepted')
    expect(counts(mailbox)).toEqual([4, 0, 1, 0])
    expect([rest(), dropped]).toEqual([[2, 3, 4], [1]])
  })

  test('takes the place of no more than it must', () => {
    const { dropped, offer, rest } = stage({ overflow: 'drop-oldest', maxMessages: 10 })
    for (const [name, bytes] of [
      [1, 400],
      [2, 400],
      [3, 1_500],
    ] as const)
      offer(name, bytes)
    // 2,300 bytes are 1,301 too many: that is the two small ones and the large one as well.
    expect(offer(4, 1)).toBe('accepted')
    expect([dropped, rest()]).toEqual([[1, 2, 3], [4]])
  })

  test('is taken by a mailbox that drops the oldest even where its bounds leave room for none', () => {
    const { dropped, offer, rest } = stage({ overflow: 'drop-oldest', maxMessages: 0, maxBytes: 0 })
    expect([offer(1), offer(2)]).toEqual(['accepted', 'accepted'])
    expect([dropped, rest()]).toEqual([[1], [2]])
  })
})

describe('whatever is offered and taken', () => {
  const steps = fc.array(fc.oneof({ weight: 3, arbitrary: fc.nat(60) }, fc.constant('next' as const)), {
    maxLength: 80,
  })
  const bounds = fc.record({ maxMessages: fc.integer({ min: 1, max: 6 }), maxBytes: fc.integer({ min: 1, max: 120 }) })

  test.each(OVERFLOWS)('a mailbox of policy %s does as its model', (overflow) => {
    fc.assert(
      fc.property(bounds, steps, ({ maxMessages, maxBytes }, all) => {
        const { mailbox, dropped, offer, rest } = stage({ maxMessages, maxBytes, overflow })
        let model: Item[] = []
        const gone: number[] = []
        const told = { accepted: 0, wait: 0, rejected: 0, dropped: 0 }
        let taken = 0
        const sum = () => model.reduce((bytes, item) => bytes + item.bytes, 0)
        const full = () => model.length >= maxMessages || sum() >= maxBytes
        all.forEach((step, name) => {
          if (step === 'next') {
            const item = mailbox.next()
            expect(item?.name).toBe(model[0]?.name)
            model = model.slice(1)
            if (item !== undefined) taken += 1
          } else {
            const refusal = { wait: 'wait', reject: 'rejected', 'drop-newest': 'dropped', 'drop-oldest': 'accepted' }
            const expected = full() ? refusal[overflow] : 'accepted'
            expect(mailbox.open).toBe(expected === 'accepted')
            const said = offer(name, step)
            expect(said).toBe(expected)
            told[said] += 1
            if (said === 'accepted') {
              while (full() && model.length > 0) gone.push(model.shift()?.name ?? -1)
              model.push({ name, bytes: step })
            }
          }
          expect([mailbox.length, mailbox.bytes, mailbox.full]).toEqual([model.length, sum(), full()])
          expect(mailbox.peek()?.name).toBe(model[0]?.name)
          // Never over its count, and over its bytes by the last message at most.
          expect(mailbox.length).toBeLessThanOrEqual(maxMessages)
          if (model.length > 0) expect(sum() - (model.at(-1)?.bytes ?? 0)).toBeLessThan(maxBytes)
        })
        expect(dropped).toEqual(gone)
        expect(counts(mailbox)).toEqual([told.accepted, told.rejected, gone.length, told.dropped])
        expect(taken + gone.length + rest().length).toBe(told.accepted)
      }),
      { numRuns: 300 },
    )
  })
})
