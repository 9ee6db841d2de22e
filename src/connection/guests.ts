import { failure, type TransportError } from '../base/errors.js'
import { WheelTimer } from '../base/timer-wheel.js'
import type { ByteChannel } from '../socket/channel.js'
import type { Guest, GuestCallbacks } from '../socket/listen.js'
import type { Admission } from './admission.js'
import type { Environment } from './environment.js'
import { Refusal } from './refusal.js'

interface Stay {
  readonly timer: WheelTimer
  readonly endsAt: number
}

/**
 * Connections whose TLS handshake is under way. They count as connections without a HELLO from accept on, and their
 * time runs from there.
 */
export class Guests implements GuestCallbacks {
  readonly #environment: Environment
  readonly #admission: Admission
  readonly #stays = new Map<Guest, Stay>()
  readonly #refusals = new Set<Refusal>()
  #onNoneLeft: () => void = () => {}

  constructor(environment: Environment, admission: Admission) {
    this.#environment = environment
    this.#admission = admission
  }

  readonly onArrived = (guest: Guest): boolean => {
    const { counters, limits, wheel, clock } = this.#environment
    const refusal = this.#admission.enter(guest.remoteHost)
    if (refusal !== null) {
      if (refusal.reason !== undefined) counters.failed(refusal.reason)
      return false
    }
    counters.connectionsOpened += 1
    const timer = new WheelTimer(() => {
      guest.destroy()
      this.#lost(guest, failure('handshake-timeout', `TLS was not agreed within ${limits.handshakeMs} ms`))
    })
    wheel.arm(timer, limits.handshakeMs)
    this.#stays.set(guest, { timer, endsAt: clock.now() + limits.handshakeMs })
    return true
  }

  readonly onRefused = (guest: Guest, error: TransportError, channel: ByteChannel | null): void => {
    if (channel === null) {
      this.#lost(guest, error)
      return
    }
    this.#end(guest)
    if (error.reason !== undefined) this.#environment.counters.failed(error.reason)
    const refusal = new Refusal(channel, error, this.#environment, () => {
      this.#refusals.delete(refusal)
      this.#gone(guest)
      if (this.#refusals.size === 0) this.#onNoneLeft()
    })
    this.#refusals.add(refusal)
  }

  /** It is a connection now, and still counted. Returns how long it may take with its HELLO. */
  graduate(guest: Guest): number {
    const endsAt = this.#end(guest)
    return Math.max(1, endsAt - this.#environment.clock.now())
  }

  /** Resolves when nobody is here any more. */
  async close(): Promise<void> {
    for (const guest of [...this.#stays.keys()]) {
      guest.destroy()
      this.#end(guest)
      this.#gone(guest)
    }
    if (this.#refusals.size === 0) return
    const gone = new Promise<void>((resolve) => (this.#onNoneLeft = resolve))
    for (const refusal of this.#refusals) refusal.destroy()
    await gone
  }

  #lost(guest: Guest, error: TransportError): void {
    this.#end(guest)
    if (error.reason !== undefined) this.#environment.counters.failed(error.reason)
    this.#gone(guest)
  }

  #end(guest: Guest): number {
    const stay = this.#stays.get(guest)
    if (stay === undefined) throw failure('misuse', 'a guest that is not here')
    this.#stays.delete(guest)
    this.#environment.wheel.disarm(stay.timer)
    return stay.endsAt
  }

  #gone({ remoteHost }: Guest): void {
    this.#environment.counters.connectionsClosed += 1
    this.#admission.handshakeOver(remoteHost)
    this.#admission.leave(null)
  }
}
