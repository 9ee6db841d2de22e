import { failure, type TransportError } from '../base/errors.js'

/** A connection that nobody else uses. Give it back with `using`, `release`, or `destroy` when it is spoilt. */
export class Lease<M> implements Disposable {
  readonly member: M
  readonly #giveBack: (healthy: boolean) => void
  #out = true

  constructor(member: M, giveBack: (healthy: boolean) => void) {
    this.member = member
    this.#giveBack = giveBack
  }

  release(): void {
    this.#end(true)
  }

  /** Gives it back to be closed: an error left it in a state that nobody should meet. */
  destroy(): void {
    this.#end(false)
  }

  [Symbol.dispose](): void {
    if (this.#out) this.release()
  }

  #end(healthy: boolean): void {
    if (!this.#out) throw failure('double-release', 'this lease was given back before')
    this.#out = false
    this.#giveBack(healthy)
  }
}

/** Somebody who waits for one. */
export interface LeaseWish<M> {
  readonly grant: (member: M) => void
  readonly refuse: (error: TransportError) => void
}
