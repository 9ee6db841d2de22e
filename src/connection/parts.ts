import { failure, type TransportError } from '../base/errors.js'
import { WheelTimer } from '../base/timer-wheel.js'
import { LANE_COUNT } from '../mailbox/lane.js'
import { readU32, TOTAL_BYTES } from '../wire/frame.js'
import type { Environment } from './environment.js'

/** The least room that a message in parts begins with. */
const LEAST_BYTES = 1_024
/** A message has all the room that it claims once one byte in so many has come: with parts of 64 KiB, 2 MiB at once. */
const EARNED = 32

/** A message of which not all parts have come. */
interface Joining {
  /** What its first part says that all of them come to. */
  readonly total: number
  /** As long as the total once that is earned; from then on it is the body. */
  room: Buffer
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
    const first = end - start - TOTAL_BYTES
    if (first > total) return beyond(total)
    const joining = { total, room: roomFor(first, total), bytes: 0, before: Number.NEGATIVE_INFINITY }
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
    return open.bytes === open.total ? open.room : failure('part-invalid', 'parts that come short of their total')
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
      if (came < Math.min(least, joining.total - joining.before) && !this.#owner.paused) {
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
  const after = joining.bytes + (end - start)
  if (after > joining.total) return beyond(joining.total)
  if (after > joining.room.length) {
    const room = roomFor(after, joining.total)
    joining.room.copy(room, 0, 0, joining.bytes)
    joining.room = room
  }
  bytes.copy(joining.room, joining.bytes, start, end)
  joining.bytes = after
  return null
}

/**
 * Room for what has come of a message. A claim alone costs nothing: who claims 4 MiB, sends a byte and takes it back, over
 * and over, would have us make and drop so much each time. So the room doubles with what has come, until that is enough
 * of the claim for the rest to cost less than reading it did. All the copying together is a tenth of the message at most.
 */
function roomFor(bytes: number, total: number): Buffer {
  if (bytes * EARNED >= total) return Buffer.allocUnsafeSlow(total)
  return Buffer.allocUnsafeSlow(Math.min(total, Math.max(LEAST_BYTES, 2 ** Math.ceil(Math.log2(bytes)))))
}

function beyond(total: number): TransportError {
  return failure('part-invalid', `parts of more than the ${total} bytes that were announced`)
}
