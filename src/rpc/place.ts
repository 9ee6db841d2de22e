import { Dialer } from '../connection/dialer.js'
import type { Environment } from '../connection/environment.js'
import type { ServiceFingerprint } from '../connection/hello.js'
import type { FoundAddress } from '../pool/directory.js'
import type { Place } from '../pool/pool.js'
import type { ParsedClientOptions } from './options.js'
import type { Session, SessionMaker } from './session.js'

interface PlaceParts {
  readonly environment: Environment
  readonly socket: ParsedClientOptions['socket']
  readonly services: readonly ServiceFingerprint[]
}

/** An address as a pool takes it: dialled, and with a session on each connection. */
export function placeOf(
  { key, rank, spentMs, serverName }: FoundAddress,
  sessions: SessionMaker,
  parts: PlaceParts,
): Place<Session> {
  const { environment, socket, services } = parts
  return {
    key,
    rank,
    reach: () => {
      const dialer = new Dialer(key, socket, environment, { spentMs, serverName })
      return { dial: async () => sessions.of(await dialer.dial(sessions, services)), close: () => dialer.close() }
    },
  }
}
