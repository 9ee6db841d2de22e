import { failure, type TransportError } from '../base/errors.js'
import { WheelTimer } from '../base/timer-wheel.js'
import type { FrameReader } from '../wire/frame-reader.js'
import type { Environment } from './environment.js'

/** An incomplete frame is looked at this often. */
const LOOK_MS = 1_000
/** How long a slow start or a lost packet is forgiven before the least speed is asked for. */
const SPEED_GRACE_MS = 5_000

/**
 * Ends connections that feed a frame by the teaspoon. Costs nothing per frame: a timer is armed when a chunk ends
 * within a frame and none is armed, and looks whether it is still the same frame.
 */
export class FrameWatch {
  readonly #environment: Environment
  readonly #reader: FrameReader
  readonly #timer: WheelTimer
  #frame = -1
  #since = 0
  /** Number of the frame that is being read. */
  #current = 0

  constructor(environment: Environment, reader: FrameReader, onStalled: (error: TransportError) => void) {
    this.#environment = environment
    this.#reader = reader
    this.#timer = new WheelTimer(() => {
      const error = this.#look()
      if (error !== null) onStalled(error)
    })
  }

  /** A chunk was parsed; `framesSeen` frames have been completed so far. */
  onChunkEnd(framesSeen: number): void {
    this.#current = framesSeen
    if (this.#reader.partialBytes === 0 || this.#timer.armed) return
    this.#begin()
  }

  stop(): void {
    this.#environment.wheel.disarm(this.#timer)
  }

  #begin(): void {
    const { clock, wheel, limits } = this.#environment
    this.#frame = this.#current
    this.#since = clock.now()
    wheel.arm(this.#timer, Math.min(LOOK_MS, limits.frameMs))
  }

  #look(): TransportError | null {
    if (this.#reader.partialBytes === 0) return null
    if (this.#frame !== this.#current) {
      this.#begin()
      return null
    }
    const { clock, wheel, limits } = this.#environment
    const { partialBytes, expectedBytes } = this.#reader
    const elapsedMs = clock.now() - this.#since
    const allowedMs = Math.min(limits.frameMs, SPEED_GRACE_MS + (expectedBytes / limits.minFrameBytesPerSecond) * 1_000)
    if (elapsedMs >= allowedMs) {
      return failure(
        'frame-stalled',
        `a frame of ${expectedBytes} bytes has ${partialBytes} after ${Math.round(elapsedMs)} ms`,
        {
          details: { expectedBytes, partialBytes, elapsedMs },
        },
      )
    }
    wheel.arm(this.#timer, Math.min(LOOK_MS, allowedMs - elapsedMs))
    return null
  }
}
