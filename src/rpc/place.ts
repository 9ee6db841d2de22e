import { Dialer } from '../connection/dialer.js'
import type { Environment } from '../connection/environment.js'
import type { ServiceFingerprint } from '../connection/hello.js'
import type { FoundAddress } from '../pool/directory.js'
import type { Place } from '../pool/pool.js'
import type { ParsedClientOptions } from './options.js'
import type { Session } from './session.js'
import type { SessionMaker } from './session-maker.js'

interface PlaceParts {
  readonly environment: Environment
  readonly socket: ParsedClientOptions['socket']
  readonly services: readonly ServiceFingerprint[]
  /** Attempts to connect that are under way. */
  readonly dials: Set<Promise<unknown>>
}

/** An address as a pool takes it: dialled, and with a session on each connection. */
export function placeOf(
  { key, rank, spentMs, serverName }: FoundAddress,
  sessions: SessionMaker,
  parts: PlaceParts,
): Place<Session> {
  const { environment, socket, services, dials } = parts
  return {
    key,
    rank,
    reach: () => {
      const dialer = new Dialer(key, socket, environment, { spentMs, serverName })
      const dial = async (): Promise<Session> => {
        const dialled = dialer.dial(sessions, services)
        dials.add(dialled)
        try {
          return sessions.of(await dialled)
        } finally {
          dials.delete(dialled)
        }
      }
      return { dial, close: () => dialer.close() }
    },
  }
}
