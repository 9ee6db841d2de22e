import type { Ticket } from './ticket.js'

/** What a message of a stream needs to know of it. */
interface Origin {
  readonly id: number
  /** Nobody reads what it sends. */
  readonly unheard: boolean
}

/**
 * A message of a stream that may be too large for one frame, and then travels in parts. Of each lane one is on its way at a
 * time: those behind it stay with their streams, whose account bounds them, instead of filling the outbox.
 */
export class LargeMessage implements Ticket {
  endPosition = Number.POSITIVE_INFINITY
  readonly leftMs = 0
  readonly #origin: Origin

  constructor(origin: Origin) {
    this.#origin = origin
  }

  get withdrawn(): boolean {
    return this.#origin.unheard
  }

  /** A part of it has not left. */
  get underWay(): boolean {
    return this.endPosition === Number.POSITIVE_INFINITY && !this.withdrawn
  }

  leave(): number {
    return this.#origin.id
  }
}
