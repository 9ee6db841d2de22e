// Hot path: `pick` runs for every call.
import { failure, type TransportError } from '../base/errors.js'
import { WheelTimer } from '../base/timer-wheel.js'
import { lessBusyOfTwo } from './choice.js'
import type { GateParts } from './dial-gate.js'
import { EndpointPool, type Member } from './endpoint-pool.js'
import { Lease } from './lease.js'
import type { PoolOptions } from './options.js'

export type { Member } from './endpoint-pool.js'
export type { Lease } from './lease.js'

export interface PoolOwner {
  /** There is a member to pick. */
  onReady(): void
  /** A dial failed. `hopeless` says that no member is left to wait for. */
  onDialFailed(error: TransportError, hopeless: boolean): void
}

/** A count of everything at one moment. */
export interface PoolFacts {
  /** Connections that are there or being made. */
  readonly size: number
  /** Ready for calls. */
  readonly ready: number
  /** Ready, and with a call in flight, or leased. */
  readonly borrowed: number
  readonly leased: number
}

interface LeaseWish<M> {
  readonly grant: (member: M) => void
  readonly refuse: (error: TransportError) => void
}

/** Idle members are looked for this many times in the time they may be idle. */
const SWEEPS_PER_TIMEOUT = 4

/** Connections to one or many endpoints. Calls share them; a lease takes one out for a while. */
export class Pool<M extends Member> {
  readonly #endpoints: readonly EndpointPool<M>[]
  readonly #options: PoolOptions
  readonly #parts: GateParts
  readonly #owner: PoolOwner
  /** What calls choose from. Dense, in no order. */
  readonly #ready: M[] = []
  readonly #leased = new Set<M>()
  readonly #homes = new Map<M, EndpointPool<M>>()
  readonly #leaseQueue: LeaseWish<M>[] = []
  /** What the last sweep saw of each ready member. */
  readonly #quiet = new Map<M, { readonly activity: number; readonly since: number }>()
  readonly #sweep: WheelTimer
  #closed = false

