// Hot path: the floor of both encoders.
import { types } from 'node:util'
import { failure, TransportError } from '../base/errors.js'
import { type ByteWriter, REFERENCE_FROM_BYTES } from '../memory/byte-writer.js'

const NOTHING: Buffer = Buffer.alloc(0)
const NO_VIEW: DataView = new DataView(NOTHING.buffer, 0, 0)

/** Room for the odd value that does not fit the rest of a chunk. */
const SPARE_BYTES = 8192

/** Up to here a loop beats the call that copies bytes. */
const SHORT_COPY_BYTES = 40

/**
 * Writes one value at a time behind what the open record of a `ByteWriter` has already: straight into its chunk, so
 * that nothing is copied. What does not fit the chunk moves to memory of its own, which is copied back when it is
 * small and handed over when it is large. Large bytes at the end of a value stay where they are.
 */
export abstract class ValueWriter {
  protected bytes = NOTHING
  protected view = NO_VIEW
  /** Where the value begins in `bytes`, and up to where it is written. Moves: keep offsets from `start`. */
  protected start = 0
  protected at = 0
  /** Large bytes that end what is written so far, and are not copied yet because nothing may follow. */
  protected pending: Uint8Array | null = null
  /** Whether `bytes` is memory of ours because the chunk was too small. */
  #spilled = false
  #spare = Buffer.allocUnsafeSlow(SPARE_BYTES)
  #chunk = NOTHING
  #chunkView = NO_VIEW
  #busy = false

  protected begin(out: ByteWriter): void {
    // A getter or toJSON that encodes something else meanwhile: both would write to the same place.
    if (this.#busy) throw failure('encode-failed', 'a value cannot be encoded while another one is')
    this.#busy = true
    if (out.bytes !== this.#chunk) {
      this.#chunk = out.bytes
      this.#chunkView = new DataView(out.bytes.buffer, out.bytes.byteOffset, out.bytes.length)
    }
    this.bytes = this.#chunk
    this.view = this.#chunkView
    this.start = out.position
    this.at = out.position
    this.pending = null
    this.#spilled = false
  }

  /** Adds the value to the record. */
  protected finish(out: ByteWriter): void {
    this.#busy = false
    if (!this.#spilled) {
      out.position = this.at
      if (this.pending !== null) out.put(this.pending)
      return
    }
    if (this.at >= REFERENCE_FROM_BYTES) this.settle()
    const { at, bytes } = this
    if (at < REFERENCE_FROM_BYTES) {
      out.copy(bytes, 0, at)
      if (this.pending !== null) out.put(this.pending)
      return
    }
    // By reference until it is written: from here on this memory is not ours.
    out.put(bytes.subarray(0, at))
    if (bytes === this.#spare) this.#spare = Buffer.allocUnsafeSlow(SPARE_BYTES)
  }

  /** Forgets the value, of which the record has nothing yet. Gives the error for whoever wanted it encoded. */
  protected abandon(cause: unknown): TransportError {
    this.#busy = false
    if (cause instanceof TransportError) return cause
    return failure('encode-failed', `the value cannot be encoded: ${described(cause)}`, { cause })
  }

  /** Makes sure that `count` more bytes fit. */
  protected room(count: number): void {
    if (this.at + count > this.bytes.length) this.#spill(count)
  }

  #spill(count: number): void {
    const used = this.at - this.start
    const needed = used + count
    const fits = !this.#spilled && needed <= SPARE_BYTES
    const to = fits ? this.#spare : Buffer.allocUnsafeSlow(Math.max(needed + SPARE_BYTES, needed * 2))
    this.bytes.copy(to, 0, this.start, this.at)
    this.bytes = to
    this.view = new DataView(to.buffer, to.byteOffset, to.length)
    this.start = 0
    this.at = used
    this.#spilled = true
  }

  /** Adds bytes of which the head is written. */
  protected content(source: Uint8Array, maybeLast: boolean): void {
    const { length } = source
    if (maybeLast && length >= REFERENCE_FROM_BYTES) {
      this.pending = source
      return
    }
    this.room(length)
    const at = this.at
    if (length <= SHORT_COPY_BYTES) {
      const { view } = this
      // In bounds: the loop ends with the source.
      for (let index = 0; index < length; index += 1) view.setUint8(at + index, source[index] as number)
    } else {
      this.bytes.set(source, at)
    }
    this.at = at + length
  }

  /** Copies the large bytes that something follows after all. */
  protected settle(): void {
    const { pending } = this
    if (pending === null) return
    this.pending = null
    this.content(pending, false)
  }
}

function described(cause: unknown): string {
  // The text is the user's own: of a getter, a toJSON, or the engine's about a stack that is too deep.
  return types.isNativeError(cause) ? cause.message : String(cause)
}
