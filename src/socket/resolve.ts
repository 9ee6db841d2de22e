import { type Clock, systemClock, type TimerHandle } from '../base/clock.js'
import { failure } from '../base/errors.js'
import { nodeDns } from './node-modules.js'

export interface NameQuery {
  readonly name: string
  /** A and AAAA records, or SRV records. */
  readonly records: 'address' | 'service'
}

export interface NameRecord {
  /** An IP address, or of a service the name of a host. */
  readonly host: string
  /** Of a service; null otherwise. */
  readonly port: number | null
  /** Those of the lowest are to be used as long as any of them can be reached. */
  readonly priority: number
  /** The share that it should get among those of its priority. */
  readonly weight: number
}

export interface NameAnswer {
  /** At least one. */
  readonly records: readonly NameRecord[]
  /** How long the answer is good for; null where that is not told. */
  readonly ttlMs: number | null
}

interface AddressRecord {
  readonly address: string
  readonly ttl: number
}

/** As much of a `Resolver` of Node as is used. */
export interface NameServer {
  resolve4(name: string, options: { ttl: true }): Promise<readonly AddressRecord[]>
  resolve6(name: string, options: { ttl: true }): Promise<readonly AddressRecord[]>
  resolveSrv(name: string): Promise<readonly { name: string; port: number; priority: number; weight: number }[]>
  /** Ends all that it was asked and has not answered. */
  cancel(): void
}

/**
 * How long the one family is waited for once the other is there. Some name servers never say anything about AAAA (RFC
 * 4074, section 4.1), and Node asks them again for longer than a look-up may take. RFC 8305, section 3, has 50 ms for
 * who connects at once and may still use what comes later. We go by one answer until the next look-up, and leave hosts
 * that are not in it, so that a slow server gets twice that.
 */
const OTHER_FAMILY_MS = 100

/** What the system knows beside its name servers: the hosts file, for one. */
export type SystemLookup = (name: string) => Promise<readonly { address: string }[]>

const systemLookup: SystemLookup = (name) => nodeDns().lookup(name, { all: true, verbatim: true })

/** Looks a name up. Settles once: with at least one record, or with a coded error. Aborting the signal ends it. */
export function resolve(query: NameQuery, signal: AbortSignal): Promise<NameAnswer> {
  return resolveWith(new (nodeDns().Resolver)(), systemLookup, systemClock, query, signal)
}

export async function resolveWith(
  server: NameServer,
  lookup: SystemLookup,
  clock: Clock,
  query: NameQuery,
  signal: AbortSignal,
): Promise<NameAnswer> {
  signal.throwIfAborted()
  const { name, records } = query
  const asked = records === 'service' ? services(server, name) : addresses(server, lookup, clock, name, signal)
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      reject(signal.reason)
      server.cancel()
    }
    signal.addEventListener('abort', onAbort)
    asked.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}

async function services(server: NameServer, name: string): Promise<NameAnswer> {
  try {
    const found = await server.resolveSrv(name)
    // A single dot says that the service is decidedly not there.
    const records = found.flatMap(({ name: host, port, priority, weight }) =>
      host === '' || host === '.' ? [] : [{ host, port, priority, weight }],
    )
    if (records.length === 0) throw new Error('no SRV records')
    return { records, ttlMs: null }
  } catch (error) {
    throw unresolved(name, error)
  }
}

/** Of both families. One of them is enough: many names have no AAAA records, and some servers fail at them. */
async function addresses(
  server: NameServer,
  lookup: SystemLookup,
  clock: Clock,
  name: string,
  signal: AbortSignal,
): Promise<NameAnswer> {
  const found = await bothFamilies(server, clock, name, signal)
  // Whoever asked has the reason of the signal by now.
  signal.throwIfAborted()
  if (found.length > 0) {
    return {
      records: found.map(({ address }) => host(address)),
      ttlMs: Math.min(...found.map(({ ttl }) => ttl)) * 1_000,
    }
  }
  try {
    const records = (await lookup(name)).map(({ address }) => host(address))
    if (records.length === 0) throw new Error('no addresses')
    return { records, ttlMs: null }
  } catch (error) {
    throw unresolved(name, error)
  }
}

/** What there is of either family; of one of them where the other comes too late. Never fails. */
function bothFamilies(
  server: NameServer,
  clock: Clock,
  name: string,
  signal: AbortSignal,
): Promise<readonly AddressRecord[]> {
  return new Promise((resolve) => {
    const found: (readonly AddressRecord[])[] = [[], []]
    let open = found.length
    let timer: TimerHandle = null
    const done = (): void => {
      signal.removeEventListener('abort', done)
      clock.clearTimer(timer)
      resolve(found.flat())
    }
    const goOn = (): void => {
      timer = null
      done()
      // The question ends with its sockets and timers. That it failed then is heard below, and changes nothing.
      server.cancel()
    }
    const answered = (family: number, records: readonly AddressRecord[]): void => {
      found[family] = records
      open -= 1
      if (open === 0) done()
      else if (records.length > 0 && !signal.aborted) timer = clock.setTimer(goOn, OTHER_FAMILY_MS)
    }
    signal.addEventListener('abort', done)
    const asked = [server.resolve4(name, { ttl: true }), server.resolve6(name, { ttl: true })]
    for (const [family, answer] of asked.entries()) {
      answer.then(
        (records) => answered(family, records),
        () => answered(family, []),
      )
    }
  })
}

function host(address: string): NameRecord {
  return { host: address, port: null, priority: 0, weight: 1 }
}

function unresolved(name: string, cause: unknown): Error {
  const { code, message } = cause as NodeJS.ErrnoException
  return failure('resolve-failed', `cannot look up ${name}: ${code ?? message}`, {
    cause,
    details: { name, systemCode: code },
  })
}
