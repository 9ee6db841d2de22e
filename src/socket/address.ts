import { isIPv6 } from 'node:net'
import { failure } from '../base/errors.js'

export type Address =
  | { readonly kind: 'tcp' | 'tls'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string }

const PORT = /^(tcp|tls):\/\/(?:\[([^\]]+)\]|([\w.-]+)):(\d{1,5})$/
/** The system ends a path at a zero byte, and would listen somewhere else. */
const UNIX = /^unix:(\/[^\0]+)$/
const MAX_PORT = 65_535
/** `sun_path` of Linux, less the closing zero. Node cuts a longer path silently. */
const MAX_UNIX_PATH_BYTES = 107

/** Reads `tcp://host:port`, `tcp://[v6]:port`, the same with `tls`, or `unix:/path`. */
export function parseAddress(text: string): Address {
  const unix = UNIX.exec(text)
  if (unix?.[1] !== undefined) {
    if (Buffer.byteLength(unix[1]) > MAX_UNIX_PATH_BYTES)
      throw malformed(text, `the path is longer than ${MAX_UNIX_PATH_BYTES} bytes`)
    return { kind: 'unix', path: unix[1] }
  }
  const match = PORT.exec(text)
  const host = match?.[2] ?? match?.[3]
  if (match?.[2] !== undefined && !isIPv6(match[2])) throw malformed(text, 'only an IPv6 address stands in brackets')
  if (match === null || host === undefined)
    throw malformed(text, 'expected tcp://host:port, tls://host:port or unix:/path')
  const port = Number(match[4])
  if (port > MAX_PORT) throw malformed(text, `the port is over ${MAX_PORT}`)
  return { kind: match[1] === 'tls' ? 'tls' : 'tcp', host, port }
}

export function formatAddress(address: Address): string {
  if (address.kind === 'unix') return `unix:${address.path}`
  const host = address.host.includes(':') ? `[${address.host}]` : address.host
  return `${address.kind}://${host}:${address.port}`
}

function malformed(text: string, why: string): Error {
  return failure('address-malformed', `cannot read the address '${text}': ${why}`, { details: { address: text } })
}
