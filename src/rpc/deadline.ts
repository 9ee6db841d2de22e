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
  readonly #turns: Turns
  readonly #expire: (now: number) => number
  /** Made with the first deadline: most connections serve or make calls, and not both. */
  #timer: WheelTimer | null = null
  #onTurnEnd: ((now: number) => void) | null = null
  #earliest = Number.POSITIVE_INFINITY
  /** The shortest timeout that begins with the end of this turn. */
  #shortest = Number.POSITIVE_INFINITY

  /** `expire` settles what is due at `now` and returns the earliest deadline that is left. */
  constructor({ clock, wheel, turns }: DeadlineParts, expire: (now: number) => number) {
    this.#clock = clock
    this.#wheel = wheel
    this.#turns = turns
    this.#expire = expire
  }

  /** There is a call with this deadline now. */
  note(deadline: number): void {
    if (deadline < this.#earliest) this.#arm(deadline)
  }

  /** There is a call now whose time begins when this turn ends. */
  noteTimeout(timeoutMs: number): void {
    if (timeoutMs >= this.#shortest) return
    if (this.#shortest === Number.POSITIVE_INFINITY) {
      this.#onTurnEnd ??= (now) => this.#begin(now)
      this.#turns.whenEnds(this.#onTurnEnd)
    }
    this.#shortest = timeoutMs
  }

  /** No deadline matters any more. */
  stop(): void {
    this.#shortest = Number.POSITIVE_INFINITY
    this.#earliest = Number.POSITIVE_INFINITY
    if (this.#timer !== null) this.#wheel.disarm(this.#timer)
  }

  /** The turn has ended, and with it begins the time of its calls. */
  #begin(now: number): void {
    const deadline = now + this.#shortest
    this.#shortest = Number.POSITIVE_INFINITY
    if (deadline < this.#earliest) this.#arm(deadline)
  }

  #arm(deadline: number): void {
    this.#earliest = deadline
    this.#timer ??= new WheelTimer(() => this.#onDue())
    this.#wheel.arm(this.#timer, deadline - this.#clock.now())
  }

  #onDue(): void {
    this.#earliest = Number.POSITIVE_INFINITY
    const next = this.#expire(this.#clock.now())
    if (next < this.#earliest) this.#arm(next)
  }
}
