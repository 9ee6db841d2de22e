// Hot path where it is used: `add` runs for every item.
import { callable, group, integer, optional, required } from '../base/options.js'
import { type TimerWheel, WheelTimer } from '../base/timer-wheel.js'

/** `key` and `merge` must not call the coalescer themselves. */
export interface CoalescerOptions<T> {
  /** Items of equal key, as a `Map` has it, become one. Without it all of them do. */
  readonly key?: (item: T) => unknown
  /** One item out of two of the same key. May change the older one and return it, but then it must not throw. */
  readonly merge: (older: T, newer: T) => T
  /** The longest that an item waits for company. */
  readonly maxDelayMs: number
  /** Items added, however few they became, after which none waits any longer. */
  readonly maxItems: number
}

const oneKey = (): unknown => undefined

const MAX_DELAY_MS = 24 * 60 * 60 * 1000
const MAX_ITEMS = 10_000_000

const rules = group({
  key: optional(callable()),
  merge: required(callable(), 'a function'),
  maxDelayMs: required(integer(0, 0, MAX_DELAY_MS), 'a whole number'),
  maxItems: required(integer(1, 1, MAX_ITEMS), 'a whole number'),
})

/** Throws what is wrong with the options. */
export function checkCoalescing<T>(options: CoalescerOptions<T>): CoalescerOptions<T> {
  rules.parse(options, '')
  return options
}

/**
 * Merges items of the same key, so that a thousand small announcements of a few milliseconds leave as one. What is
 * pending is handed to `emit` in the order in which each key first came: when `maxDelayMs` have passed since the first
 * of them, with the addition that makes it `maxItems`, or when somebody says `flush`. It so never holds more than
 * `maxItems`. While nothing is pending no timer is armed.
 */
export class Coalescer<T> {
  readonly #key: (item: T) => unknown
  readonly #merge: (older: T, newer: T) => T
  readonly #maxDelayMs: number
  readonly #maxItems: number
  readonly #wheel: TimerWheel
  readonly #emit: (item: T) => void
  readonly #timer = new WheelTimer(() => this.flush())
  #pending = new Map<unknown, T>()
  #added = 0
  #closed = false

  /** `emit` owns what it is given. */
  constructor(options: CoalescerOptions<T>, wheel: TimerWheel, emit: (item: T) => void) {
    checkCoalescing(options)
    this.#key = options.key ?? oneKey
    this.#merge = options.merge
    this.#maxDelayMs = options.maxDelayMs
    this.#maxItems = options.maxItems
    this.#wheel = wheel
    this.#emit = emit
  }

  /** Items that wait to be emitted: one a key. */
  get pending(): number {
    return this.#pending.size
  }

  /**
   * Takes an item. Throws what `key` or `merge` throw: the item is its owner's still, and everything else is as it was.
   * What `emit` throws is never thrown here, where it would read as if the item had not been taken: as with a timer
   * that throws, it is an uncaught exception. Returns false once closed: the item was not taken.
   */
  add(item: T): boolean {
    if (this.#closed) return false
    const key = this.#key(item)
    const older = this.#pending.get(key)
    // An item may be undefined itself.
    const merged = older !== undefined || this.#pending.has(key) ? this.#merge(older as T, item) : item
    this.#pending.set(key, merged)
    this.#added += 1
    if (this.#added >= this.#maxItems) this.#flushFull()
    else if (!this.#timer.armed) this.#wheel.arm(this.#timer, this.#maxDelayMs)
    return true
  }

  /**
   * Emits everything pending now; what `emit` adds meanwhile waits for the next time. When `emit` throws, the others
   * are emitted all the same, and then the error is thrown: of several, an `AggregateError`.
   */
  flush(): void {
    this.#wheel.disarm(this.#timer)
    const items = this.#pending
    if (items.size === 0) return
    this.#pending = new Map()
    this.#added = 0
    const errors: unknown[] = []
    for (const item of items.values()) {
      try {
        this.#emit(item)
      } catch (error) {
        errors.push(error)
      }
    }
    if (errors.length === 1) throw errors[0]
    if (errors.length > 1) throw new AggregateError(errors, `${errors.length} items could not be emitted`)
  }

  /** Emits what is pending, and takes nothing more. */
  close(): void {
    this.#closed = true
    this.flush()
  }

  #flushFull(): void {
    try {
      this.flush()
    } catch (error) {
      // The wheel makes it an uncaught exception.
      const thrower = new WheelTimer(() => {
        throw error
      })
      this.#wheel.arm(thrower, 0)
    }
  }
}
