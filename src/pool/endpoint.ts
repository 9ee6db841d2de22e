import type { TransportError } from '../base/errors.js'
import type { GateParts } from './dial-gate.js'
import { EndpointPool } from './endpoint-pool.js'
import type { EndpointFacts } from './facts.js'
import { Health } from './health.js'
import type { Member } from './member.js'
import type { PoolOptions } from './options.js'

/** Where connections can be had. */
export interface Reach<M> {
  dial(): Promise<M>
  /** Gives up the dials under way. */
  close(): void
}

/** One address of many. */
export interface Place<M> {
  /** The address, by which it is known when the list of places changes. */
  readonly key: string
  /** Those of a higher rank are used only while none of the lower ones can be reached. */
  readonly rank: number
  /** Called when it begins to be used. */
  reach(): Reach<M>
}

export interface EndpointOwner<M extends Member> {
  onMember(member: M, endpoint: Endpoint<M>): void
  /** Returns whether to go on trying here. If not, `onGaveUp` follows. */
  onDialFailed(error: TransportError, endpoint: Endpoint<M>): boolean
  onGaveUp(): void
}

/** One of the peers that do the same work: its connections, and how well it serves. */
export class Endpoint<M extends Member> {
  readonly key: string
  /** As the place has it; another one when the list of places says so. */
  rank: number
  readonly health: Health
  readonly members = new Set<M>()
  /** Those of its members that carry bulk and nothing else. */
  readonly bulk = new Set<M>()
  readonly #max: number
  readonly #connections: EndpointPool<M>
  readonly #reach: Reach<M>
  /** Of members that are gone. */
  #pastAnswered = 0
  #pastFaults = 0
  #closed = false
  /** What `failures` was when the last connection of all was lost. */
  #failuresAtLoss = 0

  constructor(place: Place<M>, parts: GateParts, options: PoolOptions, owner: EndpointOwner<M>) {
    this.key = place.key
    this.rank = place.rank
    this.health = new Health(options.ejection)
    this.#max = options.max
    const reach = place.reach()
    this.#reach = reach
    this.#connections = new EndpointPool(() => reach.dial(), parts, options, {
      onMember: (member) => {
        this.members.add(member)
        owner.onMember(member, this)
      },
      onDialFailed: (error) => owner.onDialFailed(error, this),
      onGaveUp: () => owner.onGaveUp(),
    })
  }

  /** Connections that there are or that are being made. */
  get size(): number {
    return this.#connections.size
  }

  /** Has as many as it may. */
  get full(): boolean {
    return this.size >= this.#max
  }

  /** Gets calls. */
  get serves(): boolean {
    return this.health.state === 'in-use'
  }

  /** Connections that are being made. */
  get making(): number {
    return this.#connections.size - this.members.size
  }

  get failures(): number {
    return this.#connections.failures
  }

  /** It was tried in vain since nobody has a connection: what failed before that says little of now. */
  get failedSince(): boolean {
    return this.failures > this.#failuresAtLoss
  }

  noteLoss(): void {
    this.#failuresAtLoss = this.failures
  }

  /** Cannot be reached, as far as is known. */
  get dead(): boolean {
    return this.failures > 0 && this.members.size === 0
  }

  /** Connections for everything but bulk. */
  get interactive(): number {
    return this.members.size - this.bulk.size
  }

  /** The same with those that are being made: bulk has only what is left over. */
  get interactiveSize(): number {
    return this.size - this.bulk.size
  }

  /** No longer one of ours. */
  get closed(): boolean {
    return this.#closed
  }

  /** Brings what is known of its health up to date. */
  look(): void {
    let [answered, faults] = [this.#pastAnswered, this.#pastFaults]
    for (const member of this.members) {
      answered += member.answered
      faults += member.faults
    }
    this.health.look(answered, faults)
  }

  facts(now: number): EndpointFacts {
    const { health, members } = this
    const sum = (read: (member: M) => number): number => [...members].reduce((total, one) => total + read(one), 0)
    return {
      address: this.key,
      state: health.state,
      ejectedForMs: health.state === 'ejected' ? Math.max(0, health.ejectedUntil - now) : 0,
      circuit: this.#connections.circuit,
      connections: members.size,
      inFlight: sum(({ inFlight }) => inFlight),
      answered: this.#pastAnswered + sum(({ answered }) => answered),
      faults: this.#pastFaults + sum(({ faults }) => faults),
      failedDials: this.failures,
    }
  }

  grow(): void {
    this.#connections.grow()
  }

  /** A member is gone, or no longer wanted. Calls that it takes along count against the endpoint. */
  drop(member: M): void {
    this.members.delete(member)
    this.bulk.delete(member)
    this.#pastAnswered += member.answered
    this.#pastFaults += member.faults + (member.broken ? member.inFlight : 0)
    this.#connections.drop(member)
  }

  /** Makes no more connections. Its members are dropped as they end. */
  close(): void {
    this.#closed = true
    this.#connections.close()
    this.#reach.close()
  }
}
