import type { Counters } from '../base/counters.js'
import { WheelTimer } from '../base/timer-wheel.js'
import type { GateParts } from './dial-gate.js'
import type { Endpoint } from './endpoint.js'
import type { Member } from './member.js'

/** What a pool needs of the world. */
export interface PoolParts extends GateParts {
  readonly counters: Counters
}

export interface EjectionOwner<M extends Member> {
  /** Those in use, whatever their health. */
  endpoints(): readonly Endpoint<M>[]
  /** Not leased. */
  shared(member: M): boolean
  /** One fails, and none of the others that calls can go to is well. These have no connection for them, but may be. */
  onNoneWell(unconnected: readonly Endpoint<M>[]): void
  /** The endpoint gets no calls. */
  onEjected(endpoint: Endpoint<M>): void
  /** It gets calls again. */
  onRestored(endpoint: Endpoint<M>): void
}

/**
 * Takes endpoints out whose calls fail while those of the others do not, never more than half of them, and brings them
 * back when a few calls have shown that they are well. A call costs nothing while all are in use: only failures are
 * told, and the counts of the rest are read then.
 */
export class Ejection<M extends Member> {
  readonly #parts: PoolParts
  readonly #owner: EjectionOwner<M>
  readonly #timer: WheelTimer
  #probing = 0

  constructor(parts: PoolParts, owner: EjectionOwner<M>) {
    this.#parts = parts
    this.#owner = owner
    this.#timer = new WheelTimer(() => this.#onTime())
  }

  /** Endpoints that take probes. While there are any, `probe` is asked before each call. */
  get probing(): number {
    return this.#probing
  }

  /** A call on it has failed, or several. */
  judge(endpoint: Endpoint<M>): void {
    endpoint.look()
    const { health } = endpoint
    if (health.relapsed || (health.state === 'in-use' && health.failing && this.#outOfLine(endpoint)))
      this.#eject(endpoint)
  }

  /** Some are out. */
  get out(): boolean {
    return this.#owner.endpoints().some(({ serves }) => !serves)
  }

  /** A connection for a call that is to show whether its endpoint is well; null where none is due. */
  probe(forBulk: boolean): M | null {
    const now = this.#parts.clock.now()
    for (const endpoint of this.#owner.endpoints()) {
      const { health } = endpoint
      if (health.state !== 'probing') continue
      endpoint.look()
      // Where nothing is kept ready there may be no connection any more: it is as unknown as at first.
      if (health.passed || endpoint.size === 0) {
        this.#restore(endpoint)
        continue
      }
      const member = this.#shared(endpoint, forBulk)
      if (member !== null && health.mayProbe(now)) return member
    }
    return null
  }

  /** One of its connections that is not leased, of those for bulk or of the rest as far as there is a choice. */
  #shared(endpoint: Endpoint<M>, forBulk: boolean): M | null {
    let found: M | null = null
    for (const member of endpoint.members) {
      if (!member.usable || !this.#owner.shared(member)) continue
      if (endpoint.bulk.has(member) === forBulk) return member
      found = member
    }
    return found
  }

  /** Nobody else is left: an endpoint that fails is better than none. Returns whether that brought any back. */
  restoreAll(): boolean {
    const out = this.#owner.endpoints().filter(({ health, members }) => health.state !== 'in-use' && members.size > 0)
    for (const endpoint of out) this.#restore(endpoint)
    return out.length > 0
  }

  /** The endpoints are others than before. */
  recount(): void {
    this.#probing = this.#owner.endpoints().filter(({ health }) => health.state === 'probing').length
    this.#arm()
  }

  close(): void {
    this.#parts.wheel.disarm(this.#timer)
  }

  /**
   * Whether most of the others are well, and enough of them are left. Where all fail, the fault is not with one. What
   * nobody has tried is as good as any, but calls can go only where there is a connection.
   */
  #outOfLine(endpoint: Endpoint<M>): boolean {
    const all = this.#owner.endpoints()
    const connected = (one: Endpoint<M>): boolean => this.#shared(one, false) !== null
    const rest = all.filter((one) => one !== endpoint && one.serves)
    const others = rest.filter((one) => one.failures === 0 || connected(one))
    for (const other of others) other.look()
    const well = others.filter(({ health }) => !health.doubtful)
    if (!well.some(connected)) {
      this.#owner.onNoneWell(rest.filter((one) => !connected(one)))
      return false
    }
    const out = all.filter(({ serves }) => !serves).length
    return (out + 1) * 2 <= all.length && (others.length - well.length) * 2 < others.length
  }

  #eject(endpoint: Endpoint<M>): void {
    const { clock, random, counters } = this.#parts
    endpoint.health.eject(clock.now(), random.next())
    counters.endpointsEjected += 1
    this.#owner.onEjected(endpoint)
    this.recount()
  }

  #restore(endpoint: Endpoint<M>): void {
    endpoint.health.restore(this.#parts.clock.now())
    this.#owner.onRestored(endpoint)
    this.recount()
  }

  /** Armed only while somebody is out. */
  #arm(): void {
    const { clock, wheel } = this.#parts
    const out = this.#owner.endpoints().filter(({ health }) => health.state === 'ejected')
    if (out.length === 0) wheel.disarm(this.#timer)
    else wheel.arm(this.#timer, Math.min(...out.map(({ health }) => health.ejectedUntil)) - clock.now())
  }

  #onTime(): void {
    const now = this.#parts.clock.now()
    for (const { health } of this.#owner.endpoints()) {
      if (health.state === 'ejected' && health.ejectedUntil <= now) health.probe()
    }
    this.recount()
  }
}
