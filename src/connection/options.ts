export { socketRules, type SocketOptions } from '../socket/options.js'
import { group, integer, oneOf, type OutputOf } from '../base/options.js'

/** When what was sent leaves for the socket. */
export const batchRules = group({
  /** The most bytes that gather before a write within a turn. The size adapts to the messages below this. */
  maxBytes: integer(32 * 1024, 1_024, 64 * 1024),
  /** The most messages that gather before a write, and in one BATCH frame. */
  maxMessages: integer(1_024, 1, 65_536),
  /** 0: what was sent in one turn leaves at its end. More: a write waits that long for company. */
  maxDelayMs: integer(0, 0, 1_000),
})

export const compressionRules = group({
  algorithm: oneOf('lz4', ['lz4', 'none']),
  /** A frame body of this many bytes goes as it is; one more and it is compressed. */
  thresholdBytes: integer(1_024, 0, 64 * 1024 * 1024),
  /** `adaptive` leaves off where it does not pay: poor ratio, or a link faster than the processor. */
  mode: oneOf('adaptive', ['adaptive', 'always']),
})

export type BatchOptions = OutputOf<typeof batchRules>
export type CompressionOptions = OutputOf<typeof compressionRules>
