// Hot path: `pick` runs for every call.
// Long: all that decides which connection is where stands together; what each of those decisions takes is elsewhere.
import { failure, type TransportError } from '../base/errors.js'
import { lessBusyOfTwo } from './choice.js'
import { Ejection, type PoolParts } from './ejection.js'
import { Endpoint, type EndpointFacts, type Place } from './endpoint.js'
import { IdleWatch } from './idle-watch.js'
import { Lease, type LeaseWish } from './lease.js'
import type { Member } from './member.js'
import type { PoolOptions } from './options.js'
import { placesInUse } from './ranks.js'

export type { PoolParts } from './ejection.js'
export type { EndpointFacts, Place, Reach } from './endpoint.js'
export type { Lease } from './lease.js'
export type { Member } from './member.js'

export interface PoolOwner {
  /** There is a member to pick, or a reason to ask again. */
  onReady(): void
  /** A dial failed. `hopeless` says that no member is left to wait for. */
  onDialFailed(error: TransportError, hopeless: boolean): void
  /** A connection was lost, a dial failed, or there is nobody to ask: the addresses may be others by now. */
  onTrouble(): void
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

/** Connections to one or many endpoints. Calls share them; a lease takes one out for a while. */
export class Pool<M extends Member> {
  readonly #options: PoolOptions
  readonly #parts: PoolParts
  readonly #owner: PoolOwner
  readonly #ejection: Ejection<M>
  readonly #idle: IdleWatch<M>
  /** All that are known; of them `#endpoints` are in use. */
  #places: readonly Place<M>[] = []
  #endpoints: Endpoint<M>[] = []
  /** What calls choose from. Dense, in no order. */
  readonly #ready: M[] = []
  /** The same for what has the priority bulk. */
  readonly #bulk: M[] = []
  readonly #leased = new Set<M>()
  readonly #homes = new Map<M, Endpoint<M>>()
  readonly #wishes: LeaseWish<M>[] = []
  /** Somebody found nothing to pick, and has heard nothing since. */
  #awaited = false
  /** Growing was tried, and would come to the same until a connection comes or goes, or an endpoint does. */
  #grown = false
  /** A connection for bulk: nobody wants one more, somebody does, or one could not be had lately. */
  #bulkState: 'enough' | 'wanted' | 'refused' = 'enough'
  #closed = false

