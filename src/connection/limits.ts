import type { Reason } from '../base/errors.js'
import { group, integer, type OutputOf } from '../base/options.js'
import { PINGS_AT_ONCE } from './round-trip.js'

interface Limit {
  readonly default: number
  readonly min: number
  readonly max: number
  readonly unit: 'bytes' | 'ms' | 'count' | 'per second' | 'per 10 s'
  /** The failure that says this limit was reached; null where reaching it only slows the peer down. */
  readonly reason: Reason | null
  /** The counter that tells how often it was reached. */
  readonly metric: string
  readonly meaning: string
}

const KiB = 1024
const MiB = 1024 * KiB

/**
 * An end of ours tells half of its `cancelBurst` at once and its `cancelsPerSecond` after that. The peer does not say what
 * it takes, so that no peer may be set to take less than our own do with the defaults. What they told in the 7 s in which
 * a peer was busy comes beside the half, all of it at once.
 */
const CANCEL_BURST = 1_000
const CANCELS_PER_SECOND = 33
const LEAST_CANCEL_BURST = CANCEL_BURST / 2 + 250

function limit(
  value: number,
  [min, max]: readonly [number, number],
  unit: Limit['unit'],
  reason: Reason,
  meaning: string,
): Limit {
  return { default: value, min, max, unit, reason, metric: `failures.${reason}`, meaning }
}

function brake(
  value: number,
  [min, max]: readonly [number, number],
  unit: Limit['unit'],
  metric: string,
  meaning: string,
): Limit {
  return { default: value, min, max, unit, reason: null, metric, meaning }
}

