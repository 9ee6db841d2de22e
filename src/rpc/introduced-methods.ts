// Hot path: `find` runs for every call and message received.
import { failure, type TransportError } from '../base/errors.js'
import type { Agreement } from '../connection/hello.js'
import type { Registration, Registry } from './registry.js'
import { checkName } from './service.js'

interface Introduced {
  readonly name: string
  /** Who serves it, once that is known and the peer has the same contract. */
  found: Registration | null
}

/** The method names that the peer introduced on one connection, by their numbers. */
export class IntroducedMethods {
  readonly #registry: Registry
  readonly #agreement: Agreement
  readonly #limit: number
  readonly #byNumber: (Introduced | undefined)[] = []
  #count = 0

  constructor(registry: Registry, agreement: Agreement, limit: number) {
    this.#registry = registry
    this.#agreement = agreement
    this.#limit = limit
  }

  /** Takes a name in. Returns what is wrong with it, or null. */
  add(number: number, name: string): TransportError | null {
    if (this.#count >= this.#limit) return failure('too-many-methods', `more than ${this.#limit} method names`)
    // Numbers are given out one after the other, so that the table has no holes.
    if (number !== this.#count + 1)
      return failure('frame-malformed', `method number ${number} where ${this.#count + 1} is next`)
    try {
      checkName(name)
    } catch {
      return failure('name-malformed', 'a method name that is no name', { origin: 'peer' })
    }
    this.#count += 1
    this.#byNumber[number] = { name, found: null }
    return null
  }

  /** Who serves the method; or why nobody does. Null for a number that was never introduced. */
  find(number: number): Registration | TransportError | null {
    const introduced = this.#byNumber[number]
    if (introduced === undefined) return null
    return introduced.found ?? this.#search(introduced)
  }

  /** Asked again for each message until somebody serves it: handlers may be added late. */
  #search(introduced: Introduced): Registration | TransportError {
    const registration = this.#registry.find(introduced.name)
    if (registration === undefined) return failure('method-unknown', `nobody handles ${introduced.name}`)
    const { service } = registration.method
    const theirs = service === null ? undefined : this.#agreement.services.find(({ name }) => name === service.name)
    if (theirs !== undefined && theirs.fingerprint !== service?.fingerprint)
      return failure('contract-mismatch', `the peer has another contract for the service ${service?.name}`)
    introduced.found = registration
    return registration
  }
}
