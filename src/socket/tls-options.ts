import { failure } from '../base/errors.js'
import { group, type InputOf, type OutputOf, oneOf, optional, type Rule, text } from '../base/options.js'

/** PEM as users have it: read from a file or not, one piece or several. */
export type Pem = string | Uint8Array | readonly (string | Uint8Array)[]

const PEM = /-----BEGIN [A-Z0-9 ]+-----/

/** Several pieces are joined, in order. */
function pem(): Rule<string, Pem> {
  return {
    parse(value, path) {
      const list: readonly unknown[] = Array.isArray(value) ? value : [value]
      if (list.length === 0) throw wrong('option-range', path, 'must not be empty')
      return list.map((piece, index) => onePem(piece, Array.isArray(value) ? `${path}[${index}]` : path)).join('\n')
    },
  }
}

function onePem(value: unknown, path: string): string {
  if (typeof value !== 'string' && !(value instanceof Uint8Array))
    throw wrong('option-type', path, 'must be PEM: a string or a Buffer')
  const pem = typeof value === 'string' ? value : Buffer.from(value).toString('latin1')
  // Never shown: it may be a key.
  if (!PEM.test(pem)) throw wrong('option-range', path, 'must be PEM: -----BEGIN and so on')
  return pem
}

function wrong(reason: 'option-type' | 'option-range', option: string, what: string): Error {
  return failure(reason, `option ${option} ${what}`, { details: { option } })
}

/** What a rotation replaces. */
const materialRules = {
  /** Our certificate, and behind it those between it and the root. */
  cert: optional(pem()),
  key: optional(pem()),
  /** Whose certificates the other side may show. Left out, a client takes those that Node ships. */
  ca: optional(pem()),
} as const

const VERSIONS = ['TLSv1.3', 'TLSv1.2'] as const
const versionRule = oneOf<(typeof VERSIONS)[number]>('TLSv1.3', VERSIONS)

export const tlsRotationRules = group(materialRules)

export const tlsDialRules = group({
  ...materialRules,
  minVersion: versionRule,
  /** The name that the certificate of the server must have, in place of the host that is dialled. */
  serverName: optional(text('', /^[\w.:-]{1,253}$/)),
})

export const tlsListenRules = group({
  ...materialRules,
  minVersion: versionRule,
  /** Whether clients have to show a certificate. Default: where there is a `ca`. */
  clientCertificates: optional(oneOf('required', ['none', 'required'])),
})

export type TlsRotation = InputOf<typeof tlsRotationRules>

/** Of either side, parsed. */
export type TlsOptions = Partial<OutputOf<typeof tlsDialRules> & OutputOf<typeof tlsListenRules>>
