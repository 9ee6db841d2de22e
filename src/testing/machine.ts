import type { Clock, TimerHandle } from '../base/clock.js'
import type { Random } from '../base/random.js'
import { crashRules } from './options.js'
import type { Life, Scheduler } from './scheduler.js'
import type { MachineNetwork, VirtualNetwork } from './virtual-network.js'

/** Somebody's 1970, so that the wall shows a date that looks like one. */
const WALL_ORIGIN_MS = Date.UTC(2026, 0, 1)

/**
 * A host from its start to its crash. `clock`, `random` and `network` are what the program on it is given; when it has
 * crashed, nothing that the program set in motion goes on.
 */
export class Machine implements Life {
  readonly host: string
  readonly clock: Clock
  readonly random: Random
  readonly network: MachineNetwork
  readonly #scheduler: Scheduler
  readonly #world: VirtualNetwork
  readonly #timers = new Set<TimerHandle>()
  #alive = true
  #frozenUntil = 0

  constructor(host: string, scheduler: Scheduler, world: VirtualNetwork, random: Random) {
    this.host = host
    this.random = random
    this.#scheduler = scheduler
    this.#world = world
    this.network = world.of(this)
    this.clock = {
      now: () => scheduler.now,
      wallNow: () => Math.floor(WALL_ORIGIN_MS + scheduler.now),
      // As Node has it: less than a millisecond, or no number at all, is a millisecond.
      setTimer: (callback, delayMs) => this.#setTimer(callback, Math.max(1, delayMs || 0)),
      clearTimer: (handle) => this.#clearTimer(handle),
      endOfTurn: (callback) => scheduler.endOfTurn(this, callback),
      nextTurn: (callback) => {
        scheduler.schedule(this, 0, callback)
      },
    }
    world.onBoot(host)
  }

  get alive(): boolean {
    return this.#alive
  }

  get frozenUntil(): number {
    return this.#frozenUntil
  }

  /** Timers that are set. Zero when everything that used the clock is closed. */
  get timers(): number {
    return this.#timers.size
  }

  /** Nothing happens here for a while, as when the event loop is blocked. The kernel goes on. */
  freeze(forMs: number): void {
    this.#scheduler.note(this.host, 'freezes', forMs)
    this.#frozenUntil = Math.max(this.#frozenUntil, this.#scheduler.now + forMs)
  }

  /** Ends the program. Peers hear it from the kernel; `silent`: they do not, as when the power fails. */
  crash(options: { readonly silent?: boolean } = {}): void {
    const { silent } = crashRules.parse(options, '')
    if (!this.#alive) return
    this.#scheduler.note(this.host, silent ? 'loses power' : 'crashes')
    this.#alive = false
    for (const timer of this.#timers) this.#scheduler.cancel(timer)
    this.#timers.clear()
    this.#world.onCrash(this, silent)
  }

  #setTimer(callback: () => void, delayMs: number): TimerHandle {
    const handle = this.#scheduler.schedule(this, delayMs, () => {
      this.#timers.delete(handle)
      callback()
    })
    if (this.#alive) this.#timers.add(handle)
    return handle
  }

  #clearTimer(handle: TimerHandle): void {
    if (this.#timers.delete(handle)) this.#scheduler.cancel(handle)
  }
}