  constructor(parts: PoolParts, options: PoolOptions, owner: PoolOwner) {
    this.#options = options
    this.#parts = parts
    this.#owner = owner
    this.#ejection = new Ejection(parts, {
      endpoints: () => this.#endpoints,
      shared: (member) => !this.#leased.has(member) && this.#homes.get(member)?.bulk.has(member) === false,
      onEjected: ({ members }) => {
        for (const member of members) this.#withdraw(member)
      },
      onRestored: (endpoint) => {
        for (const member of endpoint.members) if (!this.#leased.has(member)) this.#offer(member, endpoint)
      },
    })
    this.#idle = new IdleWatch(parts, options.idleTimeoutMs, {
      idlers: () => [...this.#bulk, ...this.#ready],
      surplus: (member) => this.#surplus(member),
      retire: (member) => this.leave(member),
    })
  }

  facts(): PoolFacts {
    const ready = [...this.#ready, ...this.#bulk]
    const busy = ready.filter(({ inFlight }) => inFlight > 0).length
    const size = this.#endpoints.reduce((sum, endpoint) => sum + endpoint.size, 0)
    return { size, ready: ready.length, borrowed: busy + this.#leased.size, leased: this.#leased.size }
  }

  endpoints(): readonly EndpointFacts[] {
    const now = this.#parts.clock.now()
    return this.#endpoints.map((endpoint) => endpoint.facts(now))
  }

  /** Every connection that is there. */
  members(): readonly M[] {
    return [...this.#homes.keys()]
  }

  /** A connection for one call, or null when none is ready: `onReady` tells when to ask again. */
  pick(): M | null {
    const probe = this.#ejection.probing === 0 ? null : this.#ejection.probe()
    if (probe !== null) return probe
    const member = lessBusyOfTwo(this.#ready, this.#parts.random)
    if (member === null) return this.#pickNone()
    if (member.inFlight >= this.#options.growAtInFlight) this.grow()
    return member
  }

  /** The same for what has the priority bulk: a connection that carries nothing else, where `max` leaves room for one. */
  pickBulk(): M | null {
    if (!this.#options.separateBulk || this.#options.max === 1) return this.pick()
    const member = lessBusyOfTwo(this.#bulk, this.#parts.random)
    if (member === null) {
      if (this.#bulkState !== 'refused') this.#wantBulk()
      // Nobody has one to spare: beside the others, until there is one.
      return this.#bulk[0] ?? (this.#bulkState === 'refused' ? this.pick() : null)
    }
    if (member.inFlight > 0 && this.#bulkState === 'enough') this.#wantBulk()
    return member
  }

  /** A ready connection that passes, or null: for who cannot use the one picked. */
  find(passes: (member: M) => boolean): M | null {
    return this.#ready.find(passes) ?? null
  }

  /** One connection more, to the endpoint with fewest, where others are crowded. Beyond `min` one is made at a time. */
  grow(): void {
    if (this.#closed || this.#grown) return
    this.#grown = true
    if (this.#endpoints.some(({ making, failures }) => making > 0 && failures === 0)) return
    const endpoint = this.#roomiest()
    if (endpoint !== null && endpoint.making === 0) endpoint.grow()
  }

  /** Whether `pick` may still give this one. */
  offers(member: M): boolean {
    return this.#ready.includes(member) || this.#bulk.includes(member)
  }

  /** A call on it failed, in a way that may be its peer's fault. */
  onFault(member: M): void {
    const home = this.#homes.get(member)
    if (home !== undefined && !home.closed) this.#ejection.judge(home)
  }

  /** Takes a connection out for exclusive use. Waits for one to be made, if `max` allows; otherwise throws. */
  async lease(): Promise<Lease<M>> {
    if (this.#closed) throw closedError()
    const idle = this.#ready.find(({ inFlight }) => inFlight === 0)
    if (idle !== undefined) return this.#lend(idle)
    // Before the first answer of a name server there may be one endpoint at least.
    const most = this.#options.max * Math.max(1, this.#endpoints.length)
    if (this.#wishes.length >= most - this.#homes.size) {
      throw failure('pool-exhausted', `all ${most} connections are in use`)
    }
    return new Promise((resolve, reject) => {
      this.#wishes.push({ grant: (member) => resolve(this.#lend(member)), refuse: reject })
      this.#replenish()
    })
  }

  /** The member takes no calls any more: it ends what it has and is replaced. */
  leave(member: M): void {
    const home = this.#homes.get(member)
    if (home === undefined) return
    const { broken, usable } = member
    this.#homes.delete(member)
    this.#leased.delete(member)
    this.#withdraw(member)
    home.drop(member)
    if (this.#homes.size === 0) for (const endpoint of this.#endpoints) endpoint.noteLoss()
    if (broken && !home.closed) this.#ejection.judge(home)
    if (!usable && !this.#closed) this.#owner.onTrouble()
    this.#replenish()
  }

  /** These are the places from now on. Connections to others end as soon as their calls have. */
  update(places: readonly Place<M>[]): void {
    if (this.#closed) return
    this.#places = places
    this.#arrange()
    this.#replenish()
  }

  /** No name could be looked up. */
  onUnresolved(error: TransportError): void {
    if (this.#endpoints.length > 0) return
    this.#awaited = false
    for (const wish of this.#wishes.splice(0)) wish.refuse(error)
    this.#owner.onDialFailed(error, true)
  }

  close(): void {
    this.#closed = true
    this.#idle.close()
    this.#ejection.close()
    for (const endpoint of this.#endpoints) endpoint.close()
    for (const wish of this.#wishes.splice(0)) wish.refuse(closedError())
  }

  #arrange(): void {
    const inUse = placesInUse(this.#places, (key) => this.#endpoints.find((one) => one.key === key)?.dead === true)
    const keys = new Set(inUse.map(({ key }) => key))
    const over = this.#endpoints.filter(({ key }) => !keys.has(key))
    this.#endpoints = this.#endpoints.filter(({ key }) => keys.has(key))
    const known = new Set(this.#endpoints.map(({ key }) => key))
    for (const place of inUse) if (!known.has(place.key)) this.#add(place)
    for (const endpoint of over) {
      endpoint.close()
      // Who has leased one gives it back first.
      for (const member of [...endpoint.members]) if (!this.#leased.has(member)) this.leave(member)
    }
    this.#ejection.recount()
  }

  /** At a place by chance, so that not every client begins with the same one. */
  #add(place: Place<M>): void {
    const { length } = this.#endpoints
    const at = length > 0 ? Math.floor(this.#parts.random.next() * (length + 1)) : 0
    const endpoint = new Endpoint(place, this.#parts, this.#options, {
      onMember: (member, home) => this.#join(member, home),
      onDialFailed: (error, home) => this.#onDialFailed(error, home),
      onGaveUp: () => this.#replenish(),
    })
    this.#endpoints.splice(at, 0, endpoint)
  }

  #join(member: M, home: Endpoint<M>): void {
    this.#homes.set(member, home)
    if (this.#closed || home.closed || !member.usable) {
      this.leave(member)
      return
    }
    if (this.#bulkState === 'refused') this.#bulkState = 'enough'
    this.#handOut(member, home)
    // A place of a lower rank is back: the others are no longer needed.
    if (this.#places.length > 1) this.#arrange()
  }

  /** Returns whether the endpoint is to go on trying: not where another one may help sooner, nor where nobody waits. */
  #onDialFailed(error: TransportError, home: Endpoint<M>): boolean {
    if (home.closed) return false
    if (this.#places.length > this.#endpoints.length) this.#arrange()
    const elsewhere = this.#endpoints.some(({ failures }) => failures < home.failures)
    if (!elsewhere) for (const wish of this.#wishes.splice(0)) wish.refuse(error)
    const hopeless = this.#homes.size === 0 && this.#endpoints.every(({ failedSince }) => failedSince)
    this.#awaited &&= !hopeless
    this.#owner.onDialFailed(error, hopeless)
    this.#owner.onTrouble()
    if (this.#bulkState === 'wanted' && this.#ready.length > 0) {
      this.#refuseBulk()
      this.#owner.onReady()
    }
    const goOn = home.size <= this.#least(home) || (!elsewhere && this.#owed() > 0)
    if (goOn) this.#replenish()
    return goOn
  }

  /** To who waits for a lease, or for bulk, or else to everybody. */
  #handOut(member: M, home: Endpoint<M>): void {
    const wish = member.inFlight === 0 ? this.#wishes.shift() : undefined
    if (wish === undefined) {
      if (this.#bulkState === 'wanted' && !this.#awaited && (this.#ready.length > 0 || this.#options.min === 0)) {
        this.#bulkState = 'enough'
        home.bulk.add(member)
      }
      if (home.health.state === 'in-use') this.#offer(member, home)
    } else wish.grant(member)
    this.#replenish()
  }

  #offer(member: M, home: Endpoint<M>): void {
    this.#grown = false
    if (home.bulk.has(member)) this.#bulk.push(member)
    else {
      this.#ready.push(member)
      this.#awaited = false
    }
    this.#idle.start()
    this.#owner.onReady()
  }

  #withdraw(member: M): void {
    this.#grown = false
    this.#idle.forget(member)
    remove(this.#ready, member)
    remove(this.#bulk, member)
  }

  #lend(member: M): Lease<M> {
    this.#withdraw(member)
    this.#leased.add(member)
    return new Lease(member, (healthy) => {
      if (!this.#leased.delete(member)) return
      const home = this.#homes.get(member)
      if (healthy && member.usable && !this.#closed && home?.closed === false) this.#handOut(member, home)
      else this.leave(member)
    })
  }

  #pickNone(): M | null {
    if (this.#ejection.restoreAll()) {
      const restored = lessBusyOfTwo(this.#ready, this.#parts.random)
      if (restored !== null) return restored
    }
    this.#awaited = true
    if (!this.#closed) this.#owner.onTrouble()
    this.#replenish()
    return null
  }

  /** One that nobody needs, where there are two to an endpoint; otherwise a new one. One to each endpoint is enough. */
  #wantBulk(): void {
    if (this.#bulk.length > 0 && this.#endpoints.every(({ bulk }) => bulk.size > 0)) return
    this.#bulkState = 'wanted'
    const spare = this.#ready.find((member) => {
      const home = this.#homes.get(member)
      const another = this.#ready.some((other) => other !== member && this.#homes.get(other) === home)
      return member.inFlight === 0 && another && home?.bulk.size === 0
    })
    if (spare === undefined) {
      if (this.#ready.length > 0 && this.#roomiest() === null) this.#refuseBulk()
      else this.#replenish()
      return
    }
    this.#bulkState = 'enough'
    this.#homes.get(spare)?.bulk.add(spare)
    this.#withdraw(spare)
    this.#bulk.push(spare)
    this.#idle.start()
  }

  /** None can be had now: where there is none at all, bulk goes beside the rest. */
  #refuseBulk(): void {
    this.#bulkState = this.#bulk.length > 0 ? 'enough' : 'refused'
  }

  /** Keeps `min` connections to each endpoint, and as many more as somebody waits for. */
  #replenish(): void {
    if (this.#closed) return
    this.#grown = false
    for (const endpoint of this.#endpoints) {
      while (endpoint.size < this.#least(endpoint)) endpoint.grow()
    }
    const making = this.#endpoints.reduce((sum, { failures, making }) => sum + (failures > 0 ? 0 : making), 0)
    if (this.#owed() > making) this.grow()
  }

  /** Where a place of a higher rank stands in for it, an endpoint is tried also when nobody wants it. */
  #least({ rank }: Endpoint<M>): number {
    const { min } = this.#options
    return min === 0 && this.#endpoints.some((other) => other.rank > rank) ? 1 : min
  }

  /** Connections that somebody waits for: one for each lease, one for all callers together, one for bulk. */
  #owed(): number {
    const calls = this.#awaited && this.#ready.length === 0 ? 1 : 0
    return this.#wishes.length + calls + (this.#bulkState === 'wanted' ? 1 : 0)
  }

  /** The endpoint that should have the next connection; null where all have as many as they may. */
  #roomiest(): Endpoint<M> | null {
    const forBulk = this.#bulkState === 'wanted'
    const rooms = this.#endpoints.filter(({ size }) => size < this.#options.max)
    return (
      rooms.sort((a, b) => order(a, forBulk) - order(b, forBulk) || a.failures - b.failures || a.size - b.size)[0] ??
      null
    )
  }

  #surplus(member: M): boolean {
    const home = this.#homes.get(member)
    return home !== undefined && (home.bulk.has(member) || home.interactive > this.#least(home))
  }
}

/** Well before ill, reached before not, low ranks before high ones, and for bulk those without any. */
function order<M extends Member>({ health, failures, rank, bulk }: Endpoint<M>, forBulk: boolean): number {
  const ill = health.state === 'in-use' ? 0 : 1
  return ill * 4e9 + (failures > 0 ? 2e9 : 0) + rank * 2 + (forBulk ? Math.min(1, bulk.size) : 0)
}

function remove<M>(members: M[], member: M): void {
  const index = members.indexOf(member)
  if (index < 0) return
  const last = members.pop() as M
  if (last !== member) members[index] = last
}

function closedError(): TransportError {
  return failure('closed', 'the pool is closed')
}
