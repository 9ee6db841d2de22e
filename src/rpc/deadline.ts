// Hot path: `note` runs for every call.
import type { Clock } from '../base/clock.js'
import { type TimerWheel, WheelTimer } from '../base/timer-wheel.js'

/**
 * Deadlines of many calls with one timer and no bookkeeping per call. Only a lower bound of the earliest deadline is
 * kept; when it passes, one scan finds what is due and the next bound. Calls that settle in time, nearly all, cost one
 * comparison. A scan visits every open call, and comes at most as often as deadlines pass.
 */
export class DeadlineWatch {
  readonly #clock: Clock
  readonly #wheel: TimerWheel
  readonly #timer: WheelTimer
  #earliest = Number.POSITIVE_INFINITY

  /** `expire` settles what is due at `now` and returns the earliest deadline that is left. */
  constructor(clock: Clock, wheel: TimerWheel, expire: (now: number) => number) {
    this.#clock = clock
    this.#wheel = wheel
    this.#timer = new WheelTimer(() => {
      this.#earliest = Number.POSITIVE_INFINITY
      const next = expire(this.#clock.now())
      if (next < this.#earliest) this.#arm(next)
    })
  }

  /** There is a call with this deadline now. */
  note(deadline: number): void {
    if (deadline < this.#earliest) this.#arm(deadline)
  }

  /** No deadline matters any more. */
  stop(): void {
    this.#earliest = Number.POSITIVE_INFINITY
    this.#wheel.disarm(this.#timer)
  }

  #arm(deadline: number): void {
    this.#earliest = deadline
    this.#wheel.arm(this.#timer, deadline - this.#clock.now())
  }
}
