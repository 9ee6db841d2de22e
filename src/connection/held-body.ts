import type { ByteWriter } from '../memory/byte-writer.js'
import { abandonFrame, HEADER_BYTES } from '../wire/frame.js'

/** The body of a frame that was encoded and cannot leave yet: a copy of its inline bytes, and what was kept by reference. */
export class HeldBody {
  readonly head: Buffer
  readonly reference: Uint8Array | null

  private constructor(head: Buffer, reference: Uint8Array | null) {
    this.head = head
    this.reference = reference
  }

  /** Takes the body of the open frame out of `out`. */
  static of(out: ByteWriter): HeldBody {
    const { reference } = out
    const head = Buffer.from(out.bytes.subarray(out.recordStart + HEADER_BYTES, out.position))
    abandonFrame(out)
    return new HeldBody(head, reference)
  }

  /** Of bytes that nobody changes any more. */
  static from(bytes: Buffer): HeldBody {
    return new HeldBody(bytes, null)
  }

  get bytes(): number {
    return this.head.length + (this.reference?.length ?? 0)
  }

  /** Adds `[from, to)` to the open frame. */
  put(out: ByteWriter, from: number, to: number): void {
    const { head, reference } = this
    if (from < head.length) out.copy(head, from, Math.min(to, head.length))
    if (to <= head.length || reference === null) return
    const start = Math.max(0, from - head.length)
    const end = to - head.length
    out.put(start === 0 && end === reference.length ? reference : reference.subarray(start, end))
  }
}
