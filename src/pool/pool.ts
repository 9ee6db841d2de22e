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
  /** Somebody found nothing to pick, and has heard nothing since. */
  #awaited = false
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
      onGaveUp: () => this.#replenish(),
    }
    this.#endpoints = dials.map((dial) => new EndpointPool(dial, parts, options, callbacks))
    this.#replenish()
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
    if (member === null) {
      this.#awaited = true
      this.#replenish()
    } else if (member.inFlight >= this.#options.growAtInFlight) this.#grow()
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
    if (this.#closed) throw closedError()
    const idle = this.#ready.find(({ inFlight }) => inFlight === 0)
    if (idle !== undefined) {
      this.#withdraw(idle)
      return this.#lend(idle)
    }
    const { max } = this.#options
    if (this.#leaseQueue.length >= max - this.#homes.size) {
      throw failure('pool-exhausted', `all ${max} connections are in use`)
    }
    return new Promise((resolve, reject) => {
      this.#leaseQueue.push({ grant: (member) => resolve(this.#lend(member)), refuse: reject })
      this.#replenish()
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
    this.#replenish()
  }

  close(): void {
    this.#closed = true
    this.#parts.wheel.disarm(this.#sweep)
    for (const endpoint of this.#endpoints) endpoint.close()
    for (const wish of this.#leaseQueue.splice(0)) wish.refuse(closedError())
  }

  #join(member: M, home: EndpointPool<M>): void {
    this.#homes.set(member, home)
    if (this.#closed || !member.usable) {
      this.leave(member)
      return
    }
    this.#handOut(member)
  }

  /** Returns whether the endpoint is to go on trying: not where another one may help sooner, nor where nobody waits. */
  #onDialFailed(error: TransportError, home: EndpointPool<M>): boolean {
    const urgent = this.#homes.size === 0 || this.#wanted() > this.#options.min
    const elsewhere = urgent && this.#endpoints.some(({ failures }) => failures < home.failures)
    if (!elsewhere) for (const wish of this.#leaseQueue.splice(0)) wish.refuse(error)
    const hopeless = this.#homes.size === 0 && this.#endpoints.every(({ failures }) => failures > 0)
    if (hopeless) this.#awaited = false
    this.#owner.onDialFailed(error, hopeless)
    return !elsewhere && (this.#wanted() <= this.#options.min || this.#owed() > 0)
  }

  /** To who waits for a lease, or else to everybody. */
  #handOut(member: M): void {
    const wish = member.inFlight === 0 ? this.#leaseQueue.shift() : undefined
    if (wish === undefined) this.#offer(member)
    else wish.grant(member)
    this.#replenish()
  }

  #offer(member: M): void {
    this.#ready.push(member)
    if (!this.#sweep.armed) this.#armSweep()
    this.#awaited = false
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
      if (healthy && member.usable && !this.#closed) this.#handOut(member)
      else this.leave(member)
    })
  }

  /** Keeps `min` connections, and as many more as somebody waits for. */
  #replenish(): void {
    while (this.#wanted() < this.#options.min && this.#grow());
    if (this.#owed() > this.#wanted() - this.#homes.size) this.#grow()
  }

  /** Connections that somebody waits for: one for each lease, one for all callers together. */
  #owed(): number {
    return this.#leaseQueue.length + (this.#awaited && this.#ready.length === 0 ? 1 : 0)
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

function closedError(): TransportError {
  return failure('closed', 'the pool is closed')
}
