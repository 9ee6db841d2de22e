import { failure } from '../base/errors.js'

export interface ObjectPoolOptions<T extends object> {
  readonly create: () => T
  /** Makes a returned object like new. Runs on release, so that the pool holds no reference of the last user. */
  readonly reset: (object: T) => void
  /** How many idle objects are kept; more that come back are left to the collector. */
  readonly maxIdle: number
  /** Told when an object was lost: collected without having been released. */
  readonly onForgotten?: () => void
}

/** An object on loan. `using` gives it back at the end of the block. */
export interface Loan<T extends object> extends Disposable {
  readonly object: T
}

/** Objects used again. Acquire and release are synchronous; a double release throws. */
export class ObjectPool<T extends object> {
  readonly #options: ObjectPoolOptions<T>
  readonly #idle: T[] = []
  readonly #forgotten: FinalizationRegistry<undefined> | undefined
  #borrowed = 0

  constructor(options: ObjectPoolOptions<T>) {
    this.#options = options
    const { onForgotten } = options
    if (onForgotten !== undefined) {
      this.#forgotten = new FinalizationRegistry(() => {
        this.#borrowed -= 1
        onForgotten()
      })
    }
  }

  get borrowed(): number {
    return this.#borrowed
  }

  get idle(): number {
    return this.#idle.length
  }

  acquire(): Loan<T> {
    const object = this.#idle.pop() ?? this.#options.create()
    this.#borrowed += 1
    let out = true
    const loan: Loan<T> = {
      object,
      [Symbol.dispose]: () => {
        if (!out) throw failure('double-release', 'this object was released before')
        out = false
        this.#forgotten?.unregister(loan)
        this.#release(object)
      },
    }
    this.#forgotten?.register(loan, undefined, loan)
    return loan
  }

  #release(object: T): void {
    this.#borrowed -= 1
    this.#options.reset(object)
    if (this.#idle.length < this.#options.maxIdle) this.#idle.push(object)
  }
}
