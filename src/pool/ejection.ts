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
  /** Takes calls of everybody: neither leased nor set apart for bulk. */
  shared(member: M): boolean
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

  /** A connection for a call that is to show whether its endpoint is well; null where none is due. */
  probe(): M | null {
    const now = this.#parts.clock.now()
    for (const endpoint of this.#owner.endpoints()) {
      const { health } = endpoint
      if (health.state !== 'probing') continue
      endpoint.look()
      if (health.passed) {
        this.#restore(endpoint)
        continue
      }
      for (const member of endpoint.members) {
        if (member.usable && this.#owner.shared(member) && health.mayProbe(now)) return member
      }
    }
    return null
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

  /** Whether most of the others are well, and enough of them are left. Where all fail, the fault is not with one. */
  #outOfLine(endpoint: Endpoint<M>): boolean {
    const all = this.#owner.endpoints()
    const out = all.filter(({ health }) => health.state !== 'in-use').length
    if ((out + 1) * 2 > all.length) return false
    const others = all.filter((one) => one !== endpoint && one.health.state === 'in-use' && one.members.size > 0)
    for (const other of others) other.look()
    return others.filter(({ health }) => health.doubtful).length * 2 < others.length
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
