import type { Random } from '../base/random.js'
import { lessBusyOfTwo } from './choice.js'
import type { Endpoint } from './endpoint.js'
import type { Member } from './member.js'
import type { PoolOptions } from './options.js'
import { roomiest } from './room.js'

export interface BulkOwner<M extends Member> {
  endpoints(): readonly Endpoint<M>[]
  /** What everything but bulk chooses from. */
  ready(): readonly M[]
  /** Neither leased nor set apart for bulk. */
  interactive(member: M): boolean
  /** How many connections an endpoint keeps for everything but bulk. */
  least(endpoint: Endpoint<M>): number
  /** It is for bulk from now on. */
  onSetApart(member: M, home: Endpoint<M>): void
  /** `next` says where one is to be made. */
  onWanted(): void
}

/**
 * The connections that carry bulk and nothing else, one to an endpoint at most. An endpoint is never without another
 * one for its sake: bulk has what is left over, and goes beside everything else where nothing is.
 */
export class BulkShare<M extends Member> {
  readonly #options: PoolOptions
  readonly #owner: BulkOwner<M>
  /** What bulk chooses from. Dense, in no order. */
  readonly members: M[] = []
  /** Nobody wants one more, somebody does, or one could not be had lately. */
  #state: 'enough' | 'wanted' | 'refused' = 'enough'

  constructor(options: PoolOptions, owner: BulkOwner<M>) {
    this.#options = options
    this.#owner = owner
  }

  get wanted(): boolean {
    return this.#state === 'wanted'
  }

  /** There is none, and none can be had now: bulk goes beside the rest. */
  get refused(): boolean {
    return this.#state === 'refused'
  }

  pick(random: Random): M | null {
    const member = lessBusyOfTwo(this.members, random)
    if (member !== null && member.inFlight > 0 && this.#state === 'enough') this.want()
    return member
  }

  /** One more: one that nobody needs, or else a new one. One to each endpoint is enough. */
  want(): void {
    const givers = this.#givers()
    if (givers.length === 0 && this.members.length > 0) return
    this.#state = 'wanted'
    const spare = this.#spare(givers)
    if (spare !== undefined) {
      this.#state = 'enough'
      this.#owner.onSetApart(...spare)
    } else if (!this.refuseInVain()) this.#owner.onWanted()
  }

  /** Whether one that joins, or comes back, is to be set apart. The pool offers it then. */
  takes(member: M, home: Endpoint<M>): boolean {
    if (this.#state !== 'wanted' || !lacks(home)) return false
    // Where nothing is kept ready, who wants something else gets another one then.
    const spare = this.#replaced(member, home) || (this.#options.min === 0 && !home.full)
    if (spare) this.#state = 'enough'
    return spare
  }

  /** Where one should be made; null where none is wanted, or one that bulk may have is being made. */
  next(): Endpoint<M> | null {
    if (this.#state !== 'wanted') return null
    const coming = this.#owner
      .endpoints()
      .some((one) => one.failures === 0 && one.making > 0 && one.interactiveSize > this.#owner.least(one))
    const endpoint = coming ? null : roomiest(this.#givers())
    return endpoint !== null && endpoint.making > 0 && endpoint.failures > 0 ? null : endpoint
  }

  /** Nobody waits any more. */
  forget(): void {
    if (this.#state === 'wanted') this.#state = 'enough'
  }

  /** Others are there than when it was refused. */
  hope(): void {
    if (this.#state === 'refused') this.#state = 'enough'
  }

  /** None can be had now: where there is none at all, bulk goes beside the rest. */
  refuse(): void {
    this.#state = this.members.length > 0 ? 'enough' : 'refused'
  }

  /** The same where one is wanted that no endpoint can give. Returns whether it was so. */
  refuseInVain(): boolean {
    if (this.#state !== 'wanted' || this.#owner.ready().length === 0 || this.#givers().some(mayGive)) return false
    this.refuse()
    return true
  }

  /**
   * Where nothing else has a connection, and another one is not to be had soon or only one of an endpoint that is out,
   * those for bulk are for everything again. Returns them.
   */
  giveBack(): readonly M[] {
    const endpoints = this.#owner.endpoints()
    const soon = endpoints.some((one) => one.failures === 0 && mayGive(one))
    if (soon && endpoints.every(({ serves }) => serves)) return []
    for (const { serves, bulk } of endpoints) if (serves) bulk.clear()
    return [...this.members]
  }

  /** Those that lack one, and could be left without it. A client that keeps nothing ready may do nothing but bulk. */
  #givers(): readonly Endpoint<M>[] {
    const { min } = this.#options
    return this.#owner.endpoints().filter((one) => lacks(one) && (min === 0 || one.interactive > 0))
  }

  #spare(givers: readonly Endpoint<M>[]): [M, Endpoint<M>] | undefined {
    for (const home of givers) {
      for (const member of home.members) {
        if (member.inFlight === 0 && this.#replaced(member, home) && this.#owner.ready().includes(member))
          return [member, home]
      }
    }
    return undefined
  }

  /** Its endpoint has another one for everything but bulk. */
  #replaced(member: M, home: Endpoint<M>): boolean {
    return [...home.members].some((other) => other !== member && other.usable && this.#owner.interactive(other))
  }
}

function lacks<M extends Member>({ serves, bulk }: Endpoint<M>): boolean {
  return serves && bulk.size === 0
}

/** One that cannot be reached is dialled all the time: that is nothing to wait for. */
function mayGive<M extends Member>({ making, failures, full }: Endpoint<M>): boolean {
  return making > 0 ? failures === 0 : !full
}
