// Hot path: `holding` and `charge` run for every one-way message, the rest where messages wait.
import type { Counters } from '../base/counters.js'
import { Mailbox, type MailboxBounds, type Offer } from '../mailbox/mailbox.js'
import { Ring } from '../memory/ring.js'
import type { SendCredit } from './credit.js'
import type { HeldBody } from './held-body.js'
import { RoomWaiters } from './room-waiters.js'
import { SENDER, type Sender, type SenderTurn, type Writes } from './sender.js'
import type { OneWayTicket } from './ticket.js'

/** An encoded one-way message whose time has not come. */
interface HeldOneWay {
  readonly flags: number
  readonly method: number
  /** Metadata, if the flags say so, then the payload. */
  readonly body: HeldBody
  readonly bytes: number
  readonly ticket: OneWayTicket | null
}

/** The one-way messages of one lane: those that wait, in order, and the credit that they need. */
export class OneWayLane implements Sender {
  readonly lane: number
  readonly bytes = 0
  readonly mailbox: Mailbox<HeldOneWay>
  /** Null where the peer grants none: then only the socket holds us back. */
  readonly credit: SendCredit | null
  readonly #counters: Counters
  /** Who finds no room waits for it. */
  readonly #waits: boolean
  /** Who waits for room in the mailbox. */
  readonly #roomWaiters = new RoomWaiters()
  /** Who waits until nothing is held back, to send without the mailbox. */
  readonly #openWaiters = new Ring<() => void>()
  #queued = false

  constructor(lane: number, bounds: MailboxBounds, credit: SendCredit | null, counters: Counters) {
    this.lane = lane
    this.credit = credit
    this.#counters = counters
    this.#waits = bounds.overflow === 'wait'
    this.mailbox = new Mailbox<HeldOneWay>(bounds, ({ ticket }) => {
      counters.oneWayDropped += 1
      ticket?.onDropped()
    })
  }

  /** A message has to wait here, behind others or for credit, even where the socket has room. */
  get holding(): boolean {
    return this.mailbox.length > 0 || (this.credit !== null && !this.credit.open)
  }

  /** Whether a message that has to wait may. While senders wait for room, nobody goes before them. */
  admit(inTurn: boolean): Offer {
    if (!inTurn && this.#behindOthers) return 'wait'
    const offer = this.mailbox.admit()
    if (offer === 'dropped') this.#counters.oneWayDropped += 1
    return offer
  }

  /** Whether `admit` would accept a message now. Counts nothing. */
  open(inTurn: boolean): boolean {
    return (inTurn || !this.#behindOthers) && this.mailbox.open
  }

  charge(bytes: number): void {
    this.credit?.spend(bytes)
  }

  /** The peer lets us send more. Returns false for what no peer may grant. */
  grant(bytes: number, writes: Writes): boolean {
    if (this.credit !== null && !this.credit.add(bytes)) return false
    this.wake(writes)
    return true
  }

  /** Takes in what `admit` has accepted. */
  put(held: HeldOneWay, writes: Writes): void {
    this.mailbox.put(held)
    this.wake(writes)
  }

  /** There is credit, or somebody who wants to send. */
  wake(writes: Writes): void {
    const wanted = this.mailbox.length + this.#openWaiters.length > 0
    if (this.#queued || !wanted || (this.credit !== null && !this.credit.open)) return
    this.#queued = true
    writes.enqueue(this)
  }

  /** How many senders wait. */
  get waiting(): number {
    return this.#roomWaiters.length + this.#openWaiters.length
  }

  /** Calls back as soon as messages can be sent without waiting, or the connection is closed. */
  whenOpen(callback: () => void, writes: Writes): void {
    this.#openWaiters.push(callback)
    this.wake(writes)
  }

  /** Calls back, in order, as soon as there is room; and when the connection is closed. */
  whenRoom(callback: () => void): void {
    this.#roomWaiters.add(callback)
  }

  /** Who waits for room gives up. */
  giveUp(callback: () => void): void {
    this.#roomWaiters.giveUp(callback)
  }

  /** Whether nothing waits to be sent. What was given up at the head of the others is dropped here, and makes room. */
  isEmpty(): boolean {
    const { length } = this.mailbox
    while (this.mailbox.peek()?.ticket?.withdrawn === true) {
      this.mailbox.next()
      this.#counters.oneWayDropped += 1
    }
    if (this.mailbox.length < length) this.#tellRoom()
    return this.mailbox.length === 0
  }

  /** Sends what fits one frame. */
  send(writes: Writes): SenderTurn {
    const { frames } = writes
    while (this.mailbox.length > 0 && (this.credit === null || this.credit.open)) {
      const held = this.mailbox.next() as HeldOneWay
      const { ticket } = held
      if (ticket?.withdrawn === true) {
        this.#counters.oneWayDropped += 1
        continue
      }
      writes.beginOneWay(held.flags, held.method, ticket)
      held.body.put(writes.out, 0, held.bytes)
      writes.endOneWay(ticket)
      this.#counters.oneWaySent += 1
      // A batch was closed, or a large message was: others get their turn.
      if (writes.frames !== frames) return this.#wantsMore() ? SENDER.ROTATE : this.#done()
    }
    return this.#done()
  }

  /** The connection is closed: what waited is lost. */
  close(): void {
    this.#counters.oneWayDropped += this.mailbox.length
    while (this.mailbox.next() !== undefined);
    for (let tell = this.#roomWaiters.next(); tell !== undefined; tell = this.#roomWaiters.next()) tell()
    for (let tell = this.#openWaiters.shift(); tell !== undefined; tell = this.#openWaiters.shift()) tell()
  }

  /** Where nobody is to wait, what does was accepted long ago, and is no reason to have others wait. */
  get #behindOthers(): boolean {
    return this.#waits && this.waiting > 0
  }

  #wantsMore(): boolean {
    this.#tellRoom()
    return this.mailbox.length > 0 && (this.credit === null || this.credit.open)
  }

  #done(): SenderTurn {
    this.#queued = false
    this.#tellRoom()
    return SENDER.DONE
  }

  /** Who waited sends at once, so that nobody gets before it. */
  #tellRoom(): void {
    while (this.#roomWaiters.length > 0 && !this.mailbox.full) this.#roomWaiters.next()?.()
    if (this.holding) return
    for (let count = this.#openWaiters.length; count > 0; count -= 1) this.#openWaiters.shift()?.()
  }
}
