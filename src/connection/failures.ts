import { failure, type Processed, type Reason, type TransportError } from '../base/errors.js'
import type { Environment } from './environment.js'

/** What ends connections that wait for their peer in vain. Each is counted as it is made. */

export function handshakeTimeout(environment: Environment): TransportError {
  const { handshakeMs } = environment.limits
  return counted(environment, 'handshake-timeout', `the peer sent no HELLO within ${handshakeMs} ms`, 'no')
}

export function writeStalled(environment: Environment): TransportError {
  const { writeStallMs } = environment.limits
  return counted(environment, 'write-stalled', `the peer took nothing for ${writeStallMs} ms`)
}

export function heartbeatTimeout(environment: Environment): TransportError {
  const { intervalMs, timeoutMs } = environment.heartbeat
  return counted(environment, 'heartbeat-timeout', `the peer said nothing for ${intervalMs + timeoutMs} ms`)
}

export function controlFlood(environment: Environment): TransportError {
  const { maxQueuedControlFrames } = environment.limits
  const message = `more than ${maxQueuedControlFrames} control frames wait for the peer to read`
  return counted(environment, 'too-many-control-frames', message)
}

function counted(
  { counters }: Environment,
  reason: Reason,
  message: string,
  processed: Processed = 'maybe',
): TransportError {
  counters.failed(reason)
  return failure(reason, message, { processed })
}
