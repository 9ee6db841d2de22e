import { WheelTimer } from '../base/timer-wheel.js'
import { TokenBucket } from '../base/token-bucket.js'
import { Ring } from '../memory/ring.js'
import type { Environment } from './environment.js'

/** Something of ours that nobody waits for any more, and that the peer works on. */
export interface Cancel {
  /** It has not ended by itself meanwhile. */
  readonly wanted: () => boolean
  readonly tell: () => void
}

/**
 * What of our calls and streams is cancelled, told at the speed that the peer certainly takes, if its limits are ours: who
 * cancels faster has the connection closed, and everything on it lost. One that has to wait keeps its place with the
 * peer, so no more of them wait than may be open.
 */
export class Cancels {
  readonly #environment: Environment
  readonly #bucket: TokenBucket
  /** Made when one has to wait. */
  #waiting: Ring<Cancel> | null = null
  #timer: WheelTimer | null = null

  constructor(environment: Environment) {
    const { limits, clock } = environment
    this.#environment = environment
    // Half of what the peer takes at once: what we send over a while comes at once to a peer that was busy.
    this.#bucket = new TokenBucket(limits.cancelBurst / 2, limits.cancelsPerSecond, clock.now())
  }

  /** Tells the peer now, or as soon as it takes another. `orNever`: where it has to wait it need not be told at all. */
  say(cancel: Cancel, orNever: boolean): void {
    const waits = this.#waiting !== null && this.#waiting.length > 0
    if (!waits && this.#bucket.take(1, this.#environment.clock.now())) cancel.tell()
    else if (!orNever) this.#wait(cancel)
  }

  /** The connection is closed: the peer knows. */
  close(): void {
    this.#waiting = null
    if (this.#timer !== null) this.#environment.wheel.disarm(this.#timer)
  }

  #wait(cancel: Cancel): void {
    this.#waiting ??= new Ring()
    this.#waiting.push(cancel)
    this.#timer ??= new WheelTimer(() => this.#goOn())
    if (!this.#timer.armed) this.#arm(this.#timer)
  }

  #arm(timer: WheelTimer): void {
    const { wheel, limits } = this.#environment
    wheel.arm(timer, 1_000 / limits.cancelsPerSecond)
  }

  #goOn(): void {
    const { clock } = this.#environment
    for (let next = this.#waiting?.peek(); next !== undefined; next = this.#waiting?.peek()) {
      const wanted = next.wanted()
      if (wanted && !this.#bucket.take(1, clock.now())) break
      this.#waiting?.shift()
      if (wanted) next.tell()
    }
    if (this.#timer !== null && (this.#waiting?.length ?? 0) > 0) this.#arm(this.#timer)
  }
}
