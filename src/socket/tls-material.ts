import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import type { SecureContext, SecureContextOptions } from 'node:tls'
import { failure, type TransportError } from '../base/errors.js'
import { nodeTls } from './node-modules.js'
import { provenNames } from './tls-identity.js'
import { type TlsOptions, type TlsRotation, tlsRotationRules } from './tls-options.js'

/** For a handshake without certificates. */
export interface SessionTicket {
  readonly session: Buffer
  /** Of the server that gave it: the handshake that uses it shows none. */
  readonly certificate: X509Certificate
}

/** What new connections of a client use, until it is replaced as a whole: nobody mixes old with new. */
export class DialSide {
  readonly context: SecureContext
  readonly #tickets = new Map<string, SessionTicket>()

  constructor(context: SecureContext) {
    this.context = context
  }

  /** The ticket of an earlier connection to the same place under the same name, with this very material. */
  ticket(place: string): SessionTicket | undefined {
    return this.#tickets.get(place)
  }

  keepTicket(place: string, ticket: SessionTicket): void {
    this.#tickets.delete(place)
    this.#tickets.set(place, ticket)
    const [oldest] = this.#tickets.keys()
    if (this.#tickets.size > MAX_TICKETS && oldest !== undefined) this.#tickets.delete(oldest)
  }
}

/** Those of Node, but with no key of less than 112 bits (RSA 2,048) and no SHA-1 in any chain, whatever Node's age. */
const ciphers = (): string => `${nodeTls().DEFAULT_CIPHERS}:@SECLEVEL=2`

/** One for each address: more are of names that changed. */
const MAX_TICKETS = 256

/**
 * Certificates and keys of one client, server or node. Everything that listens or dials with them asks here, so that
 * new material is in force for the next connection, and for no earlier one.
 */
export class TlsMaterial {
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3'
  readonly serverName: string | undefined
  /** Who connects to us has to show a certificate. No rotation changes that. */
  readonly asksClients: boolean
  #cert: string | undefined
  #key: string | undefined
  #ca: string | undefined
  readonly #listening = new Set<(options: SecureContextOptions) => void>()
  #dialSide: DialSide | null = null
  #names: readonly string[] = []

  /** Throws `tls-options`. */
  constructor(options: TlsOptions = {}) {
    this.minVersion = options.minVersion ?? 'TLSv1.3'
    this.serverName = options.serverName
    this.asksClients = (options.clientCertificates ?? (options.ca === undefined ? 'none' : 'required')) === 'required'
    this.#take(options)
  }

  /** The names that our own certificate proves. */
  get names(): readonly string[] {
    return this.#names
  }

  /** A client that has a certificate wants proof of a server's id, too. */
  get dialsMutually(): boolean {
    return this.#cert !== undefined
  }

  /** What the next connection that we dial uses. */
  dialSide(): DialSide {
    this.#dialSide ??= new DialSide(nodeTls().createSecureContext(this.#contextOptions()))
    return this.#dialSide
  }

  /** Calls back with what to listen with: now, and after every rotation until the returned function is called. */
  listen(use: (options: SecureContextOptions) => void): () => void {
    for (const option of ['cert', 'key'] as const) {
      if (this.#options()[option] === undefined)
        throw wrong(option, 'is missing: a tls:// address listens with tls.cert and tls.key')
    }
    if (this.asksClients && this.#ca === undefined)
      throw wrong('ca', "is missing: with tls.clientCertificates 'required' it says whose certificates are taken")
    use(this.#contextOptions())
    this.#listening.add(use)
    return () => this.#listening.delete(use)
  }

  /**
   * From here on new connections use this; what is left out stays. Connections that there are go on. Throws, and
   * changes nothing, where it cannot be used, or where the certificate no longer proves `id`.
   */
  rotate(input: TlsRotation, id: string): void {
    const given = tlsRotationRules.parse(input, 'tls')
    const next = new TlsMaterial({
      cert: given.cert ?? this.#cert,
      key: given.key ?? this.#key,
      ca: given.ca ?? this.#ca,
    })
    if (this.#names.includes(id) && !next.#names.includes(id))
      throw failure('identity-mismatch', `the new tls.cert does not have the name ${id}`, { origin: 'user' })
    this.#take(next.#options())
    for (const use of this.#listening) use(this.#contextOptions())
  }

  #options(): Pick<TlsOptions, 'cert' | 'key' | 'ca'> {
    return { cert: this.#cert, key: this.#key, ca: this.#ca }
  }

  #take(options: TlsOptions): void {
    this.#names = check(options)
    this.#cert = options.cert
    this.#key = options.key
    this.#ca = options.ca
    this.#dialSide = null
  }

  #contextOptions(): SecureContextOptions {
    return { cert: this.#cert, key: this.#key, ca: this.#ca, minVersion: this.minVersion, ciphers: ciphers() }
  }
}

/** Tries the material before anybody needs it. Returns the names of the certificate. */
function check({ cert, key, ca }: TlsOptions): readonly string[] {
  if ((cert === undefined) !== (key === undefined))
    throw wrong(cert === undefined ? 'cert' : 'key', 'is missing: tls.cert and tls.key belong together')
  if (ca !== undefined) certificate('ca', ca)
  if (cert === undefined || key === undefined) return []
  const ours = certificate('cert', cert)
  if (!ours.checkPrivateKey(privateKey(key))) throw wrong('key', 'is not the key of tls.cert')
  try {
    nodeTls().createSecureContext({ cert, key, ca, ciphers: ciphers() })
  } catch (cause) {
    throw wrong('cert', `cannot be used: ${(cause as Error).message}`, cause)
  }
  return provenNames(ours)
}

/** The first of them. */
function certificate(option: 'cert' | 'ca', pem: string): X509Certificate {
  try {
    return new X509Certificate(pem)
  } catch (cause) {
    throw wrong(option, 'is no certificate', cause)
  }
}

function privateKey(pem: string): KeyObject {
  try {
    return createPrivateKey(pem)
  } catch (cause) {
    throw wrong('key', 'is no private key, or one that needs a passphrase', cause)
  }
}

function wrong(option: 'cert' | 'key' | 'ca', what: string, cause?: unknown): TransportError {
  const details = { option: `tls.${option}` }
  return failure('tls-options', `option tls.${option} ${what}`, cause === undefined ? { details } : { cause, details })
}
