import type { TransportError } from '../base/errors.js'
import type { ConnectionFacts } from './connection-facts.js'
import type { ConnectionState } from './connection-state.js'

/** A connection, or an attempt at one, has got into another state. */
export interface ConnectionChange {
  readonly state: ConnectionState
  /** We dialled it; otherwise it was accepted. */
  readonly dialled: boolean
  /** Where to, or where from. */
  readonly address: string
  /** Null where it was never made. */
  readonly connection: ConnectionFacts | null
  /** Why it is draining or closed; null before. */
  readonly reason: TransportError | null
}
