import type { TransportError } from '../base/errors.js'
import { WheelTimer } from '../base/timer-wheel.js'
import type { ByteChannel, ChannelReceiver } from '../socket/channel.js'
import { encodeFault } from '../wire/fault.js'
import { HEADER_BYTES, KIND, LENGTH_BYTES } from '../wire/frame.js'
import { preface } from '../wire/preface.js'
import { faultOf } from './control-frames.js'
import type { Environment } from './environment.js'

/** How long the peer has to take its refusal. */
const LINGER_MS = 1_000

/** Tells a peer why it may not come in, and reads nothing of what it says. */
export class Refusal implements ChannelReceiver {
  readonly #channel: ByteChannel
  readonly #environment: Environment
  readonly #onGone: () => void
  readonly #timer: WheelTimer

  constructor(channel: ByteChannel, error: TransportError, environment: Environment, onGone: () => void) {
    this.#channel = channel
    this.#environment = environment
    this.#onGone = onGone
    this.#timer = new WheelTimer(() => channel.destroy())
    environment.wheel.arm(this.#timer, LINGER_MS)
    channel.receive(this)
    channel.write(Buffer.concat([preface(), goAway(error)]))
    channel.end()
  }

  destination(): null {
    return null
  }

  /** Read all the same: bytes that are left unread would reset the connection before the refusal is there. */
  onBytes(): void {}

  onWritten(): void {}

  onEnd(): void {}

  onClosed(): void {
    this.#environment.wheel.disarm(this.#timer)
    this.#onGone()
  }

  destroy(): void {
    this.#channel.destroy()
  }
}

function goAway(error: TransportError): Buffer {
  const body = encodeFault(faultOf(error))
  const frame = Buffer.alloc(HEADER_BYTES)
  frame.writeUInt32LE(HEADER_BYTES - LENGTH_BYTES + body.length, 0)
  frame.writeUInt8(KIND.GO_AWAY, 4)
  frame.writeUInt16LE(error.statusNumber, 6)
  return Buffer.concat([frame, body])
}
