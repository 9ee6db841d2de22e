import { WheelTimer } from '../base/timer-wheel.js'
import type { ByteChannel } from '../socket/channel.js'
import type { Environment } from './environment.js'

/** Progress is looked for so often in the time without any: the end comes at most a tenth of that late. */
const LOOKS = 10

/**
 * Ends connections whose peer takes nothing of what waits for it. Armed while the socket is full, so it costs nothing
 * per write. One write may be under way for longer than the limit: progress is any byte of it.
 */
export class WriteWatch {
  readonly #channel: ByteChannel
  readonly #environment: Environment
  readonly #timer: WheelTimer
  #unsentBytes = 0
  #progressAt = 0

  constructor(channel: ByteChannel, environment: Environment, onStalled: () => void) {
    this.#channel = channel
    this.#environment = environment
    this.#timer = new WheelTimer(() => {
      if (this.#channel.unsentBytes < this.#unsentBytes) this.start()
      else if (this.#leftMs > 0) this.#arm()
      else onStalled()
    })
  }

  /** From now on the peer has its time. */
  start(): void {
    this.#unsentBytes = this.#channel.unsentBytes
    this.#progressAt = this.#environment.clock.now()
    this.#arm()
  }

  stop(): void {
    this.#environment.wheel.disarm(this.#timer)
  }

  get #leftMs(): number {
    const { clock, limits } = this.#environment
    return this.#progressAt + limits.writeStallMs - clock.now()
  }

  #arm(): void {
    const { wheel, limits } = this.#environment
    wheel.arm(this.#timer, Math.min(this.#leftMs, limits.writeStallMs / LOOKS))
  }
}
