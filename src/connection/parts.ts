import { failure, type TransportError } from '../base/errors.js'
import { WheelTimer } from '../base/timer-wheel.js'
import { LANE_COUNT } from '../mailbox/lane.js'
import { readU32, TOTAL_BYTES } from '../wire/frame.js'
import type { Environment } from './environment.js'

/** A message of which not all parts have come. */
interface Joining {
  readonly body: Buffer
  bytes: number
  /** What had come at the last look; less than nothing before the first. */
  before: number
}

/** What the parts ask of whoever reads. */
export interface PartsOwner {
  /** Nobody reads just now: no part can come. */
  readonly paused: boolean
  onBroken(error: TransportError): void
}

/** Messages that come in parts, one at a time in each lane, until they are whole. */
export class Parts {
  readonly #environment: Environment
  readonly #owner: PartsOwner
  readonly #maxBytes: number
  readonly #timer: WheelTimer
  readonly #lanes = new Array<Joining | null>(LANE_COUNT).fill(null)

  /** `maxBytes` is the largest body of any message. */
  constructor(environment: Environment, owner: PartsOwner, maxBytes: number) {
    this.#environment = environment
    this.#owner = owner
    this.#maxBytes = maxBytes
    this.#timer = new WheelTimer(() => this.#look())
  }

  /** Takes a part in, borrowed. An empty one takes its message back. Returns what is wrong. */
  add(lane: number, bytes: Buffer, start: number, end: number): TransportError | null {
    const open = this.#lanes[lane] ?? null
    if (open !== null) {
      if (start < end) return append(open, bytes, start, end)
      this.#lanes[lane] = null
      return null
    }
    if (end - start <= TOTAL_BYTES) return failure('part-invalid', 'a first part without its total or without a byte')
    const total = readU32(bytes, start)
    if (total > this.#maxBytes) {
      return failure('part-invalid', `parts of a message of ${total} bytes, the limit is ${this.#maxBytes}`)
    }
    // Pages that nobody has written to take no memory yet: a claim alone costs nothing.
    const joining = { body: Buffer.allocUnsafeSlow(total), bytes: 0, before: Number.NEGATIVE_INFINITY }
    this.#lanes[lane] = joining
    this.#environment.wheel.arm(this.#timer, this.#environment.limits.frameMs)
    return append(joining, bytes, start + TOTAL_BYTES, end)
  }

  /** Takes the last part in. Returns the whole body, which is the caller's. */
  join(lane: number, bytes: Buffer, start: number, end: number): Buffer | TransportError {
    const open = this.#lanes[lane] ?? null
    if (open === null) return failure('part-invalid', 'the last part of a message that was never begun')
    this.#lanes[lane] = null
    const error = append(open, bytes, start, end)
    if (error !== null) return error
    return open.bytes === open.body.length ? open.body : failure('part-invalid', 'parts that come short of their total')
  }

  close(): void {
    this.#environment.wheel.disarm(this.#timer)
    this.#lanes.fill(null)
  }

  /** A message that came slower than `limits.minFrameBytesPerSecond` for `limits.frameMs` is not coming. */
  #look(): void {
    const { frameMs, minFrameBytesPerSecond } = this.#environment.limits
    const least = (minFrameBytesPerSecond * frameMs) / 1_000
    let open = false
    for (const joining of this.#lanes) {
      if (joining === null) continue
      const came = joining.bytes - joining.before
      if (came < Math.min(least, joining.body.length - joining.before) && !this.#owner.paused) {
        this.#owner.onBroken(failure('frame-stalled', `${came} bytes of a message in parts came in ${frameMs} ms`))
        return
      }
      joining.before = joining.bytes
      open = true
    }
    if (open) this.#environment.wheel.arm(this.#timer, frameMs)
  }
}

function append(joining: Joining, bytes: Buffer, start: number, end: number): TransportError | null {
  if (joining.bytes + (end - start) > joining.body.length) {
    return failure('part-invalid', `parts of more than the ${joining.body.length} bytes that were announced`)
  }
  bytes.copy(joining.body, joining.bytes, start, end)
  joining.bytes += end - start
  return null
}
