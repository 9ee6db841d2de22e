// Hot path where it is used: `add` runs for every item.
import { callable, group, integer, optional, required } from '../base/options.js'
import { type TimerWheel, WheelTimer } from '../base/timer-wheel.js'

/** `key` and `merge` must not call the coalescer themselves. */
export interface CoalescerOptions<T> {
  /** Items of equal key, as a `Map` has it, become one. Without it all of them do. */
  readonly key?: (item: T) => unknown
  /**
   * One item out of two of the same key. May change the older one and return it, but then it must not throw. Items that
   * have no room to leave are merged however long that takes: what it makes of them must not grow without end.
   */
  readonly merge: (older: T, newer: T) => T
  /** The longest that an item waits for company. */
  readonly maxDelayMs: number
  /** Items added, however few they became, after which none waits for company any longer. */
  readonly maxItems: number
}

const oneKey = (): unknown => undefined
const always = (): boolean => true

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
 * of them, with the addition that makes it `maxItems`, or when somebody says `flush`. What is due and finds no room
 * stays, and is merged with what comes; until it has left nothing joins it that would be an item of its own. So there
 * are never more than `maxItems`. While nothing is pending, or all of it waits for room, no timer is armed.
 */
export class Coalescer<T> {
  readonly #key: (item: T) => unknown
  readonly #merge: (older: T, newer: T) => T
  readonly #maxDelayMs: number
  readonly #maxItems: number
  readonly #wheel: TimerWheel
  readonly #emit: (item: T) => void
  readonly #ready: () => boolean
  readonly #timer = new WheelTimer(() => this.flush())
  readonly #pending = new Map<unknown, T>()
  /** Of what is pending, how many items from the first on are to be emitted. */
  #due = 0
  /** Goes through what is due, also where that takes many flushes: a map is slow to find the first of what is left. */
  #walk: Iterator<readonly [key: unknown, item: T]> | null = null
  #added = 0
  #held = false
  #closed = false

  /**
   * `emit` owns what it is given. `ready` is asked before each item whether there is room for it; whoever says no calls
   * `flush` when there is.
   */
  constructor(options: CoalescerOptions<T>, wheel: TimerWheel, emit: (item: T) => void, ready: () => boolean = always) {
    checkCoalescing(options)
    this.#key = options.key ?? oneKey
    this.#merge = options.merge
    this.#maxDelayMs = options.maxDelayMs
    this.#maxItems = options.maxItems
    this.#wheel = wheel
    this.#emit = emit
    this.#ready = ready
  }

  /** Items that wait to be emitted: one a key. */
  get pending(): number {
    return this.#pending.size
  }

  /** What was due has found no room. */
  get held(): boolean {
    return this.#held
  }

  /**
   * Takes an item. Throws what `key` or `merge` throw: the item is its owner's still, and everything else is as it was.
   * What `emit` throws is never thrown here, where it would read as if the item had not been taken: as with a timer
   * that throws, it is an uncaught exception. Returns false once closed, and while what is due is held and has nothing
   * of the same key: the item was not taken.
   */
  add(item: T): boolean {
    if (this.#closed) return false
    const key = this.#key(item)
    const merged = this.#join(key, item)
    // What makes no item of its own costs nothing.
    if (this.#held) return merged
    if (!merged) this.#pending.set(key, item)
    this.#added += 1
    if (this.#added >= this.#maxItems) this.#flushFull()
    else if (!this.#timer.armed) this.#wheel.arm(this.#timer, this.#maxDelayMs)
    return true
  }

  /** Takes an item only where there is one of the same key. Throws, and returns false, as `add` does. */
  merge(item: T): boolean {
    return !this.#closed && this.#join(this.#key(item), item)
  }

  /**
   * Emits everything pending now, as far as there is room; what `emit` adds meanwhile waits for the next time. When
   * `emit` throws, the others are emitted all the same, and then the error is thrown: of several, an `AggregateError`.
   */
  flush(): void {
    this.#wheel.disarm(this.#timer)
    this.#due = this.#pending.size
    this.#added = 0
    this.#held = false
    if (this.#due === 0) return
    const errors: unknown[] = []
    while (this.#due > 0 && this.#ready()) {
      try {
        this.#emitNext()
      } catch (error) {
        errors.push(error)
      }
    }
    this.#held = this.#due > 0
    if (errors.length === 1) throw errors[0]
    if (errors.length > 1) throw new AggregateError(errors, `${errors.length} items could not be emitted`)
  }

  /** Emits what is pending, and takes nothing more. What is held still leaves with the flushes to come. */
  close(): void {
    this.#closed = true
    this.flush()
  }

  /** Forgets what is pending. Returns how many items that were. */
  clear(): number {
    const { size } = this.#pending
    this.#wheel.disarm(this.#timer)
    this.#pending.clear()
    this.#walk = null
    this.#due = 0
    this.#added = 0
    this.#held = false
    return size
  }

  /** Merges the item with the pending one of its key. Returns false where there is none. */
  #join(key: unknown, item: T): boolean {
    const older = this.#pending.get(key)
    // An item may be undefined itself.
    if (older === undefined && !this.#pending.has(key)) return false
    this.#pending.set(key, this.#merge(older as T, item))
    return true
  }

  #emitNext(): void {
    this.#walk ??= this.#pending.entries()
    const { done, value } = this.#walk.next()
    if (done === true) {
      this.#due = 0
      return
    }
    const [key, item] = value
    // Before it is emitted: what `emit` adds is another item.
    this.#pending.delete(key)
    this.#due -= 1
    if (this.#due === 0) this.#walk = null
    this.#emit(item)
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
