import { isIPv6 } from 'node:net'
import { failure } from '../base/errors.js'

export type Address =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string }

const TCP = /^tcp:\/\/(?:\[([^\]]+)\]|([\w.-]+)):(\d{1,5})$/
/** The system ends a path at a zero byte, and would listen somewhere else. */
const UNIX = /^unix:(\/[^\0]+)$/
const MAX_PORT = 65_535
/** `sun_path` of Linux, less the closing zero. Node cuts a longer path silently. */
const MAX_UNIX_PATH_BYTES = 107

/** Reads `tcp://host:port`, `tcp://[v6]:port` or `unix:/path`. */
export function parseAddress(text: string): Address {
  const unix = UNIX.exec(text)
  if (unix?.[1] !== undefined) {
    if (Buffer.byteLength(unix[1]) > MAX_UNIX_PATH_BYTES)
      throw malformed(text, `the path is longer than ${MAX_UNIX_PATH_BYTES} bytes`)
    return { kind: 'unix', path: unix[1] }
  }
  const tcp = TCP.exec(text)
  const host = tcp?.[1] ?? tcp?.[2]
  if (tcp?.[1] !== undefined && !isIPv6(tcp[1])) throw malformed(text, 'only an IPv6 address stands in brackets')
  if (tcp === null || host === undefined) throw malformed(text, 'expected tcp://host:port or unix:/path')
  const port = Number(tcp[3])
  if (port > MAX_PORT) throw malformed(text, `the port is over ${MAX_PORT}`)
  return { kind: 'tcp', host, port }
}

export function formatAddress(address: Address): string {
  if (address.kind === 'unix') return `unix:${address.path}`
  return address.host.includes(':')
    ? `tcp://[${address.host}]:${address.port}`
    : `tcp://${address.host}:${address.port}`
}

function malformed(text: string, why: string): Error {
  return failure('address-malformed', `cannot read the address '${text}': ${why}`, { details: { address: text } })
}
