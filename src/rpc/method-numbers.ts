// Hot path: `get` runs for every message sent.
import { failure } from '../base/errors.js'
import type { Connection } from '../connection/connection.js'
import { sendMethod } from '../connection/control-frames.js'
import type { Environment } from '../connection/environment.js'
import type { Agreement } from '../connection/hello.js'
import type { AnyMethod, ServiceFacts } from './service.js'

/** Shared by all connections without a call. */
const NO_NUMBERS = new Uint16Array(0)

/** The numbers that stand for our methods on one connection. */
export class MethodNumbers {
  readonly #connection: Connection
  readonly #environment: Environment
  readonly #agreement: Agreement
  /** By the index of the method, 0 where the peer does not know it yet. */
  #numbers: Uint16Array = NO_NUMBERS
  #count = 0

  constructor(connection: Connection, agreement: Agreement, environment: Environment) {
    this.#connection = connection
    this.#agreement = agreement
    this.#environment = environment
  }

  /** The number of a method, or 0 where it has none yet. */
  get(method: AnyMethod): number {
    return this.#numbers[method.index] ?? 0
  }

  /** Gives the method a number, and tells the peer. Throws why the peer does not take it. */
  introduce(method: AnyMethod): number {
    if (method.service !== null) this.checkContract(method.service)
    const most = Math.min(this.#environment.limits.maxMethods, this.#agreement.maxMethods)
    if (this.#count >= most) {
      throw failure('too-many-methods', `the peer accepts no more than ${most} method names`, { origin: 'local' })
    }
    this.#count += 1
    if (method.index >= this.#numbers.length) {
      const grown = new Uint16Array(method.index * 2 + 1)
      grown.set(this.#numbers)
      this.#numbers = grown
    }
    this.#numbers[method.index] = this.#count
    sendMethod(this.#connection.writes, this.#count, method.name)
    // One control frame too many ends the connection.
    if (this.#connection.state === 'closed') throw failure('connection-lost', 'the connection was lost before the call')
    return this.#count
  }

  /** Throws when the peer has said that it has another contract under this name. */
  checkContract(ours: ServiceFacts): void {
    const theirs = this.#agreement.services.find(({ name }) => name === ours.name)
    if (theirs === undefined || theirs.fingerprint === ours.fingerprint) return
    throw failure('contract-mismatch', `the peer has another contract for the service ${ours.name}`, {
      details: { service: ours.name, ours: ours.fingerprint, theirs: theirs.fingerprint },
    })
  }
}
