// Hot path: runs for every chunk and every frame received. Plain, monomorphic, allocation-free for small frames.
import { failure, type TransportError } from '../base/errors.js'
import type { BufferPool } from '../memory/buffer-pool.js'
import { HEADER_BYTES, LEAST_LENGTH, LENGTH_BYTES, readU16, readU32 } from './frame.js'

export interface FrameSink {
  /**
   * One whole frame, its body in `bytes[start, end)`. The bytes are borrowed until the call returns, unless `owned`
   * gives them away. Returns false to stop reading after this frame.
   */
  onFrame(
    kind: number,
    flags: number,
    aux: number,
    id: number,
    bytes: Buffer,
    start: number,
    end: number,
    owned: boolean,
  ): boolean
  /** The bytes are not frames. Nothing more is read. */
  onBadFrame(error: TransportError): void
}

const NOTHING = Buffer.alloc(0)

/** Where headers are read that come alone. All readers share it: what is read is looked at before the next read. */
const HEADER = Buffer.alloc(HEADER_BYTES)

/**
 * Cuts a stream of bytes into frames, wherever the chunks end. Frames that lie whole in a chunk are parsed in place.
 * A small frame across chunks is gathered in a pooled buffer; a large one gets a buffer of its own once, which the
 * socket may fill directly (`destination`) and which is given away with the frame.
 */
export class FrameReader {
  /** The largest `length` accepted; raised when the handshake is over. */
  maxFrameBytes: number
  /** Bytes copied between buffers, for the copy account of the transport. */
  copiedBytes = 0
  readonly #sink: FrameSink
  readonly #pool: BufferPool
  #carry: Buffer = NOTHING
  #carried = 0
  /** The body being filled, and the header that came before it. */
  #body: Buffer | null = null
  #filled = 0
  #bodyKind = 0
  #bodyFlags = 0
  #bodyAux = 0
  #bodyId = 0
  #destination: Buffer | null = null
  /** The last frame had a body of its own. */
  #behindLarge = false
  #going = true

  constructor(sink: FrameSink, pool: BufferPool, maxFrameBytes: number) {
    this.#sink = sink
    this.#pool = pool
    this.maxFrameBytes = maxFrameBytes
  }

  /** Bytes of an incomplete frame held now; 0 between frames. */
  get partialBytes(): number {
    return this.#body === null ? this.#carried : HEADER_BYTES + this.#filled
  }

