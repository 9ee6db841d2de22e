// Hot path: the floor of both encoders.
import { types } from 'node:util'
import { failure, TransportError } from '../base/errors.js'
import { type ByteWriter, REFERENCE_FROM_BYTES } from '../memory/byte-writer.js'

const NOTHING: Buffer = Buffer.alloc(0)
const NO_VIEW: DataView = new DataView(NOTHING.buffer, 0, 0)

/** Memory for the odd value that does not fit the rest of a chunk. */
const SPARE_BYTES = 2 * REFERENCE_FROM_BYTES

/** Up to here a loop beats the call that copies bytes. */
const SHORT_COPY_BYTES = 12

/**
 * Writes one value at a time behind what the open record of a `ByteWriter` has already: straight into its chunk, so
 * that a small value is never copied. A value that grows large, or does not fit the rest of the chunk, moves to
 * memory of its own once; that is handed over by reference when the value is large, and copied back when it is not.
 */
export abstract class ValueWriter {
  protected target = NOTHING
  protected view = NO_VIEW
  /** Where the value begins in `target`, and up to where it is written. Both move: keep offsets from `start`. */
  protected start = 0
  protected at = 0
  /** How far `at` may go before the value must move. */
  #limit = 0
  /** Whether `target` is memory of ours. */
  #moved = false
  #spare = Buffer.allocUnsafeSlow(SPARE_BYTES)
  #chunk = NOTHING
  #chunkView = NO_VIEW
  #busy = false

  protected begin(out: ByteWriter): void {
    // A getter or toJSON that encodes something else meanwhile: both would write to the same place.
    if (this.#busy) throw failure('encode-failed', 'a value cannot be encoded while another one is')
    this.#busy = true
    const { bytes, position } = out
    if (bytes !== this.#chunk) {
      this.#chunk = bytes
      this.#chunkView = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    }
    this.target = bytes
    this.view = this.#chunkView
    this.start = position
    this.at = position
    this.#limit = Math.min(bytes.length, position + REFERENCE_FROM_BYTES - 1)
    this.#moved = false
  }

  /** Adds the value to the record. */
  protected finish(out: ByteWriter): void {
    this.#busy = false
    const { at, target } = this
    if (!this.#moved) {
      out.position = at
    } else if (at < REFERENCE_FROM_BYTES) {
      out.copy(target, 0, at)
    } else {
      // By reference until it is written: from here on this memory is not ours.
      out.put(target.subarray(0, at))
      if (target === this.#spare) this.#spare = Buffer.allocUnsafeSlow(SPARE_BYTES)
      this.target = NOTHING
      this.view = NO_VIEW
    }
  }

  /** Forgets the value, of which the record has nothing yet. Gives the error for whoever wanted it encoded. */
  protected abandon(cause: unknown): TransportError {
    this.#busy = false
    this.target = NOTHING
    this.view = NO_VIEW
    if (cause instanceof TransportError && cause.reason === 'encode-failed') return cause
    // The text is the user's own, of a getter or toJSON, or the engine's of a stack that is too deep.
    const text = types.isNativeError(cause) ? cause.message : String(cause)
    return failure('encode-failed', `the value cannot be encoded: ${text}`, { cause })
  }

  /** Makes sure that `count` more bytes fit at `at`. */
  protected room(count: number): void {
    if (this.at + count > this.#limit) this.#move(count)
  }

  #move(count: number): void {
    const used = this.at - this.start
    const needed = used + count
    const fits = !this.#moved && needed <= SPARE_BYTES
    const to = fits ? this.#spare : Buffer.allocUnsafeSlow(needed * 2)
    this.target.copy(to, 0, this.start, this.at)
    this.target = to
    this.view = new DataView(to.buffer, to.byteOffset, to.length)
    this.start = 0
    this.at = used
    this.#limit = to.length
    this.#moved = true
  }

  /** Adds bytes as they are. */
  protected content(source: Uint8Array): void {
    const { length } = source
    this.room(length)
    const { at } = this
    if (length <= SHORT_COPY_BYTES) {
      const { view } = this
      // In bounds: the loop ends with the source.
      for (let index = 0; index < length; index += 1) view.setUint8(at + index, source[index] as number)
    } else {
      this.target.set(source, at)
    }
    this.at = at + length
  }
}