  constructor(dials: readonly (() => Promise<M>)[], parts: GateParts, options: PoolOptions, owner: PoolOwner) {
    if (options.min > options.max) {
      throw failure('option-range', `option pool.min (${options.min}) must not be over pool.max (${options.max})`, {
        details: { option: 'pool.min' },
      })
    }
    this.#options = options
    this.#parts = parts
    this.#owner = owner
    this.#sweep = new WheelTimer(() => this.#retireIdle())
    const callbacks = {
      onMember: (member: M, home: EndpointPool<M>) => this.#join(member, home),
      onDialFailed: (error: TransportError, home: EndpointPool<M>) => this.#onDialFailed(error, home),
      onGaveUp: () => {
        if (!this.#closed) this.#grow()
      },
    }
    this.#endpoints = dials.map((dial) => new EndpointPool(dial, parts, options, callbacks))
    this.#fill()
  }

  facts(): PoolFacts {
    const busy = this.#ready.filter(({ inFlight }) => inFlight > 0).length
    const size = this.#endpoints.reduce((sum, endpoint) => sum + endpoint.size, 0)
    return { size, ready: this.#ready.length, borrowed: busy + this.#leased.size, leased: this.#leased.size }
  }

  /** Every connection that is there. */
  members(): readonly M[] {
    return [...this.#homes.keys()]
  }

  /** A connection for one call, or null when none is ready: `onReady` tells when to ask again. */
  pick(): M | null {
    const member = lessBusyOfTwo(this.#ready, this.#parts.random)
    if (member === null) this.#wake()
    else if (member.inFlight >= this.#options.growAtInFlight) this.#grow()
    return member
  }

  /** A ready connection that passes, or null: for who cannot use the one picked. */
  find(passes: (member: M) => boolean): M | null {
    return this.#ready.find(passes) ?? null
  }

  /** Whether `pick` may still give this one. */
  offers(member: M): boolean {
    return this.#ready.includes(member)
  }

  /** Takes a connection out for exclusive use. Waits for one to be made, if `max` allows; otherwise throws. */
  async lease(): Promise<Lease<M>> {
    const idle = this.#ready.find(({ inFlight }) => inFlight === 0)
    if (idle !== undefined) {
      this.#withdraw(idle)
      return this.#lend(idle)
    }
    if (!this.#grow()) throw failure('pool-exhausted', `all ${this.#options.max} connections are in use`)
    return new Promise((resolve, reject) => {
      this.#leaseQueue.push({ grant: (member) => resolve(this.#lend(member)), refuse: reject })
    })
  }

  /** The member takes no calls any more: it ends what it has and is replaced. */
  leave(member: M): void {
    const home = this.#homes.get(member)
    if (home === undefined) return
    this.#homes.delete(member)
    this.#leased.delete(member)
    this.#withdraw(member)
    home.drop(member)
    if (!this.#closed) this.#fill()
  }

  close(): void {
    this.#closed = true
    this.#parts.wheel.disarm(this.#sweep)
    for (const endpoint of this.#endpoints) endpoint.close()
  }

  #join(member: M, home: EndpointPool<M>): void {
    this.#homes.set(member, home)
    if (this.#closed || !member.usable) {
      this.leave(member)
      return
    }
    const lessee = this.#leaseQueue.shift()
    if (lessee !== undefined) lessee.grant(member)
    else this.#offer(member)
  }

  /** Returns whether the endpoint is to go on trying. It is left for another one where that may help sooner. */
  #onDialFailed(error: TransportError, home: EndpointPool<M>): boolean {
    const urgent = this.#homes.size === 0 || this.#wanted() > this.#options.min
    const elsewhere = urgent && this.#endpoints.some(({ failures }) => failures < home.failures)
    if (!elsewhere) for (const wish of this.#leaseQueue.splice(0)) wish.refuse(error)
    this.#owner.onDialFailed(error, this.#homes.size === 0 && this.#endpoints.every(({ failures }) => failures > 0))
    return !elsewhere
  }

  #offer(member: M): void {
    this.#ready.push(member)
    if (!this.#sweep.armed) this.#armSweep()
    this.#owner.onReady()
  }

  #withdraw(member: M): void {
    this.#quiet.delete(member)
    const index = this.#ready.indexOf(member)
    if (index < 0) return
    const last = this.#ready.pop() as M
    if (last !== member) this.#ready[index] = last
  }

  #lend(member: M): Lease<M> {
    this.#leased.add(member)
    return new Lease(member, (healthy) => {
      if (!this.#leased.delete(member)) return
      if (healthy && member.usable && !this.#closed) this.#offer(member)
      else this.leave(member)
    })
  }

  /** Keeps `min` connections. */
  #fill(): void {
    while (this.#wanted() < this.#options.min && this.#grow());
  }

  /** Somebody wants to call and nothing is ready. */
  #wake(): void {
    if (this.#wanted() - this.#leased.size === 0) this.#grow()
  }

  #wanted(): number {
    return this.#endpoints.reduce((sum, endpoint) => sum + endpoint.size, 0)
  }

  /** One connection more, to the endpoint that has fewest. At most one is being made beyond `min`. */
  #grow(): boolean {
    const size = this.#wanted()
    if (this.#closed || size >= this.#options.max) return false
    if (size >= this.#options.min && size > this.#homes.size) return true
    const [fewest] = [...this.#endpoints].sort((a, b) => a.failures - b.failures || a.size - b.size)
    fewest?.grow()
    return fewest !== undefined
  }

  /** Armed only while there is more than `min`: a pool at rest has no timer. */
  #armSweep(): void {
    const { idleTimeoutMs, min } = this.#options
    if (this.#homes.size > min) this.#parts.wheel.arm(this.#sweep, idleTimeoutMs / SWEEPS_PER_TIMEOUT)
  }

  /** Retires what was idle too long, down to `min`. */
  #retireIdle(): void {
    const now = this.#parts.clock.now()
    const { idleTimeoutMs, min } = this.#options
    for (const member of [...this.#ready]) {
      const { activity, inFlight } = member
      const seen = this.#quiet.get(member)
      if (inFlight > 0 || seen === undefined || seen.activity !== activity)
        this.#quiet.set(member, { activity, since: now })
      else if (now - seen.since >= idleTimeoutMs && this.#homes.size > min) this.leave(member)
    }
    this.#armSweep()
  }
}
