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

/** As much of a `Resolver` of Node as is used. */
export interface NameServer {
  resolve4(name: string, options: { ttl: true }): Promise<readonly { address: string; ttl: number }[]>
  resolve6(name: string, options: { ttl: true }): Promise<readonly { address: string; ttl: number }[]>
  resolveSrv(name: string): Promise<readonly { name: string; port: number; priority: number; weight: number }[]>
  cancel(): void
}

/** What the system knows beside its name servers: the hosts file, for one. */
export type SystemLookup = (name: string) => Promise<readonly { address: string }[]>

const systemLookup: SystemLookup = (name) => nodeDns().lookup(name, { all: true, verbatim: true })

/** Looks a name up. Settles once: with at least one record, or with a coded error. Aborting the signal ends it. */
export function resolve(query: NameQuery, signal: AbortSignal): Promise<NameAnswer> {
  return resolveWith(new (nodeDns().Resolver)(), systemLookup, query, signal)
}

export async function resolveWith(
  server: NameServer,
  lookup: SystemLookup,
  query: NameQuery,
  signal: AbortSignal,
): Promise<NameAnswer> {
  signal.throwIfAborted()
  const asked = query.records === 'service' ? services(server, query.name) : addresses(server, lookup, query.name)
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
async function addresses(server: NameServer, lookup: SystemLookup, name: string): Promise<NameAnswer> {
  const asked = await Promise.allSettled([server.resolve4(name, { ttl: true }), server.resolve6(name, { ttl: true })])
  const found = asked.flatMap((one) => (one.status === 'fulfilled' ? one.value : []))
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
