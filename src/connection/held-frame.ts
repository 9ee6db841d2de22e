import type { ByteWriter } from '../memory/byte-writer.js'
import {
  CALL_PREFIX_BYTES,
  endFrame,
  FLAG,
  HEADER_BYTES,
  KIND,
  LEAST_LENGTH,
  putU32,
  readU16,
  readU32,
  TOTAL_BYTES,
  writeU32,
} from '../wire/frame.js'
import { HeldBody } from './held-body.js'
import { laneOfFlags } from './message-flags.js'
import { SENDER, type Sender, type SenderTurn, type Writes } from './sender.js'
import type { Ticket } from './ticket.js'

/** The body of a part: whoever sends something more urgent waits for one of these. */
export const PART_BYTES = 64 * 1024

/** A frame whose time has not come: the socket is full, or it is too large to travel whole. */
export class HeldFrame implements Sender {
  readonly lane: number
  readonly #kind: number
  readonly #flags: number
  readonly #aux: number
  readonly #id: number
  readonly #body: HeldBody
  readonly #ticket: Ticket | null
  #sent = 0

  /** Takes the open frame out of `out`. */
  constructor(out: ByteWriter, ticket: Ticket | null) {
    const { recordStart: start, recordBytes: bytes } = out
    this.#kind = bytes[start + 4] as number
    this.#flags = bytes[start + 5] as number
    this.#aux = readU16(bytes, start + 6)
    this.#id = readU32(bytes, start + 8)
    this.lane = laneOfFlags(this.#flags)
    this.#body = HeldBody.of(out)
    this.#ticket = ticket
  }

  get bytes(): number {
    return HEADER_BYTES + this.#body.bytes
  }

  send(writes: Writes): SenderTurn {
    if (this.#ticket?.withdrawn === true) {
      if (this.#sent > 0) this.#part(writes, 0)
      return SENDER.DONE
    }
    this.#sayTimeLeft()
    const { wholeFrameBytes, maxFrameBytes } = writes
    const left = this.#body.bytes - this.#sent
    // A peer that takes no parts: its limit was kept when the frame was made.
    const whole = this.#sent === 0 && (wholeFrameBytes === 0 || LEAST_LENGTH + left <= wholeFrameBytes)
    const most = Math.min(PART_BYTES, maxFrameBytes - HEADER_BYTES - TOTAL_BYTES)
    if (!whole && left > most) {
      this.#part(writes, most)
      return SENDER.STAY
    }
    // What fits one part after all has no parts in front of it.
    const flags = this.#sent === 0 ? this.#flags : this.#flags | FLAG.MORE
    writes.beginControl(this.#kind, flags, this.#aux, this.#leave())
    this.#body.put(writes.out, this.#sent, this.#body.bytes)
    endFrame(writes.out)
    if (this.#ticket !== null) this.#ticket.endPosition = writes.endPosition
    writes.heldFrameEnded()
    return SENDER.DONE
  }

  /** A part says nothing but its lane; an empty one takes the message back. The last travels under the frame's header. */
  #part(writes: Writes, count: number): void {
    writes.beginControl(KIND.PART, this.lane << FLAG.LANE_SHIFT, 0, 0)
    if (this.#sent === 0) putU32(writes.out, this.#body.bytes)
    this.#body.put(writes.out, this.#sent, this.#sent + count)
    this.#sent += count
    endFrame(writes.out)
    writes.heldFrameEnded()
  }

  #leave(): number {
    return this.#ticket === null ? this.#id : this.#ticket.leave()
  }

  /** A call that waited has less time left than it had. */
  #sayTimeLeft(): void {
    if (this.#ticket === null || this.#sent > 0) return
    if (this.#kind !== KIND.CALL && this.#kind !== KIND.STREAM_OPEN) return
    if (this.#body.head.length >= CALL_PREFIX_BYTES) writeU32(this.#body.head, 0, this.#ticket.leftMs)
  }
}
