import { isIP } from 'node:net'
import { failure } from '../base/errors.js'
import { type Address, parseAddress } from './address.js'

/** A name behind which there may be many hosts. */
export interface NameTarget {
  readonly kind: 'name'
  /** How its hosts are dialled. */
  readonly via: 'tcp' | 'tls'
  readonly name: string
  /** Null where the name server knows the ports: the name is that of SRV records. */
  readonly port: number | null
}

/** What a client is given: one host, or a name of many. */
export type Target = Address | NameTarget

const NAME = /^dns\+(tcp|tls):\/\/([\w-]+(?:\.[\w-]+)*\.?)(?::(\d{1,5}))?$/
const MAX_PORT = 65_535
const MAX_NAME_BYTES = 253

/**
 * Reads an address, or `dns+tcp://name:port` (A and AAAA records), `dns+tcp://_service._tcp.name` (SRV records, which have
 * the ports), and the same with `dns+tls`.
 */
export function parseTarget(text: string): Target {
  if (typeof text !== 'string') {
    throw failure('option-type', `an address is a string, got a value of type ${typeof text}`)
  }
  if (!text.startsWith('dns+')) return parseAddress(text)
  const match = NAME.exec(text)
  const name = match?.[2]
  if (match === null || name === undefined)
    throw malformed(text, 'expected dns+tcp://name:port, dns+tcp://_service._tcp.name, or the same with dns+tls')
  if (isIP(name) !== 0) throw malformed(text, 'an IP address has no records to look up')
  if (name.length > MAX_NAME_BYTES) throw malformed(text, `the name is longer than ${MAX_NAME_BYTES} bytes`)
  const port = match[3] === undefined ? null : Number(match[3])
  if (port !== null && (port > MAX_PORT || port === 0)) throw malformed(text, `the port is not from 1 to ${MAX_PORT}`)
  return { kind: 'name', via: match[1] === 'tls' ? 'tls' : 'tcp', name, port }
}

export function formatTarget(target: NameTarget): string {
  return `dns+${target.via}://${target.name}${target.port === null ? '' : `:${target.port}`}`
}

function malformed(text: string, why: string): Error {
  return failure('address-malformed', `cannot read the address '${text}': ${why}`, { details: { address: text } })
}
