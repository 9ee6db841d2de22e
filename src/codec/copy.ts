// Hot path: runs for every value of bytes that must not share memory with its message.

/** The class of Buffers; its constructor makes a view without the detour of `Buffer.prototype.subarray`. */
const FastBuffer = Reflect.get(Buffer, Symbol.species) as new (
  source: ArrayBufferLike,
  start: number,
  length: number,
) => Buffer

/** Up to here copying byte by byte takes less than making the view that `set` needs, and setting it: 80 ns. */
const LOOP_BYTES = 48

/** Copies begin at a multiple of this, so that none is slower for where it lies. */
const ALIGNMENT = 8

/**
 * Memory that copies share, as those of `Buffer.from` do: a view of it takes half the time of memory of one's own, and
 * a third of the garbage. The price is that one copy that is kept keeps the slab.
 */
class Slab {
  readonly #size: number
  #bytes: Buffer
  #memory: ArrayBufferLike
  #used = 0

  constructor(size: number) {
    this.#size = size
    this.#bytes = Buffer.allocUnsafeSlow(size)
    this.#memory = this.#bytes.buffer
  }

  /** A copy of `bytes[start, start + length)`. */
  copy(bytes: Uint8Array, start: number, length: number): Buffer {
    if (this.#used + length > this.#size) this.#renew()
    const at = this.#used
    const to = this.#bytes
    if (length <= LOOP_BYTES)
      for (let index = 0; index < length; index += 1) to[at + index] = bytes[start + index] as number
    else to.set(viewOf(bytes, start, length), at)
    this.#used = (at + length + ALIGNMENT - 1) & -ALIGNMENT
    return new FastBuffer(this.#memory, at, length)
  }

  #renew(): void {
    this.#bytes = Buffer.allocUnsafeSlow(this.#size)
    this.#memory = this.#bytes.buffer
    this.#used = 0
  }
}

/** Hashes and keys are what is kept: they keep no more than a copy by `Buffer.from` would (`Buffer.poolSize`). */
const SMALL_BYTES = 128
const smallSlab = new Slab(8 * 1024)

/** Up to here a larger slab: a kibibyte takes 0.35 µs instead of the 0.59 of memory of its own. */
const SHARED_BYTES = 4_096
const slab = new Slab(32 * 1024)

/** The memory of the last source. Asking a buffer for it takes as long as copying 32 bytes, and it is nearly always the same. */
let lastSource: Uint8Array = new Uint8Array(0)
let lastMemory = lastSource.buffer
let lastOffset = 0
/** A source that is larger than what sockets are read into is not kept alive by this. */
const KNOWN_BYTES = 64 * 1024

/** `bytes[start, end)` in memory of its own. */
export function copyOf(bytes: Uint8Array, start: number, end: number): Buffer {
  const length = end - start
  if (length <= SMALL_BYTES) return smallSlab.copy(bytes, start, length)
  if (length <= SHARED_BYTES) return slab.copy(bytes, start, length)
  const copy = Buffer.allocUnsafeSlow(length)
  copy.set(viewOf(bytes, start, length))
  return copy
}

/** A plain view, which is cheaper to make than a Buffer's `subarray`. */
function viewOf(bytes: Uint8Array, start: number, length: number): Uint8Array {
  if (bytes === lastSource) return new Uint8Array(lastMemory, lastOffset + start, length)
  const { buffer, byteOffset } = bytes
  if (bytes.length <= KNOWN_BYTES) {
    lastSource = bytes
    lastMemory = buffer
    lastOffset = byteOffset
  }
  return new Uint8Array(buffer, byteOffset + start, length)
}
