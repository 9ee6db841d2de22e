// Hot path: `note` runs for every call.
import type { Clock } from '../base/clock.js'
import { type TimerWheel, WheelTimer } from '../base/timer-wheel.js'
import type { Turns } from '../base/turns.js'

/** The parts of the environment that deadlines need. */
interface DeadlineParts {
  readonly clock: Clock
  readonly wheel: TimerWheel
  readonly turns: Turns
}

/**
 * Deadlines of many calls with one timer and no bookkeeping per call. Only a lower bound of the earliest deadline is
 * kept; when it passes, one scan finds what is due and the next bound. Calls that settle in time, nearly all, cost one
 * comparison. A scan visits every open call, and comes at most as often as deadlines pass.
 */
export class DeadlineWatch {
  readonly #clock: Clock
  readonly #wheel: TimerWheel
  readonly #timer: WheelTimer
  readonly #turns: Turns
  readonly #onTurnEnd: (now: number) => void
  #earliest = Number.POSITIVE_INFINITY
  /** The shortest timeout that begins with the end of this turn. */
  #shortest = Number.POSITIVE_INFINITY

  /** `expire` settles what is due at `now` and returns the earliest deadline that is left. */
  constructor({ clock, wheel, turns }: DeadlineParts, expire: (now: number) => number) {
    this.#clock = clock
    this.#wheel = wheel
    this.#turns = turns
    this.#timer = new WheelTimer(() => {
      this.#earliest = Number.POSITIVE_INFINITY
      const next = expire(this.#clock.now())
      if (next < this.#earliest) this.#arm(next)
    })
    this.#onTurnEnd = (now) => {
      const deadline = now + this.#shortest
      this.#shortest = Number.POSITIVE_INFINITY
      if (deadline < this.#earliest) this.#arm(deadline)
    }
  }

  /** There is a call with this deadline now. */
  note(deadline: number): void {
    if (deadline < this.#earliest) this.#arm(deadline)
  }

  /** There is a call now whose time begins when this turn ends. */
  noteTimeout(timeoutMs: number): void {
    if (timeoutMs >= this.#shortest) return
    if (this.#shortest === Number.POSITIVE_INFINITY) this.#turns.whenEnds(this.#onTurnEnd)
    this.#shortest = timeoutMs
  }

  /** No deadline matters any more. */
  stop(): void {
    this.#shortest = Number.POSITIVE_INFINITY
    this.#earliest = Number.POSITIVE_INFINITY
    this.#wheel.disarm(this.#timer)
  }

  #arm(deadline: number): void {
    this.#earliest = deadline
    this.#wheel.arm(this.#timer, deadline - this.#clock.now())
  }
}
