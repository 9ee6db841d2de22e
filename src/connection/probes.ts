import type { TransportError } from '../base/errors.js'
import { Probe } from '../base/probe.js'
import type { ConnectionFacts } from './connection-facts.js'

/** A connection, dialled or accepted, has exchanged HELLOs. */
export const connectionReady = new Probe<ConnectionFacts>('alys.connection.ready')

/** A connection that was ready is closed, and why. */
export const connectionClosed = new Probe<{ readonly connection: ConnectionFacts; readonly error: TransportError }>(
  'alys.connection.closed',
)
