import { failure } from '../base/errors.js'
import type { Lease } from '../pool/pool.js'
import type { SessionFacts } from './facts.js'
import { type CallOptions, NO_OPTIONS } from './options.js'
import type { Session } from './session.js'

type MakeCall = (name: string, request: unknown, options: CallOptions) => Promise<unknown>

/**
 * A connection that nobody else uses. Give it back with `using` or `release`, or with `destroy` when it is spoilt. What is
 * called on it goes nowhere else: it is made once, and fails with the connection.
 */
export class ClientLease implements Disposable {
  readonly #lease: Lease<Session>
  readonly #makeCall: MakeCall

  /** @internal */
  constructor(lease: Lease<Session>, makeCall: MakeCall) {
    this.#lease = lease
    this.#makeCall = makeCall
  }

  /** As `client.call`, on this connection. Rejects with `misuse` when it was given back. */
  async call<Response = unknown>(name: string, request: unknown, options: CallOptions = NO_OPTIONS): Promise<Response> {
    if (!this.#lease.out) throw failure('misuse', 'this lease was given back before the call')
    return (await this.#makeCall(name, request, options)) as Response
  }

  info(): SessionFacts {
    return this.#lease.member.info()
  }

  /** Gives it back for others to use. Throws `double-release` where that was done before. */
  release(): void {
    this.#lease.release()
  }

  /** Gives it back to be closed: an error left it in a state that nobody should meet. */
  destroy(): void {
    this.#lease.destroy()
  }

  [Symbol.dispose](): void {
    this.#lease[Symbol.dispose]()
  }
}
