import { failure } from '../base/errors.js'
import type { Random } from '../base/random.js'

/** What the way from one host to another is like at the moment. */
export interface LinkConditions {
  /** How long bytes travel at least. */
  readonly latencyMs: number
  /** How much longer they may take. They arrive in order all the same. */
  readonly jitterMs: number
  /** What a connection that begins now holds on this way before bytes wait with who wrote them. */
  readonly bufferBytes: number
  /** The chance that a read gets only some of what has arrived. */
  readonly splitChance: number
  /**
   * `up`; `stalled`: what is sent waits here, and arrives when the link is up again; `black hole`: it is lost, and with
   * it the connection, of which neither side hears until the link is up again.
   */
  readonly state: 'up' | 'stalled' | 'black hole'
  /** What becomes of dials: `refused` as by a host where nobody listens, `reset` as soon as they are accepted. */
  readonly dials: 'accepted' | 'refused' | 'reset'
  /** How much longer dials take than bytes. */
  readonly dialDelayMs: number
}

export const PERFECT_LINK: LinkConditions = {
  latencyMs: 0.1,
  jitterMs: 0,
  bufferBytes: 256 * 1024,
  splitChance: 0,
  state: 'up',
  dials: 'accepted',
  dialDelayMs: 0,
}

/** What is on a link, and hears of what becomes of it. */
export interface LinkUser {
  onLinkState(state: LinkConditions['state']): void
}

/** The way from one host to another; the way back is another link. */
export class Link {
  readonly from: string
  readonly to: string
  readonly #random: Random
  readonly #users = new Set<LinkUser>()
  #conditions = PERFECT_LINK

  constructor(from: string, to: string, random: Random) {
    this.from = from
    this.to = to
    this.#random = random
  }

  get conditions(): LinkConditions {
    return this.#conditions
  }

  get up(): boolean {
    return this.#conditions.state === 'up'
  }

  /** Changes some of the conditions, from now on. */
  set(conditions: Partial<LinkConditions>): void {
    const next = { ...this.#conditions, ...conditions }
    if (!(next.latencyMs >= 0) || !(next.jitterMs >= 0) || !(next.dialDelayMs >= 0) || !(next.bufferBytes >= 1)) {
      throw failure('misuse', `a link from ${this.from} to ${this.to} cannot have ${JSON.stringify(conditions)}`)
    }
    const { state } = this.#conditions
    this.#conditions = next
    if (next.state !== state) for (const user of [...this.#users]) user.onLinkState(next.state)
  }

  /** As good as new. */
  heal(): void {
    this.set(PERFECT_LINK)
  }

  /** How long something that is sent now travels. */
  delayMs(): number {
    const { latencyMs, jitterMs } = this.#conditions
    return jitterMs === 0 ? latencyMs : latencyMs + this.#random.next() * jitterMs
  }

  /** How many of `bytes` that have arrived are read at once. */
  readable(bytes: number): number {
    const { splitChance } = this.#conditions
    if (bytes < 2 || splitChance === 0 || this.#random.next() >= splitChance) return bytes
    // Short ones as often as long ones: a frame's header is where splits hurt.
    const most = this.#random.next() < 0.5 ? Math.min(bytes, 24) : bytes
    return 1 + Math.floor(this.#random.next() * (most - 1))
  }

  join(user: LinkUser): void {
    this.#users.add(user)
  }

  leave(user: LinkUser): void {
    this.#users.delete(user)
  }
}
