import { failure, type Processed, processed, type TransportError } from '../base/errors.js'
import { AckRanges } from '../connection/ack-ranges.js'
import type { Connection } from '../connection/connection.js'
import { sendAck, sendNack } from '../connection/control-frames.js'
import type { Environment } from '../connection/environment.js'
import { ACK } from '../connection/unacked.js'

/** One frame has this many ranges at most: what fits a frame of any peer. */
const RANGES_PER_FRAME = 64

/**
 * What the peer is told of the one-way messages that ask for it: once a turn, as ranges. While the socket is full it
 * waits, and the ranges grow together. What is processed was accepted, so that a handler that ends at once is told of
 * once.
 */
export class Acknowledgements {
  readonly #connection: Connection
  readonly #environment: Environment
  readonly #accepted = new AckRanges()
  readonly #processed = new AckRanges()
  readonly #onTurnEnd = (): void => {
    this.#scheduled = false
    if (!this.#connection.writes.blocked) this.flush()
  }
  #scheduled = false
  #lastId = 0

  constructor(connection: Connection, environment: Environment) {
    this.#connection = connection
    this.#environment = environment
  }

  /** Judges the id of a message. */
  admit(id: number): TransportError | null {
    // Compared on a circle of 2^32, as ids of calls are.
    if (((id - this.#lastId) | 0) <= 0) {
      return failure('message-id-invalid', `message id ${id} after ${this.#lastId}`)
    }
    this.#lastId = id
    return null
  }

  accepted(id: number): void {
    this.#accepted.add(id)
    this.#schedule()
  }

  processed(id: number): void {
    this.#processed.add(id)
    this.#schedule()
  }

  refused(id: number, error: TransportError, ran: Processed): void {
    // It may have been accepted before, in this turn.
    this.flush()
    sendNack(this.#connection.writes, id, processed(error, ran))
  }

  /** Tells the peer what it has not been told. */
  flush(): void {
    const { writes } = this.#connection
    for (const [stage, ranges] of [
      [ACK.ACCEPTED, this.#accepted],
      [ACK.PROCESSED, this.#processed],
    ] as const) {
      while (ranges.count > 0) sendAck(writes, stage, ranges.take(RANGES_PER_FRAME))
    }
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#environment.turns.whenEnds(this.#onTurnEnd)
  }
}
