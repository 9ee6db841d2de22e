// Hot path: `pick` runs for every call.
// Long: all that decides which connection is where stands together; what each of those decisions takes is elsewhere.
import { failure, type TransportError } from '../base/errors.js'
import { BulkShare } from './bulk-share.js'
import { anyOf, lessBusyOfTwo, remove } from './choice.js'
import { Ejection, type PoolParts } from './ejection.js'
import { Endpoint, type Place } from './endpoint.js'
import type { EndpointFacts, PoolFacts } from './facts.js'
import { IdleWatch } from './idle-watch.js'
import { Lease, LeaseWishes } from './lease.js'
import type { Member } from './member.js'
import type { PoolOptions } from './options.js'
import { placesInUse } from './ranks.js'
import { roomElsewhere, roomiest } from './room.js'

export type { PoolParts } from './ejection.js'
export type { Place, Reach } from './endpoint.js'
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
  readonly #bulk: BulkShare<M>
  readonly #leased = new Set<M>()
  readonly #homes = new Map<M, Endpoint<M>>()
  readonly #wishes = new LeaseWishes<M>()
  /** Somebody found nothing to pick, and has heard nothing since. */
  #awaited = false
  /** Growing was tried, and would come to the same until a connection comes or goes, or an endpoint does. */
  #grown = false
  #closed = false

  constructor(parts: PoolParts, options: PoolOptions, owner: PoolOwner) {
    this.#options = options
    this.#parts = parts
    this.#owner = owner
    this.#ejection = new Ejection(parts, {
      endpoints: () => this.#endpoints,
      shared: (member) => !this.#leased.has(member),
      // One is tried at a time.
      onNoneWell: (unconnected) => {
        if (unconnected.every(({ making }) => making === 0)) roomiest(unconnected)?.grow()
      },
      onEjected: ({ members }) => {
        for (const member of members) this.#withdraw(member)
        this.#replenish()
      },
      onRestored: (endpoint) => {
        for (const member of endpoint.members) if (!this.#leased.has(member)) this.#offer(member, endpoint)
      },
    })
    this.#bulk = new BulkShare(options, {
      endpoints: () => this.#endpoints,
      ready: () => this.#ready,
      interactive: (member) => !this.#leased.has(member) && this.#homes.get(member)?.bulk.has(member) === false,
      least: (endpoint) => this.#least(endpoint),
      onSetApart: (member, home) => {
        this.#withdraw(member)
        home.bulk.add(member)
        this.#bulk.members.push(member)
        this.#idle.start()
        this.#replenish()
      },
      onWanted: () => this.#replenish(),
    })
    this.#idle = new IdleWatch(parts, options.idleTimeoutMs, {
      idlers: () => [...this.#bulk.members, ...this.#ready],
      surplus: (member) => this.#surplus(member),
      retire: (member) => this.leave(member),
    })
  }

  facts(): PoolFacts {
    const ready = [...this.#ready, ...this.#bulk.members]
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
    const probe = this.#ejection.probing === 0 ? null : this.#ejection.probe(false)
    if (probe !== null) return probe
    const member = lessBusyOfTwo(this.#ready, this.#parts.random)
    if (member === null) return this.#pickNone()
    if (member.inFlight >= this.#options.growAtInFlight) this.grow()
    return member
  }

  /** The same for what has the priority bulk: a connection that carries nothing else, where `max` leaves room for one. */
  pickBulk(): M | null {
    if (!this.#options.separateBulk || this.#options.max === 1) return this.pick()
    const probe = this.#ejection.probing === 0 ? null : this.#ejection.probe(true)
    return probe ?? this.#bulk.pick(this.#parts.random) ?? this.#pickNoBulk()
  }

  /** A ready connection that passes, or null: for who cannot use the one picked. Any of them, so that they share it. */
  find(passes: (member: M) => boolean): M | null {
    return anyOf(this.#ready, passes, this.#parts.random)
  }

  /** The same for bulk: of its own, or of all where it has none. */
  findBulk(passes: (member: M) => boolean): M | null {
    return anyOf(this.#bulk.members.length > 0 ? this.#bulk.members : this.#ready, passes, this.#parts.random)
  }

  /** One connection more, to the endpoint with fewest, where others are crowded. Beyond `min` one is made at a time. */
  grow(): void {
    if (this.#closed || this.#grown) return
    this.#grown = true
    if (this.#endpoints.some(({ making, failures }) => making > 0 && failures === 0)) return
    const endpoint = roomiest(this.#endpoints)
    if (endpoint !== null && endpoint.making === 0) endpoint.grow()
  }

  /** Whether `pick` may still give this one. */
  offers(member: M): boolean {
    return this.#ready.includes(member) || this.#bulk.members.includes(member)
  }

  /** A call on it failed, in a way that may be its peer's fault. */
  onFault(member: M): void {
    const home = this.#homes.get(member)
    if (home !== undefined && !home.closed) this.#ejection.judge(home)
  }

  /**
   * Takes a connection out for exclusive use. Waits for one to be made, if `max` allows; otherwise throws. Throws as well
   * what an attempt failed with, as soon as no other endpoint with room is more likely to be reached: nobody waits for
   * longer than each of them takes to be tried once.
   */
  async lease(): Promise<Lease<M>> {
    if (this.#closed) throw closedError()
    const idle = this.#ready.find(({ inFlight }) => inFlight === 0)
    if (idle !== undefined) return this.#lend(idle)
    if (this.#wishes.count >= this.#room()) throw this.#exhausted()
    const leased = this.#wishes.add((member) => this.#lend(member))
    this.#replenish()
    return leased
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
    this.#bulk.forget()
    this.#wishes.refuse(error)
    this.#owner.onDialFailed(error, true)
  }

  close(): void {
    this.#closed = true
    this.#idle.close()
    this.#ejection.close()
    for (const endpoint of this.#endpoints) endpoint.close()
    this.#wishes.refuse(closedError())
  }

  #arrange(): void {
    const inUse = placesInUse(this.#places, (key) => this.#endpoints.find((one) => one.key === key)?.dead === true)
    const keys = new Set(inUse.map(({ key }) => key))
    const over = this.#endpoints.filter(({ key }) => !keys.has(key))
    this.#endpoints = this.#endpoints.filter(({ key }) => keys.has(key))
    const known = new Map(this.#endpoints.map((endpoint) => [endpoint.key, endpoint]))
    for (const place of inUse) {
      const endpoint = known.get(place.key)
      if (endpoint === undefined) this.#add(place)
      else endpoint.rank = place.rank
    }
    for (const endpoint of over) {
      endpoint.close()
      // Who has leased one gives it back first.
      for (const member of [...endpoint.members]) if (!this.#leased.has(member)) this.leave(member)
    }
    this.#ejection.recount()
    if (this.#wishes.count > this.#room()) this.#wishes.refuse(this.#exhausted(), this.#room())
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
    this.#handOut(member, home)
    // A place of a lower rank is back: the others are no longer needed.
    if (this.#places.length > 1) this.#arrange()
  }

  /** Returns whether the endpoint is to go on trying: not where another one may help sooner, nor where nobody waits. */
  #onDialFailed(error: TransportError, home: Endpoint<M>): boolean {
    if (home.closed) return false
    if (this.#places.length > this.#endpoints.length) this.#arrange()
    const elsewhere = roomElsewhere(this.#endpoints, home)
    if (!elsewhere) this.#wishes.refuse(error)
    const hopeless = this.#homes.size === 0 && this.#endpoints.every(({ failedSince }) => failedSince)
    if (hopeless) {
      this.#awaited = false
      this.#bulk.forget()
    }
    this.#owner.onDialFailed(error, hopeless)
    this.#owner.onTrouble()
    if (this.#awaited && this.#ready.length === 0) this.#shareBulk()
    if (this.#bulk.wanted && this.#ready.length > 0) {
      this.#bulk.refuse()
      this.#owner.onReady()
    }
    const goOn = home.interactiveSize <= this.#least(home) || (!elsewhere && this.#owed() > 0)
    if (goOn) this.#replenish()
    return goOn
  }

  /** To who waits for a lease, or for bulk, or else to everybody. */
  #handOut(member: M, home: Endpoint<M>): void {
    if (member.inFlight > 0 || !this.#wishes.grant(member)) {
      if (!this.#awaited && this.#bulk.takes(member, home)) home.bulk.add(member)
      if (home.serves) this.#offer(member, home)
    }
    this.#bulk.hope()
    this.#replenish()
  }

  #offer(member: M, home: Endpoint<M>): void {
    this.#grown = false
    if (home.bulk.has(member)) this.#bulk.members.push(member)
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
    remove(this.#bulk.members, member)
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
    if (this.#shareBulk() || this.#ejection.restoreAll()) {
      return lessBusyOfTwo(this.#ready, this.#parts.random) ?? this.#pickNone()
    }
    this.#awaited = true
    if (!this.#closed) this.#owner.onTrouble()
    this.#replenish()
    return null
  }

  /** Waits for one of its own, unless that was refused: then it goes beside the others until there is one. */
  #pickNoBulk(): M | null {
    const nobody = this.#ready.length === 0 && !this.#ejection.restoreAll()
    if (nobody && !this.#closed) this.#owner.onTrouble()
    if (this.#bulk.members.length === 0 && !this.#bulk.refused) this.#bulk.want()
    return this.#bulk.members[0] ?? (this.#bulk.refused ? this.pick() : null)
  }

  /** Returns whether what carried bulk only was needed for everything. */
  #shareBulk(): boolean {
    const shared = this.#bulk.giveBack()
    for (const member of shared) {
      this.#withdraw(member)
      const home = this.#homes.get(member)
      if (home !== undefined) this.#offer(member, home)
    }
    return shared.length > 0
  }

  /** Keeps `min` connections to each endpoint beside those for bulk, and as many more as somebody waits for. */
  #replenish(): void {
    if (this.#closed) return
    this.#grown = false
    for (const endpoint of this.#endpoints) {
      while (endpoint.interactiveSize < this.#least(endpoint) && !endpoint.full) endpoint.grow()
    }
    const making = this.#endpoints.reduce((sum, { failures, making }) => sum + (failures > 0 ? 0 : making), 0)
    if (this.#owed() > making) this.grow()
    this.#bulk.next()?.grow()
    if (this.#bulk.refuseInVain()) this.#owner.onReady()
  }

  /** Where a place of a higher rank stands in for it, an endpoint is tried also when nobody wants it. */
  #least({ rank }: Endpoint<M>): number {
    const { min } = this.#options
    return min === 0 && this.#endpoints.some((other) => other.rank > rank) ? 1 : min
  }

  /** Connections that somebody waits for: one for each lease, one for all callers together. */
  #owed(): number {
    return this.#wishes.count + (this.#awaited && this.#ready.length === 0 ? 1 : 0)
  }

  /** Connections that may still be made. Before the first answer of a name server there may be one endpoint at least. */
  #room(): number {
    const { max } = this.#options
    return this.#endpoints.reduce((sum, { members }) => sum + max - members.size, this.#endpoints.length > 0 ? 0 : max)
  }

  #exhausted(): TransportError {
    const most = this.#options.max * Math.max(1, this.#endpoints.length)
    return failure('pool-exhausted', `all ${most} connections are in use`)
  }

  #surplus(member: M): boolean {
    const home = this.#homes.get(member)
    return home !== undefined && (home.bulk.has(member) || home.interactive > this.#least(home))
  }
}

function closedError(): TransportError {
  return failure('closed', 'the pool is closed')
}
