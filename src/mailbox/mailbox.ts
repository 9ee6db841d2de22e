// Hot path where messages wait: `offer` and `next` run for each of them.
import { Ring } from '../memory/ring.js'

/** What happens to a message that finds the mailbox full. */
export type Overflow =
  /** Its sender waits. */
  | 'wait'
  /** Its sender is told no. */
  | 'reject'
  /** The oldest messages make room. */
  | 'drop-oldest'
  /** It is dropped itself. */
  | 'drop-newest'

export const OVERFLOWS: readonly Overflow[] = ['wait', 'reject', 'drop-oldest', 'drop-newest']

export interface MailboxBounds {
  readonly maxMessages: number
  readonly maxBytes: number
  readonly overflow: Overflow
}

/** What became of an offer. `wait` and `rejected`: the message is still its sender's. */
export type Offer = 'accepted' | 'wait' | 'rejected' | 'dropped'

/** Anything with a size. */
export interface Sized {
  readonly bytes: number
}

/**
 * A queue with a bound on count and on bytes, and a policy for what comes when it is full. It is full at either bound;
 * the last message taken may pass the bound of bytes by its own size, so that no message is too large for an empty
 * mailbox. Every message offered is counted once: accepted, refused or dropped; one that is to wait is counted when it
 * is offered again. `droppedOldest` counts a second time what was accepted before.
 */
export class Mailbox<T extends Sized> {
  readonly #bounds: MailboxBounds
  readonly #onDropped: (item: T) => void
  readonly #ring = new Ring<T>()
  #bytes = 0
  accepted = 0
  rejected = 0
  droppedOldest = 0
  droppedNewest = 0

  /** `onDropped` is told of every message that was accepted and then made room for a newer one. It must not throw. */
  constructor(bounds: MailboxBounds, onDropped: (item: T) => void = () => {}) {
    this.#bounds = bounds
    this.#onDropped = onDropped
  }

  get length(): number {
    return this.#ring.length
  }

  get bytes(): number {
    return this.#bytes
  }

  /** The next message finds no room. */
  get full(): boolean {
    return this.#ring.length >= this.#bounds.maxMessages || this.#bytes >= this.#bounds.maxBytes
  }

  /** An offer made now would be accepted. Counts nothing. */
  get open(): boolean {
    return !this.full || this.#bounds.overflow === 'drop-oldest'
  }

  /** What an offer made now would come to. Counts refusals and drops, so ask once for each message. */
  admit(): Offer {
    if (!this.full) return 'accepted'
    switch (this.#bounds.overflow) {
      case 'wait':
        return 'wait'
      case 'reject':
        this.rejected += 1
        return 'rejected'
      case 'drop-newest':
        this.droppedNewest += 1
        return 'dropped'
      case 'drop-oldest':
        return 'accepted'
    }
  }

  /** Takes a message in that `admit` has accepted; what must make room for it is dropped. */
  put(item: T): void {
    // An empty mailbox takes anything, so this ends whatever the bounds are.
    while (this.full && this.#ring.length > 0) this.#dropOldest()
    this.#ring.push(item)
    this.#bytes += item.bytes
    this.accepted += 1
  }

  offer(item: T): Offer {
    const offer = this.admit()
    if (offer === 'accepted') this.put(item)
    return offer
  }

  peek(): T | undefined {
    return this.#ring.peek()
  }

  /** Takes the oldest message out. */
  next(): T | undefined {
    const item = this.#ring.shift()
    if (item !== undefined) this.#bytes -= item.bytes
    return item
  }

  #dropOldest(): void {
    const item = this.next()
    if (item === undefined) return
    this.droppedOldest += 1
    this.#onDropped(item)
  }
}
