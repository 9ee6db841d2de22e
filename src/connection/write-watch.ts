import { WheelTimer } from '../base/timer-wheel.js'
import type { ByteChannel } from '../socket/channel.js'
import type { Environment } from './environment.js'

/**
 * Ends connections whose peer takes nothing of what waits for it. Armed while the socket is full, so it costs nothing
 * per write. One write may be under way for longer than the limit: progress is any byte of it.
 */
export class WriteWatch {
  readonly #channel: ByteChannel
  readonly #environment: Environment
  readonly #timer: WheelTimer
  #unsentBytes = 0

  constructor(channel: ByteChannel, environment: Environment, onStalled: () => void) {
    this.#channel = channel
    this.#environment = environment
    this.#timer = new WheelTimer(() => {
      if (this.#channel.unsentBytes < this.#unsentBytes) this.start()
      else onStalled()
    })
  }

  /** From now on the peer has its time. */
  start(): void {
    const { wheel, limits } = this.#environment
    this.#unsentBytes = this.#channel.unsentBytes
    wheel.arm(this.#timer, limits.writeStallMs)
  }

  stop(): void {
    this.#environment.wheel.disarm(this.#timer)
  }
}
