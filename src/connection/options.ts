import { group, instance, integer, type OutputOf, oneOf } from '../base/options.js'
import { OVERFLOWS, type Overflow } from '../mailbox/mailbox.js'
import { type Network, systemNetwork } from '../socket/network.js'
import { socketRules } from '../socket/options.js'
import { tlsDialRules, tlsListenRules } from '../socket/tls-options.js'
import { limitRules } from './limits.js'

export type { TlsOptions, TlsRotation } from '../socket/tls-options.js'

/** When what was sent leaves for the socket. */
const batchRules = group({
  /** The most bytes that gather before a write within a turn. The size adapts to the messages below this. */
  maxBytes: integer(32 * 1024, 1_024, 64 * 1024),
  /** The most messages that gather before a write, and in one BATCH frame. */
  maxMessages: integer(1_024, 1, 65_536),
  /** 0: what was sent in one turn leaves at its end. More: a write waits that long for company. */
  maxDelayMs: integer(0, 0, 1_000),
})

/** One-way messages that wait for the peer, on each connection and in each lane. */
const mailboxRules = group({
  maxMessages: integer(4_096, 1, 10_000_000),
  maxBytes: integer(4 * 1024 * 1024, 1_024, 1024 * 1024 * 1024),
  /** What happens to a message that finds the mailbox full; see `Overflow`. */
  overflow: oneOf<Overflow>('wait', OVERFLOWS),
})

/** How much the peer may send before its readers here have taken it. */
const flowRules = group({
  /** With which each stream begins. */
  streamWindowBytes: integer(64 * 1024, 1_024, 1024 * 1024 * 1024),
  /** With which the one-way messages of each lane begin. */
  laneWindowBytes: integer(128 * 1024, 1_024, 1024 * 1024 * 1024),
  /** To which the window of a reader that keeps up grows. */
  maxWindowBytes: integer(8 * 1024 * 1024, 1_024, 1024 * 1024 * 1024),
  /** By which all windows of a connection together may grow. */
  windowBudgetBytes: integer(16 * 1024 * 1024, 0, 1024 * 1024 * 1024),
})

/** How long a connection lives. */
const lifeRules = group({
  /**
   * A connection of this age is drained and, where it was dialled, replaced: so that load finds new servers behind one
   * address. With a tenth of jitter either way. 0: connections do not age.
   */
  maxAgeMs: integer(0, 0, 2 ** 31 - 1),
  /** What is open on a connection that has aged may go on for so long. */
  ageGraceMs: integer(600_000, 0, 2 ** 31 - 1),
})

/** How a peer that is gone without a word is found: an interval of silence, then a PING, then a timeout. */
const heartbeatRules = group({
  /** 0 turns it off. Under 2,000 the peer may take the PINGs for a flood; see its `limits.pingsPerSecond`. */
  intervalMs: integer(10_000, 0, 3_600_000),
  timeoutMs: integer(5_000, 1, 600_000),
})

const compressionRules = group({
  algorithm: oneOf('lz4', ['lz4', 'none']),
  /** A frame body of this many bytes goes as it is; one more and it is compressed. */
  thresholdBytes: integer(1_024, 0, 64 * 1024 * 1024),
  /** `adaptive` leaves off where it does not pay: poor ratio, or a link faster than the processor. */
  mode: oneOf('adaptive', ['adaptive', 'always']),
})

export type BatchOptions = OutputOf<typeof batchRules>
export type MailboxOptions = OutputOf<typeof mailboxRules>
export type FlowOptions = OutputOf<typeof flowRules>
export type LifeOptions = OutputOf<typeof lifeRules>
export type HeartbeatOptions = OutputOf<typeof heartbeatRules>
export type CompressionOptions = OutputOf<typeof compressionRules>

/** Everything that a user can say about connections, by the names of the groups. */
export const connectionRules = {
  socket: socketRules,
  batch: batchRules,
  mailbox: mailboxRules,
  flow: flowRules,
  compression: compressionRules,
  heartbeat: heartbeatRules,
  connection: lifeRules,
  limits: limitRules,
  /** For tests and simulations: where connections come from. */
  network: instance<Network>(systemNetwork),
} as const

/** The same, of who dials and of who listens. */
export const dialRules = { ...connectionRules, tls: tlsDialRules } as const
export const listenRules = { ...connectionRules, tls: tlsListenRules } as const
