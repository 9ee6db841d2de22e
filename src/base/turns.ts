// Hot path: `current` runs for every call.
import type { Clock } from './clock.js'

/** One turn of the event loop. */
export class Turn {
  /** When its work was done, on the clock; Infinity until then. */
  endedAt = Number.POSITIVE_INFINITY
}

/**
 * The turns in which something was sent. Reading a clock costs 40 to 100 ns, a tenth of a call; so calls share the
 * time at which their turn ends, which is when their bytes leave. A deadline counted from there is never early.
 */
export class Turns {
  readonly #clock: Clock
  readonly #onEnd: () => void
  #turn: Turn | null = null
  #callbacks: ((now: number) => void)[] = []

  constructor(clock: Clock) {
    this.#clock = clock
    this.#onEnd = () => this.#end()
  }

  /** The turn under way. */
  current(): Turn {
    if (this.#turn === null) {
      this.#turn = new Turn()
      this.#clock.endOfTurn(this.#onEnd)
    }
    return this.#turn
  }

  /** Calls back when the work of this turn, microtasks included, is done. */
  whenEnds(callback: (now: number) => void): void {
    this.current()
    this.#callbacks.push(callback)
  }

  #end(): void {
    const now = this.#clock.now()
    const callbacks = this.#callbacks
    if (this.#turn !== null) this.#turn.endedAt = now
    // What the callbacks start belongs to the next turn.
    this.#turn = null
    this.#callbacks = []
    for (const callback of callbacks) this.#call(callback, now)
  }

  /** A callback that throws is the process's uncaught exception, and no other one pays for it. */
  #call(callback: (now: number) => void, now: number): void {
    try {
      callback(now)
    } catch (error) {
      this.#clock.nextTurn(() => {
        throw error
      })
    }
  }
}
