import type GenericPool from 'generic-pool'
import { failure, TransportError } from '../base/errors.js'
import { requirePackage } from '../base/require-package.js'
import { type Circuit, DialGate, type GateParts } from './dial-gate.js'
import type { Member } from './member.js'
import type { PoolOptions } from './options.js'

let loaded: typeof GenericPool | undefined

/** Loaded by the first client: servers have no pool. */
function genericPool(): typeof GenericPool {
  loaded ??= requirePackage('generic-pool') as typeof GenericPool
  return loaded
}

export interface EndpointPoolOwner<M extends Member> {
  onMember(member: M): void
  /** Returns whether to go on trying here. If not, `onGaveUp` follows. */
  onDialFailed(error: TransportError): boolean
  /** A connection that was asked for will not come from here. */
  onGaveUp(): void
}

/** What generic-pool gets in place of a connection that is no longer wanted: it cannot be told to forget a request. */
class GivenUp {
  retire(): void {}
}

/**
 * The connections to one endpoint: how many there are, and their making. generic-pool counts them, holds them to
 * `max` and lets one at a time be made for each that is asked for. Its traps are guarded here:
 *
 * - a factory that rejects is called again in the same turn, for ever: ours waits at the gate before each dial, and
 *   after `close` its promise stays open on purpose;
 * - a `create` that never settles loses its place: the dial has a time limit over all of its stages;
 * - its eviction runs on timers and a clock of its own: it is off, idle members are retired by `Pool` on our clock.
 */
export class EndpointPool<M extends Member> {
  readonly #pool: GenericPool.Pool<M | GivenUp>
  readonly #gate: DialGate
  readonly #owner: EndpointPoolOwner<M>
  #wanted = 0
  /** Those of the wanted that are there. */
  #joined = 0
  #closed = false

  constructor(dial: () => Promise<M>, parts: GateParts, options: PoolOptions, owner: EndpointPoolOwner<M>) {
    this.#owner = owner
    this.#gate = new DialGate(parts, options)
    const factory: GenericPool.Factory<M | GivenUp> = {
      create: () => this.#create(dial),
      destroy: (member) => {
        member.retire()
        return Promise.resolve()
      },
    }
    this.#pool = genericPool().createPool(factory, { min: 0, max: options.max })
  }

  /** Connections that there are or that are being made. */
  get size(): number {
    return this.#wanted
  }

  /** Dials of this endpoint that failed since the last success. */
  get failures(): number {
    return this.#gate.failures
  }

  get circuit(): Circuit {
    return this.#gate.circuit
  }

  /** Asks for one connection more; it comes through `onMember`. The caller has looked at `size`. */
  grow(): void {
    if (this.#closed) return
    this.#wanted += 1
    // Refused only while generic-pool drains, which is never asked of it: a refusal would be a mistake of ours, and
    // surfaces as an unhandled rejection.
    void this.#pool.acquire().then((member) => this.#onAcquired(member))
  }

  /** A member is gone, or no longer wanted. */
  drop(member: M): void {
    this.#wanted -= 1
    this.#joined -= 1
    // One that was retired says nothing about its endpoint.
    if (!member.usable) this.#gate.doubt()
    // Refused only when it is not on loan: likewise.
    void this.#pool.destroy(member)
  }

  /** Makes no more. Members are dropped as they end. */
  close(): void {
    this.#closed = true
    this.#wanted = this.#joined
    this.#gate.close()
  }

  #onAcquired(member: M | GivenUp): void {
    if (member instanceof GivenUp) {
      if (!this.#closed) this.#wanted -= 1
      void this.#pool.destroy(member)
      this.#owner.onGaveUp()
      return
    }
    if (this.#closed) this.#wanted += 1
    this.#joined += 1
    this.#owner.onMember(member)
  }

  async #create(dial: () => Promise<M>): Promise<M | GivenUp> {
    const pass = await this.#gate.enter()
    try {
      const member = await dial()
      if (!member.usable) {
        member.retire()
        throw failure('connection-lost', 'the connection was lost as soon as it was ready')
      }
      this.#gate.succeeded(pass)
      return member
    } catch (error) {
      if (this.#closed) return new Promise<M>(() => {})
      this.#gate.failed(pass)
      const goOn = !(error instanceof TransportError) || this.#owner.onDialFailed(error)
      if (this.#closed) return new Promise<M>(() => {})
      if (!goOn) return new GivenUp()
      throw error
    }
  }
}