/** Every bound on what a peer can make us do, by option name. `docs/limits.md` is generated from it. */
export const LIMITS = {
  handshakeMs: limit(
    5_000,
    [10, 300_000],
    'ms',
    'handshake-timeout',
    'From accepting a connection to the end of its HELLO.',
  ),
  maxHandshakes: limit(128, [1, 65_536], 'count', 'too-many-handshakes', 'Connections without a HELLO.'),
  maxHandshakesPerAddress: limit(
    16,
    [1, 65_536],
    'count',
    'too-many-handshakes-per-address',
    'Connections without a HELLO from one address.',
  ),
  maxHelloFrameBytes: limit(
    4 * KiB,
    [256, 64 * KiB],
    'bytes',
    'hello-too-large',
    'A frame before the end of the HELLO.',
  ),
  maxHelloBytes: limit(64 * KiB, [256, MiB], 'bytes', 'hello-too-large', 'All frames of a HELLO together.'),
  maxConnections: limit(
    1_024,
    [1, 1_000_000],
    'count',
    'too-many-connections',
    'Connections of one server; never over 0.8 of the file descriptors.',
  ),
  maxConnectionsPerPeer: limit(
    4,
    [1, 1_000_000],
    'count',
    'too-many-connections-per-peer',
    'Connections with one peer id.',
  ),
  maxFrameBytes: limit(
    MiB,
    [KiB, 64 * MiB],
    'bytes',
    'frame-too-large',
    'The length of a frame, judged on its header.',
  ),
  maxMessageBytes: limit(
    4 * MiB,
    [KiB, 64 * MiB],
    'bytes',
    'message-too-large',
    'A message after inflating, judged on its claim; one of a peer is counted by what shows it: `frame-too-large`, `part-invalid` or `lz4-claim-too-large`.',
  ),
  maxMessagesPerTurn: brake(
    1_024,
    [1, 1_000_000],
    'count',
    'turnsYielded',
    'Messages delivered before others get their turn.',
  ),
  maxTurnMs: brake(4, [1, 1_000], 'ms', 'turnsYielded', 'Time spent delivering before others get their turn.'),
  frameMs: limit(30_000, [10, 600_000], 'ms', 'frame-stalled', 'From the first byte of a frame to its last.'),
  minFrameBytesPerSecond: limit(
    KiB,
    [1, MiB],
    'per second',
    'frame-stalled',
    'The least speed of an incomplete frame, judged after 5 s.',
  ),
  minInflatedBytes: limit(KiB, [1, MiB], 'bytes', 'lz4-claim-too-small', 'The least an LZ4 block must claim.'),
  inflatedBytesPerSecond: brake(
    64 * MiB,
    [MiB, 1024 * MiB],
    'per second',
    'readsThrottled',
    'What one connection may make us inflate; reading pauses beyond.',
  ),
  msgpackDepth: limit(32, [1, 512], 'count', 'msgpack-depth', 'Nesting of arrays and maps.'),
  msgpackNodes: limit(100_000, [1, 100_000_000], 'count', 'msgpack-nodes', 'Values in one message.'),
  msgpackKeys: limit(10_000, [1, 10_000_000], 'count', 'msgpack-keys', 'Keys of one map.'),
  protobufDepth: limit(32, [1, 100], 'count', 'protobuf-depth', 'Nesting of messages.'),
  maxOpenCalls: limit(
    1_024,
    [1, 1_048_576],
    'count',
    'too-many-open-calls',
    'Calls of one connection whose handler has not settled.',
  ),
  maxUnackedMessages: limit(
    16_384,
    [1, 10_000_000],
    'count',
    'queue-full',
    'One-way messages of one connection that wait for their acknowledgement; those beyond wait or are refused, as `mailbox.overflow` says.',
  ),
  maxStreams: limit(
    256,
    [0, 1_048_576],
    'count',
    'too-many-streams',
    'Streams that the peer has open on one connection and whose handler has not settled.',
  ),
  streamIdleMs: limit(
    600_000,
    [10, 2 ** 31 - 1],
    'ms',
    'stream-idle',
    'Without a move of the peer on a stream that waits for it.',
  ),
  maxMethods: limit(4_096, [1, 65_535], 'count', 'too-many-methods', 'Method names of one connection.'),
  cancelBurst: limit(
    CANCEL_BURST,
    [LEAST_CANCEL_BURST, 1_000_000],
    'count',
    'too-many-cancels',
    'Cancels at once. Half of it is what this side tells at once itself: raise it at both ends.',
  ),
  cancelsPerSecond: limit(
    CANCELS_PER_SECOND,
    [CANCELS_PER_SECOND, 1_000_000],
    'per second',
    'too-many-cancels',
    'Cancels after the burst; also what this side tells itself, like `cancelBurst`.',
  ),
  errorsPer10s: limit(200, [1, 1_000_000], 'per 10 s', 'too-many-errors', 'Errors of ours that the peer causes.'),
  pingBurst: limit(10, [PINGS_AT_ONCE, 1_000_000], 'count', 'too-many-pings', 'Pings at once.'),
  pingsPerSecond: limit(1, [1, 1_000_000], 'per second', 'too-many-pings', 'Pings after the burst.'),
  maxQueuedControlFrames: limit(
    1_000,
    [1, 1_000_000],
    'count',
    'too-many-control-frames',
    'Control frames that wait for the socket.',
  ),
  unreadSoftBytes: brake(
    4 * MiB,
    [KiB, 1024 * MiB],
    'bytes',
    'readPauses',
    'Bytes waiting for the socket at which its requests are no longer read.',
  ),
  unreadHardBytes: limit(
    16 * MiB,
    [KiB, 1024 * MiB],
    'bytes',
    'answers-unread',
    'Answers waiting for the socket at which it is closed.',
  ),
  maxQueuedBytes: limit(
    32 * MiB,
    [KiB, 1024 * MiB],
    'bytes',
    'queue-full',
    'Requests waiting for the sockets of one peer; at a server, of one lane of a connection for the processor.',
  ),
  maxQueuedCalls: limit(16_384, [0, 10_000_000], 'count', 'queue-full', 'Calls waiting for a connection.'),
  writeStallMs: limit(10_000, [10, 600_000], 'ms', 'write-stalled', 'Without the peer taking a byte of what waits.'),
  metadataEntries: limit(64, [0, 1_024], 'count', 'metadata-entries', 'Metadata entries of one message.'),
  metadataBytes: limit(8 * KiB, [0, 32 * KiB], 'bytes', 'metadata-bytes', 'Metadata of one message.'),
} as const satisfies Record<string, Limit>

export type LimitName = keyof typeof LIMITS

type LimitRules = { readonly [K in LimitName]: ReturnType<typeof integer> }

export const limitRules = group(
  Object.fromEntries(
    Object.entries(LIMITS).map(([name, row]) => [name, integer(row.default, row.min, row.max)]),
  ) as LimitRules,
)

export type Limits = OutputOf<typeof limitRules>
