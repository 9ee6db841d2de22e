// Hot path: `fill` runs for every message received.
import { failure, type TransportError } from '../base/errors.js'
import { TokenBucket } from '../base/token-bucket.js'
import { inflateBlock } from '../compression/lz4.js'
import { LANE } from '../mailbox/lane.js'
import { CALL_PREFIX_BYTES, FLAG, readU16, readU32 } from '../wire/frame.js'
import { COST_BYTES } from './credit.js'
import type { Environment } from './environment.js'
import { InboundMessage } from './inbound.js'
import { laneOfFlags } from './message-flags.js'

export const METADATA_PREFIX_BYTES = 2

/** Makes messages of frames: where metadata and payload are, inflated. There is one message, filled anew each time. */
export class MessageReader {
  readonly message = new InboundMessage()
  /** The peer may compress. */
  inflates = false
  /** Messages of the lanes above low. */
  urgent = 0
  readonly #environment: Environment
  readonly #throttle: (ms: number) => void
  readonly #inflating: TokenBucket

  /** `throttle` is told how long not to read, when the peer has made us inflate more than its share. */
  constructor(environment: Environment, throttle: (ms: number) => void) {
    const { limits, clock } = environment
    this.#environment = environment
    this.#throttle = throttle
    this.#inflating = new TokenBucket(limits.inflatedBytesPerSecond, limits.inflatedBytesPerSecond, clock.now())
  }

  /** Notes what the message takes of its sender's credit. */
  charge(): number {
    const { message } = this
    const { metadataStart, metadataEnd, start, end } = message
    const metadataBytes = metadataEnd === 0 ? 0 : METADATA_PREFIX_BYTES + metadataEnd - metadataStart
    message.cost = COST_BYTES + metadataBytes + end - start
    return message.cost
  }

  /** The same for a CALL or a STREAM_OPEN, which begin with a deadline. */
  fillCall(
    flags: number,
    aux: number,
    id: number,
    bytes: Buffer,
    start: number,
    end: number,
    owned: boolean,
  ): TransportError | null {
    if (end - start < CALL_PREFIX_BYTES) return failure('frame-malformed', 'a call without its deadline')
    this.message.timeoutMs = readU32(bytes, start)
    return this.fill(flags, aux, id, bytes, start + CALL_PREFIX_BYTES, end, owned)
  }

  /** Describes the message of a frame in `message`, inflated. Returns how it broke the protocol, or null. */
  fill(
    flags: number,
    aux: number,
    id: number,
    bytes: Buffer,
    start: number,
    end: number,
    owned: boolean,
  ): TransportError | null {
    const message = this.message
    message.id = id
    message.method = aux
    message.codec = flags & FLAG.CODEC_MASK
    message.lane = laneOfFlags(flags)
    if (message.lane <= LANE.normal) this.urgent += 1
    message.bytes = bytes
    message.start = start
    message.end = end
    message.owned = owned
    message.metadataStart = 0
    message.metadataEnd = 0
    // One test for everything that is rare.
    if ((flags & (FLAG.METADATA | FLAG.COMPRESSED)) === 0) return null
    return this.#fillRare(flags)
  }

  #fillRare(flags: number): TransportError | null {
    const message = this.message
    if ((flags & FLAG.METADATA) !== 0) {
      const at = message.start + METADATA_PREFIX_BYTES
      const metadataEnd = at > message.end ? Number.POSITIVE_INFINITY : at + readU16(message.bytes, message.start)
      if (metadataEnd > message.end) return failure('frame-malformed', 'metadata that ends after its frame')
      message.metadataBytes = message.bytes
      message.metadataStart = at
      message.metadataEnd = metadataEnd
      message.start = metadataEnd
    }
    return (flags & FLAG.COMPRESSED) === 0 ? null : this.#inflate()
  }

  #inflate(): TransportError | null {
    const message = this.message
    if (!this.inflates) return failure('compression-not-agreed', 'a compressed body where compression was not agreed')
    const { counters, clock, limits } = this.#environment
    try {
      message.bytes = inflateBlock(message.bytes, message.start, message.end, limits)
    } catch (error) {
      return error as TransportError
    }
    message.start = 0
    message.end = message.bytes.length
    message.owned = true
    counters.inflatedBodies += 1
    counters.inflatedBytes += message.end
    const debtMs = this.#inflating.borrow(message.end, clock.now())
    if (debtMs > 0) {
      counters.readsThrottled += 1
      this.#throttle(debtMs)
    }
    return null
  }
}
