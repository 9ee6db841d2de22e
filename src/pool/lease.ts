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

  /** It was not given back. */
  get out(): boolean {
    return this.#out
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
interface LeaseWish<M> {
  readonly grant: (member: M) => void
  readonly refuse: (error: TransportError) => void
}

/** Those who wait for one: who came first is served first. */
export class LeaseWishes<M> {
  readonly #wishes: LeaseWish<M>[] = []

  get count(): number {
    return this.#wishes.length
  }

  /** `lend` is called in the same turn in which one is granted. */
  add(lend: (member: M) => Lease<M>): Promise<Lease<M>> {
    return new Promise((resolve, reject) => {
      this.#wishes.push({ grant: (member) => resolve(lend(member)), refuse: reject })
    })
  }

  /** Returns whether anybody wanted it. */
  grant(member: M): boolean {
    const wish = this.#wishes.shift()
    wish?.grant(member)
    return wish !== undefined
  }

  /** Refuses all but so many, those who came last. */
  refuse(error: TransportError, rest = 0): void {
    for (const wish of this.#wishes.splice(rest)) wish.refuse(error)
  }
}
