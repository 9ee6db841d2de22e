// Hot path: runs for every message sent. Plain, monomorphic, allocation-free but for one segment per write.
import type { BufferPool } from './buffer-pool.js'
import { Ring } from './ring.js'

/**
 * From this size on a value travels as the buffer it came in, behind its header in one gathered write; below, it is
 * copied behind the header. Copying 4 KiB costs about what a second iovec and its bookkeeping cost.
 */
export const REFERENCE_FROM_BYTES = 4096

/** Up to here copying byte by byte takes less than the 40 ns of a call of `set`. */
const LOOP_BYTES = 20

/** Called by itself: looking it up on a Buffer takes the engine another 12 ns. */
const { set } = Uint8Array.prototype

const NOTHING = Buffer.alloc(0)

/** A pooled buffer being filled, with the number of segments and writers that still need it. */
class Chunk {
  readonly buffer: Buffer
  users = 1

  constructor(buffer: Buffer) {
    this.buffer = buffer
  }
}

/** A run of bytes ready for the socket. Whoever takes it calls `ByteWriter.written` when the socket is done with it. */
export class Segment {
  readonly bytes: Uint8Array
  readonly chunk: Chunk | null

  constructor(bytes: Uint8Array, chunk: Chunk | null) {
    this.bytes = bytes
    this.chunk = chunk
  }
}

/**
 * Bytes on their way out: pooled chunks filled from front to back, and large values by reference in between. One
 * record (a frame) is open at a time; it can be moved to a fresh chunk, patched and taken back until it is closed.
 */
export class ByteWriter {
  /** The chunk being filled. Write at `position` only after `ensure`. */
  bytes: Buffer = NOTHING
  position = 0
  /** Where the open record begins, in `recordBytes`. */
  recordStart = 0
  recordBytes: Buffer = NOTHING
  /** Bytes of the open record that are held by reference. */
  referencedBytes = 0
  /** Bytes copied from one buffer to another since the beginning; for the copy account of the transport. */
  copiedBytes = 0
  readonly #pool: BufferPool
  readonly #segments = new Ring<Segment>()
  /** The value of the open record that is held by reference: at most one, and it ends the record. */
  #reference: Uint8Array | null = null
  #chunk: Chunk | null = null
  /** Up to here the chunk is in segments already. */
  #sealed = 0
  #segmentBytes = 0

  constructor(pool: BufferPool) {
    this.#pool = pool
  }

  /** Bytes of closed records that nobody took yet. */
  get pendingBytes(): number {
    return this.#segmentBytes + this.position - this.#sealed
  }

  /** Starts a record of which at least `headBytes` are about to be written. */
  open(headBytes: number): void {
    if (this.position + headBytes > this.bytes.length) this.#nextChunk()
    this.recordStart = this.position
    this.recordBytes = this.bytes
  }

  /** Makes room for `count` more bytes at `position`; the open record may move to another chunk. */
  ensure(count: number): void {
    if (this.position + count > this.bytes.length) this.#moveRecord(count)
  }

  /** Adds bytes to the open record: small ones are copied, large ones kept by reference until written. */
  put(source: Uint8Array): void {
    if (source.length >= REFERENCE_FROM_BYTES) {
      this.#reference = source
      this.referencedBytes = source.length
      return
    }
    this.copy(source, 0, source.length)
  }

  /** Copies `source[start, end)` into the open record. At most a chunk's size. */
  copy(source: Uint8Array, start: number, end: number): void {
    const length = end - start
    this.ensure(length)
    this.copiedBytes += length
    const { bytes, position } = this
    if (length <= LOOP_BYTES) {
      for (let index = 0; index < length; index += 1) bytes[position + index] = source[start + index] as number
    } else {
      set.call(bytes, length === source.length ? source : source.subarray(start, end), position)
    }
    this.position = position + length
  }

  /** The value kept by reference in the open record, if there is one. */
  get reference(): Uint8Array | null {
    return this.#reference
  }

  /** Takes back what the open record has from `position` on, references included. */
  truncate(position: number): void {
    this.position = position
    this.#reference = null
    this.referencedBytes = 0
  }

  /** Ends the open record: it can be taken from now on and no longer be patched. */
  close(): void {
    if (this.#reference === null) return
    const reference = this.#reference
    this.#seal()
    this.#segments.push(new Segment(reference, null))
    this.#segmentBytes += reference.length
    this.#reference = null
    this.referencedBytes = 0
  }

  /** The next run of bytes for the socket, or undefined when there is none. No record may be open. */
  take(): Segment | undefined {
    if (this.#segments.length === 0) this.#seal()
    const segment = this.#segments.shift()
    if (segment !== undefined) this.#segmentBytes -= segment.bytes.length
    return segment
  }

  /** Gives a segment's memory back. Every taken segment comes here exactly once. */
  written(segment: Segment): void {
    if (segment.chunk !== null) this.#leave(segment.chunk)
  }

  /** Gives the chunk back while there is nothing to send: an idle connection holds no buffer. */
  rest(): void {
    if (this.pendingBytes === 0) this.#dropChunk()
  }

  /** Forgets everything that nobody took. Segments that were taken still come back through `written`. */
  clear(): void {
    this.truncate(this.position)
    for (let segment = this.#segments.shift(); segment !== undefined; segment = this.#segments.shift()) {
      this.written(segment)
    }
    this.#segmentBytes = 0
    this.#dropChunk()
  }

  #seal(): void {
    const chunk = this.#chunk
    if (chunk === null || this.position === this.#sealed) return
    chunk.users += 1
    this.#segments.push(new Segment(this.bytes.subarray(this.#sealed, this.position), chunk))
    this.#segmentBytes += this.position - this.#sealed
    this.#sealed = this.position
  }

  #moveRecord(count: number): void {
    const start = this.recordStart
    const moved = this.position - start
    const from = this.bytes
    // Before anything is touched, so that the owner can still truncate the record or go on with it.
    if (moved + count > this.#pool.bufferBytes) {
      throw new RangeError(`a record of ${moved + count} inline bytes does not fit a chunk`)
    }
    this.position = start
    const chunk = this.#chunk
    // The old chunk must outlive the copy even when nothing else of it is waiting.
    if (chunk !== null) chunk.users += 1
    this.#nextChunk()
    from.copy(this.bytes, 0, start, start + moved)
    if (chunk !== null) this.#leave(chunk)
    this.copiedBytes += moved
    this.position = moved
    this.recordStart = 0
    this.recordBytes = this.bytes
  }

  #nextChunk(): void {
    this.#seal()
    this.#dropChunk()
    this.#chunk = new Chunk(this.#pool.acquire())
    this.bytes = this.#chunk.buffer
  }

  #dropChunk(): void {
    if (this.#chunk !== null) this.#leave(this.#chunk)
    this.#chunk = null
    this.bytes = NOTHING
    this.recordBytes = NOTHING
    this.recordStart = 0
    this.position = 0
    this.#sealed = 0
  }

  #leave(chunk: Chunk): void {
    chunk.users -= 1
    if (chunk.users === 0) this.#pool.release(chunk.buffer)
  }
}