  /** How many bytes the incomplete frame will have, as far as its length is known. */
  get expectedBytes(): number {
    if (this.#body !== null) return HEADER_BYTES + this.#body.length
    return this.#carried >= LENGTH_BYTES ? LENGTH_BYTES + readU32(this.#carry, 0) : HEADER_BYTES
  }

  /**
   * Where the next bytes are best read to: into the large body being filled, or null for anywhere. Behind a large frame
   * the header of the next is read alone: where that is large as well, its body then comes straight to its place, and is
   * not copied out of a chunk that ends a few bytes before it does.
   */
  destination(): Buffer | null {
    if (this.#body === null) return this.#behindLarge && this.#carried === 0 ? HEADER : null
    this.#destination = this.#body.subarray(this.#filled)
    return this.#destination
  }

  /** Parses `chunk[from, to)` and returns where it stopped: at `to`, unless the sink said so or the bytes are bad. */
  read(chunk: Buffer, from: number, to: number): number {
    let at = from
    this.#going = true
    while (at < to && this.#going) {
      if (this.#body !== null) at = this.#fillBody(this.#body, chunk, at, to)
      else if (this.#carried > 0) at = this.#fillCarry(chunk, at, to)
      else at = this.#parse(chunk, at, to)
    }
    return at
  }

  /** Gives buffers back. What was incomplete is lost. */
  close(): void {
    this.#going = false
    this.#dropCarry()
    this.#body = null
    this.#destination = null
  }

  /** Whole frames, in place. What is left at the end starts a carry or a body. */
  #parse(chunk: Buffer, from: number, to: number): number {
    let at = from
    this.#behindLarge = false
    while (to - at >= HEADER_BYTES) {
      const length = readU32(chunk, at)
      if (length < LEAST_LENGTH || length > this.maxFrameBytes) return this.#refuse(length, at)
      const end = at + LENGTH_BYTES + length
      if (end > to) return this.#begin(chunk, at, to, length)
      const kind = chunk[at + 4] as number
      const flags = chunk[at + 5] as number
      if (
        !this.#sink.onFrame(
          kind,
          flags,
          readU16(chunk, at + 6),
          readU32(chunk, at + 8),
          chunk,
          at + HEADER_BYTES,
          end,
          false,
        )
      ) {
        this.#going = false
        return end
      }
      at = end
    }
    if (at === to) return at
    if (to - at >= LENGTH_BYTES) {
      const length = readU32(chunk, at)
      if (length < LEAST_LENGTH || length > this.maxFrameBytes) return this.#refuse(length, at)
    }
    return this.#stash(chunk, at, to)
  }

  /** A frame whose header is here and whose end is not. */
  #begin(chunk: Buffer, at: number, to: number, length: number): number {
    if (LENGTH_BYTES + length <= this.#pool.bufferBytes) return this.#stash(chunk, at, to)
    this.#startBody(chunk, at, length)
    return at + HEADER_BYTES
  }

  #stash(chunk: Buffer, at: number, to: number): number {
    if (this.#carry === NOTHING) this.#carry = this.#pool.acquire()
    const end = Math.min(to, at + this.#carry.length - this.#carried)
    chunk.copy(this.#carry, this.#carried, at, end)
    this.#carried += end - at
    this.copiedBytes += end - at
    return end
  }

  #fillCarry(chunk: Buffer, from: number, to: number): number {
    const goal = this.#carryGoal()
    const at = this.#stash(chunk, from, Math.min(to, from + goal - this.#carried))
    if (this.#carried < goal) return at
    const length = readU32(this.#carry, 0)
    if (goal === LENGTH_BYTES) {
      return length < LEAST_LENGTH || length > this.maxFrameBytes ? this.#refuse(length, at) : at
    }
    if (goal === HEADER_BYTES && LENGTH_BYTES + length > this.#carry.length) {
      this.#startBody(this.#carry, 0, length)
      this.#dropCarry()
      return at
    }
    if (this.#carried === LENGTH_BYTES + length) this.#deliverCarry()
    return at
  }

  /** The next count of carried bytes at which there is something to decide. */
  #carryGoal(): number {
    if (this.#carried < LENGTH_BYTES) return LENGTH_BYTES
    if (this.#carried < HEADER_BYTES) return HEADER_BYTES
    return LENGTH_BYTES + readU32(this.#carry, 0)
  }

  #deliverCarry(): void {
    const carry = this.#carry
    const end = this.#carried
    // The next frame may begin in this very call, so the carry is ours again before the sink runs.
    this.#carry = NOTHING
    this.#carried = 0
    const kind = carry[4] as number
    const flags = carry[5] as number
    this.#going =
      this.#sink.onFrame(kind, flags, readU16(carry, 6), readU32(carry, 8), carry, HEADER_BYTES, end, false) &&
      this.#going
    this.#pool.release(carry)
  }

  #dropCarry(): void {
    if (this.#carry !== NOTHING) this.#pool.release(this.#carry)
    this.#carry = NOTHING
    this.#carried = 0
  }

  #startBody(header: Buffer, at: number, length: number): void {
    this.#bodyKind = header[at + 4] as number
    this.#bodyFlags = header[at + 5] as number
    this.#bodyAux = readU16(header, at + 6)
    this.#bodyId = readU32(header, at + 8)
    this.#body = Buffer.allocUnsafeSlow(length - LEAST_LENGTH)
    this.#filled = 0
  }

  #fillBody(body: Buffer, chunk: Buffer, from: number, to: number): number {
    const count = Math.min(to - from, body.length - this.#filled)
    if (chunk !== this.#destination) {
      chunk.copy(body, this.#filled, from, from + count)
      this.copiedBytes += count
    }
    this.#filled += count
    if (this.#filled === body.length) {
      this.#body = null
      this.#destination = null
      this.#behindLarge = true
      this.#going =
        this.#sink.onFrame(this.#bodyKind, this.#bodyFlags, this.#bodyAux, this.#bodyId, body, 0, body.length, true) &&
        this.#going
    }
    return from + count
  }

  #refuse(length: number, at: number): number {
    this.#going = false
    this.#sink.onBadFrame(
      length < LEAST_LENGTH
        ? failure('frame-too-small', `a frame says it is ${length} bytes long, the least is ${LEAST_LENGTH}`)
        : failure('frame-too-large', `a frame says it is ${length} bytes long, the limit is ${this.maxFrameBytes}`, {
            details: { length, limit: this.maxFrameBytes },
          }),
    )
    return at
  }
}
