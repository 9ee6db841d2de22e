import type { Random } from '../base/random.js'
import { changedConditions, type LinkConditions, PERFECT_LINK } from './link-conditions.js'

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
    const next = changedConditions(this.#conditions, conditions)
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
