import type { ConnectionFacts } from '../connection/connection-facts.js'
import type { LedgerFacts } from '../memory/ledger.js'
import type { EndpointFacts, PoolFacts } from '../pool/facts.js'

/** One connection at one moment: what is in force on it, and what is under way. */
export interface SessionFacts extends ConnectionFacts {
  /** That we made, and whose place the peer has not given back. */
  readonly openCalls: number
  /** Of both sides, whose handler has not settled. */
  readonly openStreams: number
  /** Of ours: for calls, messages and streams. */
  readonly runningHandlers: number
}

/** What `client.info()` tells. */
export interface ClientFacts {
  readonly pool: PoolFacts
  /** Those in use. */
  readonly endpoints: readonly EndpointFacts[]
  /** For a connection, or for their next attempt. */
  readonly waitingCalls: number
  readonly connections: readonly SessionFacts[]
  /** Of the buffers that the transport makes. */
  readonly buffers: LedgerFacts
}

/** What `server.info()` tells. */
export interface ServerFacts {
  readonly connections: readonly SessionFacts[]
  /** Of the buffers that the transport makes. */
  readonly buffers: LedgerFacts
}
