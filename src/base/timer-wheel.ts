import type { Clock, TimerHandle } from './clock.js'

/** Resolution of the wheel. A deadline fires at most this late plus what the event loop adds. */
const TICK_MS = 2
const SLOT_BITS = 6
const SLOTS = 1 << SLOT_BITS
const SLOT_MASK = SLOTS - 1
/** 2 ms, 128 ms, 8 s, 9 min, 9 h, 24 days: the last level reaches past every limit this library has. */
const LEVELS = 6
const LAST_TICK = 2 ** 31

/** A timer made once and armed many times. It belongs to the wheel from `arm` until it fires or is disarmed. */
export class WheelTimer {
  readonly callback: () => void
  /** Absolute tick at which it fires; meaningless while it is not armed. */
  tick = 0
  armed = false
  previous: WheelTimer = this
  next: WheelTimer = this

  constructor(callback: () => void) {
    this.callback = callback
  }
}

/**
 * A hierarchical timing wheel (Varghese and Lauck, 1987): arming and disarming cost a list insertion however many
 * timers there are, and one timer of the system serves all of them. With nothing armed there is no system timer.
 */
export class TimerWheel {
  readonly #clock: Clock
  readonly #origin: number
  /** Heads of circular lists, `LEVELS * SLOTS` of them, made when first used. */
  readonly #slots: (WheelTimer | undefined)[] = []
  #tick = 0
  #armed = 0
  #handle: TimerHandle | undefined
  #wakeTick = Number.POSITIVE_INFINITY

  constructor(clock: Clock) {
    this.#clock = clock
    this.#origin = clock.now()
  }

  /** How many timers are armed. Zero when everything that used this wheel is closed. */
  get armed(): number {
    return this.#armed
  }

  /** Arms, or moves an armed timer. Fires no earlier than `delayMs` from now. */
  arm(timer: WheelTimer, delayMs: number): void {
    const elapsed = this.#clock.now() - this.#origin
    if (this.#armed === 0) this.#tick = Math.max(this.#tick, Math.floor(elapsed / TICK_MS))
    if (timer.armed) this.#unlink(timer)
    else this.#armed += 1
    timer.armed = true
    const due = Math.ceil((elapsed + delayMs) / TICK_MS)
    timer.tick = Math.min(Math.max(due, this.#tick + 1), this.#tick + LAST_TICK)
    this.#link(timer)
    if (timer.tick < this.#wakeTick) this.#sleepUntil(timer.tick)
  }

  disarm(timer: WheelTimer): void {
    if (!timer.armed) return
    timer.armed = false
    this.#unlink(timer)
    this.#armed -= 1
    if (this.#armed === 0) this.#sleepUntil(Number.POSITIVE_INFINITY)
  }

  #link(timer: WheelTimer): void {
    const distance = timer.tick - this.#tick
    let level = 0
    while (level < LEVELS - 1 && distance >= 2 ** (SLOT_BITS * (level + 1))) level += 1
    const index = level * SLOTS + (Math.floor(timer.tick / 2 ** (SLOT_BITS * level)) & SLOT_MASK)
    let head = this.#slots[index]
    if (head === undefined) {
      head = new WheelTimer(() => {})
      this.#slots[index] = head
    }
    timer.previous = head.previous
    timer.next = head
    head.previous.next = timer
    head.previous = timer
  }

  #unlink(timer: WheelTimer): void {
    timer.previous.next = timer.next
    timer.next.previous = timer.previous
    timer.next = timer
    timer.previous = timer
  }

  #sleepUntil(tick: number): void {
    if (this.#handle !== undefined) this.#clock.clearTimer(this.#handle)
    this.#handle = undefined
    this.#wakeTick = tick
    if (tick === Number.POSITIVE_INFINITY) return
    const delayMs = this.#origin + tick * TICK_MS - this.#clock.now()
    this.#handle = this.#clock.setTimer(() => this.#wake(), Math.max(1, Math.ceil(delayMs)))
  }

  #wake(): void {
    this.#handle = undefined
    this.#wakeTick = Number.POSITIVE_INFINITY
    const now = Math.floor((this.#clock.now() - this.#origin) / TICK_MS)
    for (let due = this.#nextTick(); due <= now; due = this.#nextTick()) this.#advance(due)
    this.#tick = Math.max(this.#tick, now)
    // A callback may have armed a timer, and with it the clock, that has fired since.
    const next = this.#nextTick()
    if (next !== this.#wakeTick) this.#sleepUntil(next)
  }

  /**
   * The next tick at which something is to be done: a timer fires, or a slot of a higher level is spread over the
   * level below. Looks at no more than `LEVELS * SLOTS` heads.
   */
  #nextTick(): number {
    if (this.#armed === 0) return Number.POSITIVE_INFINITY
    let next = Number.POSITIVE_INFINITY
    for (let level = 0; level < LEVELS; level += 1) {
      const span = 2 ** (SLOT_BITS * level)
      const position = Math.floor(this.#tick / span)
      for (let ahead = 1; ahead <= SLOTS; ahead += 1) {
        const head = this.#slots[level * SLOTS + ((position + ahead) & SLOT_MASK)]
        if (head === undefined || head.next === head) continue
        next = Math.min(next, (position + ahead) * span)
        break
      }
    }
    return next
  }

  #advance(tick: number): void {
    this.#tick = tick
    for (let level = LEVELS - 1; level > 0; level -= 1) {
      const span = 2 ** (SLOT_BITS * level)
      if (tick % span === 0) this.#spread(level * SLOTS + ((tick / span) & SLOT_MASK))
    }
    this.#fire(tick & SLOT_MASK)
  }

  #spread(index: number): void {
    for (const timer of this.#take(index)) {
      if (timer.tick <= this.#tick) timer.tick = this.#tick
      this.#link(timer)
    }
  }

  #fire(index: number): void {
    for (const timer of this.#take(index)) {
      // An earlier callback of this slot may have disarmed it, or armed it anew elsewhere.
      if (!timer.armed || timer.tick > this.#tick) continue
      timer.armed = false
      this.#unlink(timer)
      this.#armed -= 1
      this.#call(timer)
    }
  }

  /** A callback that throws is the process's uncaught exception, and no other timer pays for it. */
  #call(timer: WheelTimer): void {
    try {
      timer.callback()
    } catch (error) {
      this.#clock.nextTurn(() => {
        throw error
      })
    }
  }

  /** Empties a slot. The timers stay armed and linked to nothing. */
  #take(index: number): WheelTimer[] {
    const head = this.#slots[index]
    const taken: WheelTimer[] = []
    if (head === undefined) return taken
    for (let timer = head.next; timer !== head; timer = head.next) {
      this.#unlink(timer)
      taken.push(timer)
    }
    return taken
  }
}
