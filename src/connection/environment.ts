import type { Clock } from '../base/clock.js'
import { Counters } from '../base/counters.js'
import { Probe } from '../base/probe.js'
import type { Random } from '../base/random.js'
import { TimerWheel } from '../base/timer-wheel.js'
import { Turns } from '../base/turns.js'
import { BufferPool } from '../memory/buffer-pool.js'
import { Ledger } from '../memory/ledger.js'
import type { Network } from '../socket/network.js'
import { TlsMaterial } from '../socket/tls-material.js'
import type { ConnectionChange } from './connection-change.js'
import type { Limits } from './limits.js'
import type {
  BatchOptions,
  CompressionOptions,
  FlowOptions,
  HeartbeatOptions,
  LifeOptions,
  MailboxOptions,
  TlsOptions,
} from './options.js'

/** Room for the frames of one turn; a write is at most this. */
const CHUNK_BYTES = 64 * 1024
/** 1 MiB: more is in use at once only behind sockets that do not drain. */
const IDLE_CHUNKS = 16
/** A small frame that lies across two chunks is gathered in one of these. */
const CARRY_BYTES = 4 * 1024
const IDLE_CARRIES = 256

/** A peer id as HELLO takes it. */
export const PEER_ID = /^[\x21-\x7e]{1,128}$/

/** What all connections of one client, server or node share. */
export interface Environment {
  readonly clock: Clock
  readonly random: Random
  readonly network: Network
  readonly wheel: TimerWheel
  readonly turns: Turns
  readonly counters: Counters
  readonly changes: Probe<ConnectionChange>
  readonly ledger: Ledger
  readonly chunks: BufferPool
  readonly carries: BufferPool
  readonly limits: Limits
  readonly batch: BatchOptions
  readonly mailbox: MailboxOptions
  readonly flow: FlowOptions
  readonly compression: CompressionOptions
  readonly heartbeat: HeartbeatOptions
  readonly connection: LifeOptions
  /** For `tls://` addresses, listened at and dialled. */
  readonly tls: TlsMaterial
  /** Our name in every HELLO. */
  readonly peerId: string
}

export interface EnvironmentParts {
  readonly clock: Clock
  readonly random: Random
  readonly network: Network
  readonly limits: Limits
  readonly batch: BatchOptions
  readonly mailbox: MailboxOptions
  readonly flow: FlowOptions
  readonly compression: CompressionOptions
  readonly heartbeat: HeartbeatOptions
  readonly connection: LifeOptions
  readonly tls?: TlsOptions
  /** Without one it is the first name of our certificate, so that peers can tell that it is ours; else a random one. */
  readonly peerId: string | undefined
}

export function createEnvironment(parts: EnvironmentParts): Environment {
  const ledger = new Ledger()
  const tls = new TlsMaterial(parts.tls)
  return {
    ...parts,
    tls,
    peerId: parts.peerId ?? tls.names.find(isPeerId) ?? randomId(parts.random),
    wheel: new TimerWheel(parts.clock),
    turns: new Turns(parts.clock),
    counters: new Counters(),
    changes: new Probe('a connection'),
    ledger,
    chunks: new BufferPool(ledger, CHUNK_BYTES, IDLE_CHUNKS),
    carries: new BufferPool(ledger, CARRY_BYTES, IDLE_CARRIES),
  }
}

const RANDOM_ID_BYTES = 16

function randomId(random: Random): string {
  return Buffer.from(random.bytes(RANDOM_ID_BYTES)).toString('hex')
}

function isPeerId(name: string): boolean {
  return PEER_ID.test(name)
}
