import { LANE_COUNT } from './lane.js'
import { LaneTurns } from './lane-turns.js'
import { Mailbox, type MailboxBounds, type Offer, type Sized } from './mailbox.js'

/** Four mailboxes of the same bounds, one a lane, emptied by priority without starving any. */
export class Lanes<T extends Sized> {
  readonly #bounds: MailboxBounds
  readonly #onDropped: (item: T) => void
  readonly #mailboxes: (Mailbox<T> | null)[] = new Array<Mailbox<T> | null>(LANE_COUNT).fill(null)
  readonly #turns = new LaneTurns()
  #waiting = 0
  #length = 0

  constructor(bounds: MailboxBounds, onDropped: (item: T) => void = () => {}) {
    this.#bounds = bounds
    this.#onDropped = onDropped
  }

  get length(): number {
    return this.#length
  }

  /** The mailbox of a lane, made when it is first asked for. */
  lane(lane: number): Mailbox<T> {
    const known = this.#mailboxes[lane]
    if (known !== null && known !== undefined) return known
    const made = new Mailbox<T>(this.#bounds, (item) => {
      this.#length -= 1
      this.#onDropped(item)
    })
    this.#mailboxes[lane] = made
    return made
  }

  offer(lane: number, item: T): Offer {
    const offer = this.lane(lane).offer(item)
    if (offer !== 'accepted') return offer
    this.#waiting |= 1 << lane
    this.#length += 1
    return offer
  }

  /** Takes what goes next. */
  next(): T | undefined {
    const lane = this.#turns.next(this.#waiting)
    if (lane < 0) return undefined
    const mailbox = this.lane(lane)
    const item = mailbox.next()
    if (mailbox.length === 0) this.#waiting &= ~(1 << lane)
    this.#length -= 1
    return item
  }
}
