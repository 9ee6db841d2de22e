import { group, integer, type OutputOf } from '../base/options.js'

export const throttleRules = group({
  /** How far back a client looks. What it does against a server that has recovered is over in twice that. */
  windowMs: integer(2_000, 100, 600_000),
  /** Refused here are so many calls more than this many times those that the server took. */
  callsPerAccepted: integer(2, 2, 100),
  /** The rest always goes out, to see how the server is. 0 turns this off. */
  maxRefusedPercent: integer(90, 0, 99),
})

export type ThrottleOptions = OutputOf<typeof throttleRules>

/** The window moves on in this many steps. */
const STEPS = 10
/** So many calls in a window may be refused before anything is concluded from it. */
const SLACK_CALLS = 10

/**
 * Whether a client should keep calls to itself because their server would only refuse them ("adaptive throttling",
 * Beyer et al., Site Reliability Engineering, 2016, chapter 21): refusing costs a server as well, and one that has too
 * much to do cannot afford it. With R calls of which the server took A, a call is kept back with the probability
 * (R - K * A) / (R + 1). It counts only from the first refusal until a window without one has passed: in good days it
 * is one comparison a call. Arithmetic only.
 */
export class Throttle {
  readonly #options: ThrottleOptions
  readonly #calls = new Uint32Array(STEPS)
  readonly #failed = new Uint32Array(STEPS)
  #step = 0
  #quietFrom = Number.NEGATIVE_INFINITY
  /** Something was refused within the window. */
  active = false

  constructor(options: ThrottleOptions) {
    this.#options = options
  }

  /** Counts a call, and says whether it may go out. `chance` is uniform in [0, 1). Ask only while `active`. */
  admit(now: number, chance: number): boolean {
    this.#moveTo(now)
    if (!this.active) return true
    const calls = sum(this.#calls)
    const accepted = Math.max(0, calls - sum(this.#failed))
    const { callsPerAccepted, maxRefusedPercent } = this.#options
    const refuse = (calls - SLACK_CALLS - callsPerAccepted * accepted) / (calls + 1)
    const at = this.#step % STEPS
    this.#calls[at] = (this.#calls[at] as number) + 1
    if (chance >= Math.min(refuse, maxRefusedPercent / 100)) return true
    this.#failed[at] = (this.#failed[at] as number) + 1
    return false
  }

  /** The server refused a call because it has too much to do. */
  refused(now: number): void {
    if (this.#options.maxRefusedPercent === 0) return
    this.#moveTo(now)
    const at = this.#step % STEPS
    // Those that left in good days were not counted then.
    if (sum(this.#calls) <= sum(this.#failed)) this.#calls[at] = (this.#calls[at] as number) + 1
    this.active = true
    this.#failed[at] = (this.#failed[at] as number) + 1
    this.#quietFrom = now + this.#options.windowMs
  }

  /** Forgets the steps that have left the window. */
  #moveTo(now: number): void {
    const step = Math.floor((now * STEPS) / this.#options.windowMs)
    const forget = Math.min(STEPS, step - this.#step)
    for (let passed = 1; passed <= forget; passed += 1) {
      const at = (this.#step + passed) % STEPS
      this.#calls[at] = 0
      this.#failed[at] = 0
    }
    this.#step = step
    if (!this.active || now < this.#quietFrom) return
    this.active = false
    this.#calls.fill(0)
    this.#failed.fill(0)
  }
}

function sum(counts: Uint32Array): number {
  let total = 0
  for (const count of counts) total += count
  return total
}
