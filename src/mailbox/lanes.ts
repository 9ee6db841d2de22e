import { LANE_COUNT } from './lane.js'
import { LaneTurns } from './lane-turns.js'
import { Mailbox, type MailboxBounds, type Offer, type Sized } from './mailbox.js'

/**
 * Four mailboxes of the same bounds, one a lane, emptied by priority without starving any. Who waits is asked of the
 * mailboxes each time: they may be emptied from elsewhere, and an account beside theirs would not know.
 */
export class Lanes<T extends Sized> {
  readonly #bounds: MailboxBounds
  readonly #onDropped: (item: T) => void
  readonly #mailboxes: (Mailbox<T> | undefined)[] = new Array<Mailbox<T> | undefined>(LANE_COUNT).fill(undefined)
  readonly #turns = new LaneTurns()

  constructor(bounds: MailboxBounds, onDropped: (item: T) => void = () => {}) {
    this.#bounds = bounds
    this.#onDropped = onDropped
  }

  get length(): number {
    let length = 0
    for (const mailbox of this.#mailboxes) length += mailbox?.length ?? 0
    return length
  }

  /** What waits in a lane. */
  lengthOf(lane: number): number {
    return this.#mailboxes[lane]?.length ?? 0
  }

  /** The mailbox of a lane, made when it is first asked for. */
  lane(lane: number): Mailbox<T> {
    return this.#mailboxes[lane] ?? this.#make(lane)
  }

  offer(lane: number, item: T): Offer {
    return this.lane(lane).offer(item)
  }

  /** Takes what goes next. */
  next(): T | undefined {
    return this.#mailboxes[this.#turns.next(this.#waiting())]?.next()
  }

  /** The lanes in which something waits, as bits. */
  #waiting(): number {
    let waiting = 0
    for (let lane = 0; lane < LANE_COUNT; lane += 1) {
      if ((this.#mailboxes[lane]?.length ?? 0) > 0) waiting |= 1 << lane
    }
    return waiting
  }

  #make(lane: number): Mailbox<T> {
    if (!(lane >= 0 && lane < LANE_COUNT)) throw new RangeError(`there is no lane ${lane}`)
    const made = new Mailbox<T>(this.#bounds, this.#onDropped)
    this.#mailboxes[lane] = made
    return made
  }
}
