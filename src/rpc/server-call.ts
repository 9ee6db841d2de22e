import type { Clock } from '../base/clock.js'
import type { TransportError } from '../base/errors.js'
import type { Metadata } from './metadata.js'

/** Who is at the other end. */
export interface PeerFacts {
  /** What it called itself in its HELLO: a claim, unless `proven`. */
  readonly id: string
  /** Its TLS certificate has the id among its names (DNS or URI). */
  readonly proven: boolean
  readonly address: string
}

/** What a handler knows of the call it serves. It stays readable after the call is over. */
export class ServerCall {
  readonly peer: PeerFacts
  readonly metadata: Metadata
  /** @internal The deadline on the clock, Infinity for none. */
  readonly expiresAt: number
  readonly #clock: Clock
  #controller: AbortController | null = null
  #reason: TransportError | null = null

  constructor(peer: PeerFacts, metadata: Metadata, deadline: number, clock: Clock) {
    this.peer = peer
    this.metadata = metadata
    this.expiresAt = deadline
    this.#clock = clock
  }

  /** Aborted when the caller cancels, its deadline passes, or the connection is lost. */
  get signal(): AbortSignal {
    // Made when asked for: most handlers never look, and an AbortController costs more than a call.
    if (this.#controller === null) {
      this.#controller = new AbortController()
      if (this.#reason !== null) this.#controller.abort(this.#reason)
    }
    return this.#controller.signal
  }

  /** When the caller stops waiting, as a `Date`; undefined when it waits for ever. */
  get deadline(): Date | undefined {
    return this.expiresAt === Number.POSITIVE_INFINITY ? undefined : new Date(this.#clock.wallNow() + this.remainingMs)
  }

  /** How long the caller still waits; Infinity when it waits for ever. */
  get remainingMs(): number {
    return Math.max(0, this.expiresAt - this.#clock.now())
  }

  /** @internal Why nobody waits for the answer any more, or null. */
  get abandoned(): TransportError | null {
    return this.#reason
  }

  /** @internal Nobody waits for the answer any more. */
  abort(reason: TransportError): void {
    if (this.#reason !== null) return
    this.#reason = reason
    this.#controller?.abort(reason)
  }
}
