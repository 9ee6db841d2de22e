import type { Clock } from '../base/clock.js'
import type { InboundMessage } from '../connection/inbound.js'
import type { Aging, Job } from './aged-lanes.js'
import type { Payload } from './reception.js'
import type { Registration } from './registry.js'
import type { ServerCall } from './server-call.js'

const NOTHING: Payload = { bytes: Buffer.alloc(0), start: 0, end: 0, owned: true }

/** Why a call that waited is not run. */
export type HeldRefusal = 'stale' | 'full' | 'too-old'

export interface HeldCallOwner {
  readonly clock: Clock
  /** Its turn has come. */
  start(held: HeldCall): void
  refuse(held: HeldCall, why: HeldRefusal): void
}

/** A call that waits for its handler. Its request stays bytes until its turn comes: who waits in vain is never decoded. */
export class HeldCall implements Job, Aging {
  readonly id: number
  readonly lane: number
  readonly registration: Registration
  readonly call: ServerCall
  /** Owned. */
  payload: Payload
  readonly bytes: number
  readonly queuedAt: number
  readonly maxWaitMs: number
  /** It waits for a place of its handler, and no more for the processor. */
  placed = false
  waits = false
  /** It has been refused, whatever becomes of its place in a queue. */
  #over = false
  readonly #owner: HeldCallOwner

  constructor(
    { id, lane, bytes, start, end, owned }: InboundMessage,
    registration: Registration,
    call: ServerCall,
    maxWaitMs: number,
    owner: HeldCallOwner,
  ) {
    this.id = id
    this.lane = lane
    this.registration = registration
    this.call = call
    this.payload = owned
      ? { bytes, start, end, owned }
      : { bytes: Buffer.from(bytes.subarray(start, end)), start: 0, end: end - start, owned: true }
    this.bytes = end - start
    this.queuedAt = owner.clock.now()
    this.maxWaitMs = maxWaitMs
    this.#owner = owner
  }

  get aging(): Aging {
    return this
  }

  get waitedMs(): number {
    return this.#owner.clock.now() - this.queuedAt
  }

  get stale(): boolean {
    return this.call.abandoned !== null || this.call.expiresAt <= this.#owner.clock.now()
  }

  start(): void {
    this.#owner.start(this)
  }

  drop(): void {
    this.#refuse(this.stale ? 'stale' : 'full')
  }

  refuse(): void {
    this.#refuse('too-old')
  }

  /** Its caller waits no more. It may lie in a queue for a while yet, without its bytes. */
  giveUp(): void {
    this.#refuse('stale')
    this.payload = NOTHING
  }

  #refuse(why: HeldRefusal): void {
    if (this.#over) return
    this.#over = true
    this.#owner.refuse(this, why)
  }
}
