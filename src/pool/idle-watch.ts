import { WheelTimer } from '../base/timer-wheel.js'
import type { GateParts } from './dial-gate.js'
import type { Member } from './member.js'

/** Idle members are looked for this many times in the time they may be idle. */
const SWEEPS_PER_TIMEOUT = 4

export interface IdleOwner<M extends Member> {
  /** Members that anybody may use, those that are to go first in front. */
  idlers(): readonly M[]
  /** Whether it may go, or `min` needs it. */
  surplus(member: M): boolean
  retire(member: M): void
}

/** Retires what was idle too long. Its timer is armed only while there is something that may go. */
export class IdleWatch<M extends Member> {
  readonly #parts: GateParts
  readonly #timeoutMs: number
  readonly #owner: IdleOwner<M>
  readonly #timer: WheelTimer
  /** What the last sweep saw of each. */
  readonly #quiet = new Map<M, { readonly activity: number; readonly since: number }>()

  constructor(parts: GateParts, timeoutMs: number, owner: IdleOwner<M>) {
    this.#parts = parts
    this.#timeoutMs = timeoutMs
    this.#owner = owner
    this.#timer = new WheelTimer(() => this.#sweep())
  }

  /** There is something new to watch. */
  start(): void {
    if (!this.#timer.armed) this.#arm()
  }

  forget(member: M): void {
    this.#quiet.delete(member)
  }

  close(): void {
    this.#parts.wheel.disarm(this.#timer)
  }

  #arm(): void {
    if (!this.#owner.idlers().some((member) => this.#owner.surplus(member))) return
    this.#parts.wheel.arm(this.#timer, this.#timeoutMs / SWEEPS_PER_TIMEOUT)
  }

  #sweep(): void {
    const now = this.#parts.clock.now()
    for (const member of [...this.#owner.idlers()]) {
      const { activity, inFlight } = member
      const seen = this.#quiet.get(member)
      if (inFlight > 0 || seen === undefined || seen.activity !== activity)
        this.#quiet.set(member, { activity, since: now })
      else if (now - seen.since >= this.#timeoutMs && this.#owner.surplus(member)) this.#owner.retire(member)
    }
    this.#arm()
  }
}
