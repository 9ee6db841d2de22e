// Hot path: asked for every body, told of every write.

/** What LZ4 compresses on one core, in bytes a millisecond: 425 MB/s, measured on 64 KiB bodies. */
const COMPRESSOR_BYTES_PER_MS = 425_000

/** A body that shrinks by less than a tenth is sent as it is: the receiver would inflate it for little. */
const WORTH_RATIO = 0.9
/** Weight of the newest body in the average ratio. */
const NEWEST = 1 / 8
/** What the ratio is taken for before anything is known. */
const FIRST_RATIO = 0.5

/** Of bodies that do not compress every so many is tried, and after each disappointment fewer, down to the last. */
const FIRST_PROBE_EVERY = 32
const LAST_PROBE_EVERY = 1_024

/**
 * So much taken at once, in so short a time, is a link faster than we are: kernels buffer about 4 MiB. A link that
 * turns out slow after all must take twice as much the next time, up to a cap.
 */
const FAST_BYTES = 8 * 1024 * 1024
const MOST_FAST_BYTES = 64 * 1024 * 1024
const FAST_MS = 250
/** As many as `#taken` has. */
const BUCKETS = 5
const BUCKET_MS = FAST_MS / BUCKETS

/**
 * What must drain, or how long it must take, before the speed of a link is judged: less tells of the event loop, and
 * of the other side's. With 256 KiB or 50 ms a busy peer on loopback passed for a slow link now and then, and a tenth
 * of a second of compressing followed each time.
 */
const JUDGED_BYTES = 4 * 1024 * 1024
const JUDGED_MS = 250

export type CompressionMode = 'always' | 'adaptive'

export interface PolicyOptions {
  readonly mode: CompressionMode
  /** A body of so many bytes goes as it is. */
  readonly thresholdBytes: number
}

/** Where it is told what became of the bodies over the threshold. */
export interface CompressionCounters {
  compressedBodies: number
  compressionSkipped: number
  bytesBeforeCompression: number
  bytesAfterCompression: number
}

/**
 * Whether compressing the bodies of one connection is worth the time. Pure arithmetic on what it is told.
 *
 * Two guards, in mode `adaptive`. *Ratio*: while bodies shrink by less than a tenth on average, only some are
 * tried. *Drain*: a second of compressing handles 425 MB, and pays only where the link would need longer for what is
 * saved. While the socket takes at once all that we have, the processor is the bottleneck and compression is off; once
 * a full socket drains more slowly than compressor speed x saving, it is on again. It starts on. What compression
 * keeps from the link counts as taken by it: otherwise a busy compressor would pass for a slow link.
 */
export class CompressionPolicy {
  readonly #mode: CompressionMode
  readonly #thresholdBytes: number
  readonly #counters: CompressionCounters
  /** Moving average of compressed / raw. */
  #ratio = FIRST_RATIO
  /** How many candidates lie between two tries; 1: each is tried. */
  #probeEvery = 1
  #untilProbe = 0
  #linkIsFaster = false
  #fastBytes = FAST_BYTES
  /** Bytes that compression saved in what is not handed over yet. */
  #savedBytes = 0
  /** Bytes taken at once, by time in buckets around a clock face, and the number of the newest one. */
  readonly #taken: number[] = [0, 0, 0, 0, 0]
  #newestBucket = 0
  #drainedBytes = 0
  #drainedMs = 0

  constructor(options: PolicyOptions, counters: CompressionCounters) {
    this.#mode = options.mode
    this.#thresholdBytes = options.thresholdBytes
    this.#counters = counters
  }

  /** Whether to compress a body, or a batch, of this size. */
  shouldTry(bodyBytes: number): boolean {
    if (bodyBytes <= this.#thresholdBytes) return false
    if (this.#mode === 'always' || this.#isTurn()) return true
    this.#counters.compressionSkipped += 1
    return false
  }

  /** What came of it. Returns whether the compressed form is the one to send. */
  tried(rawBytes: number, compressedBytes: number): boolean {
    const ratio = compressedBytes / rawBytes
    const worth = ratio <= WORTH_RATIO
    if (worth) {
      this.#counters.compressedBodies += 1
      this.#counters.bytesBeforeCompression += rawBytes
      this.#counters.bytesAfterCompression += compressedBytes
      this.#savedBytes += rawBytes - compressedBytes
    } else {
      this.#counters.compressionSkipped += 1
    }
    this.#learn(ratio, worth)
    return worth
  }

  /** The socket took all of a write at once. */
  handedOver(bytes: number, nowMs: number): void {
    if (this.#linkIsFaster) return
    this.#turnTo(Math.floor(nowMs / BUCKET_MS))
    const bucket = this.#newestBucket % BUCKETS
    this.#taken[bucket] = (this.#taken[bucket] ?? 0) + bytes + this.#savedBytes
    this.#savedBytes = 0
    let sum = 0
    for (let index = 0; index < BUCKETS; index += 1) sum += this.#taken[index] ?? 0
    if (sum >= this.#fastBytes) this.#linkIsFaster = true
  }

  /** The socket did not take all of a write. */
  stalled(nowMs: number): void {
    this.#newestBucket = Math.floor(nowMs / BUCKET_MS)
    this.#taken.fill(0)
    this.#savedBytes = 0
  }

  /** After a stall: the socket has taken the `bytes` that were left, and took so long. */
  drained(bytes: number, elapsedMs: number): void {
    this.#drainedBytes += bytes
    this.#drainedMs += elapsedMs
    if (this.#drainedBytes < JUDGED_BYTES && this.#drainedMs < JUDGED_MS) return
    const slowBytesPerMs = COMPRESSOR_BYTES_PER_MS * (1 - Math.min(this.#ratio, WORTH_RATIO))
    if (this.#linkIsFaster && this.#drainedBytes < this.#drainedMs * slowBytesPerMs) {
      this.#linkIsFaster = false
      this.#fastBytes = Math.min(this.#fastBytes * 2, MOST_FAST_BYTES)
    }
    this.#drainedBytes = 0
    this.#drainedMs = 0
  }

  #isTurn(): boolean {
    if (this.#linkIsFaster) return false
    if (this.#probeEvery === 1) return true
    this.#untilProbe -= 1
    return this.#untilProbe === 0
  }

  #learn(ratio: number, worth: boolean): void {
    if (this.#probeEvery > 1) {
      // A probe: it stands for all that were not tried.
      if (worth) {
        this.#ratio = ratio
        this.#probeEvery = 1
      } else {
        this.#backOff(this.#probeEvery * 2)
      }
      return
    }
    this.#ratio += (ratio - this.#ratio) * NEWEST
    if (this.#ratio > WORTH_RATIO) this.#backOff(FIRST_PROBE_EVERY)
  }

  #backOff(probeEvery: number): void {
    this.#probeEvery = Math.min(probeEvery, LAST_PROBE_EVERY)
    this.#untilProbe = this.#probeEvery
  }

  /** Empties the buckets between the newest one and now. */
  #turnTo(bucket: number): void {
    const steps = Math.min(bucket - this.#newestBucket, BUCKETS)
    for (let step = 1; step <= steps; step += 1) this.#taken[(this.#newestBucket + step) % BUCKETS] = 0
    if (steps > 0) this.#newestBucket = bucket
  }
}
