import { describe, expect, it } from 'vitest'
import { ReceiveCredit } from '../../src/connection/credit.js'
import { Flow } from '../../src/connection/flow.js'
import { LANE } from '../../src/mailbox/lane.js'

const KiB = 1_024
const STEP_MS = 0.5
const FOR_MS = 5_000
const MESSAGE_BYTES = 16 * KiB
const OPTIONS = { laneWindowBytes: 128 * KiB, maxWindowBytes: 8 * KiB * KiB, windowBudgetBytes: 16 * KiB * KiB }

interface Parcel {
  readonly at: number
  readonly bytes: number
}

/** A link of this round trip whose sender always has bulk to send. Resolves to KiB a millisecond. */
class Link {
  #now = 0
  readonly #roundTripMs: number
  readonly #grants: Parcel[] = []
  readonly #messages: Parcel[] = []
  #credit = OPTIONS.laneWindowBytes
  readonly #flow: Flow

  constructor(roundTripMs: number) {
    this.#roundTripMs = roundTripMs
    const clock = { now: () => this.#now }
    const credit = (_lane: number, _id: number, bytes: number): void => {
      this.#grants.push({ at: this.#now + roundTripMs / 2, bytes })
    }
    this.#flow = new Flow(
      { clock, flow: OPTIONS } as never,
      { credit } as never,
      { roundTripMs, measure: () => {} } as never,
    )
  }

  /** With a message of a higher lane every so many milliseconds; 0 for none. */
  run(urgentEveryMs: number): number {
    let [urgent, arrived] = [0, 0]
    for (let nextUrgent = urgentEveryMs; this.#now < FOR_MS; this.#now += STEP_MS) {
      this.#send()
      if (urgentEveryMs > 0 && this.#now >= nextUrgent) {
        urgent += 1
        nextUrgent += urgentEveryMs
      }
      for (const { bytes } of this.#due(this.#messages)) {
        expect(this.#flow.receive(LANE.bulk, bytes)).toBe(true)
        this.#flow.consume(LANE.bulk, bytes)
        arrived += bytes
      }
      this.#flow.onTurnEnd(urgent, this.#now)
    }
    return arrived / KiB / FOR_MS
  }

  #send(): void {
    for (const { bytes } of this.#due(this.#grants)) this.#credit += bytes
    for (; this.#credit > 0; this.#credit -= MESSAGE_BYTES)
      this.#messages.push({ at: this.#now + this.#roundTripMs / 2, bytes: MESSAGE_BYTES })
  }

  #due(parcels: Parcel[]): Parcel[] {
    const later = parcels.findIndex(({ at }) => at > this.#now)
    return parcels.splice(0, later < 0 ? parcels.length : later)
  }
}

describe('a stream of the bulk lane', () => {
  it('yields as one-way messages do', () => {
    const granted: number[][] = []
    const flow = new Flow(
      { clock: { now: () => 0 }, flow: OPTIONS } as never,
      { credit: (...grant: number[]) => granted.push(grant) } as never,
      { roundTripMs: 0, measure: () => {} } as never,
    )
    const credit = new ReceiveCredit(OPTIONS.laneWindowBytes, OPTIONS.maxWindowBytes, flow.budget)
    flow.onTurnEnd(1, 0)
    credit.receive(OPTIONS.laneWindowBytes)
    credit.consume(OPTIONS.laneWindowBytes)
    flow.grant(credit, LANE.bulk, 5)
    expect(granted).toEqual([[0, 5, 16 * KiB]])
  })
})

describe.each([20, 50, 100])('bulk on a link of %i ms', (roundTripMs) => {
  it('carries half a gigabit a second alone', () => {
    expect(new Link(roundTripMs).run(0)).toBeGreaterThan(0.8 * 64)
  })

  it('carries a quarter of that, and no more, beside messages that are urgent', () => {
    const rate = new Link(roundTripMs).run(10)
    expect(rate).toBeGreaterThan(0.8 * 16)
    expect(rate).toBeLessThan(1.3 * 16)
  })
})
