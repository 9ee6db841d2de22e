import { type Clock, systemClock, type TimerHandle } from '../base/clock.js'
import { EventQueue, type QueuedEvent } from './event-queue.js'
import { clockRules } from './options.js'

interface VirtualTimer extends QueuedEvent {
  readonly callback: () => void
}

/**
 * Time that stands still until a test moves it. Turns of the event loop are not time: they stay the real ones,
 * unless `turns: 'manual'` hands them to the test as well.
 */
export class VirtualClock implements Clock {
  readonly #manualTurns: boolean
  /** Timers of one moment fire in the order in which they were set. */
  readonly #timers = new EventQueue<VirtualTimer>()
  #timersSet = 0
  #endOfTurn: (() => void)[] = []
  #nextTurn: (() => void)[] = []
  #now: number
  #wallOffset: number

  constructor(options: { now?: number; wallNow?: number; turns?: 'real' | 'manual' } = {}) {
    const { now, wallNow, turns } = clockRules.parse(options, '')
    this.#now = now
    this.#wallOffset = wallNow - now
    this.#manualTurns = turns === 'manual'
  }

  now(): number {
    return this.#now
  }

  wallNow(): number {
    return Math.floor(this.#now + this.#wallOffset)
  }

  /** What somebody does who sets the clock on the wall: `now` does not notice. */
  setWall(wallNow: number): void {
    this.#wallOffset = wallNow - this.#now
  }

  setTimer(callback: () => void, delayMs: number): TimerHandle {
    // As Node has it: less than a millisecond, or no number at all, is a millisecond.
    const dueAt = this.#now + Math.max(1, delayMs || 0)
    this.#timersSet += 1
    const timer: VirtualTimer = { callback, dueAt, order: this.#timersSet, place: -1 }
    this.#timers.push(timer)
    return timer
  }

  clearTimer(handle: TimerHandle): void {
    if (handle !== undefined && handle !== null) this.#timers.remove(handle as VirtualTimer)
  }

  endOfTurn(callback: () => void): void {
    if (this.#manualTurns) this.#endOfTurn.push(callback)
    else systemClock.endOfTurn(callback)
  }

  nextTurn(callback: () => void): void {
    if (this.#manualTurns) this.#nextTurn.push(callback)
    else systemClock.nextTurn(callback)
  }

  /** How many timers are set. Zero when everything that used this clock is closed. */
  get timers(): number {
    return this.#timers.length
  }

  /** When the next timer fires; Infinity when there is none. */
  get nextDueAt(): number {
    return this.#timers.peek()?.dueAt ?? Number.POSITIVE_INFINITY
  }

  /** Moves time on by `ms` and fires what falls due on the way, each timer at its own moment, in order. */
  advance(ms: number): void {
    const until = this.#now + ms
    for (let timer = this.#timers.peek(); timer !== undefined && timer.dueAt <= until; timer = this.#timers.peek()) {
      this.#now = Math.max(this.#now, timer.dueAt)
      this.#fire(timer)
    }
    this.#now = until
  }

  /** As `advance`, but lets promises and real I/O go on after every timer and at the end. */
  async advanceAsync(ms: number): Promise<void> {
    const until = this.#now + ms
    await this.settle()
    for (let timer = this.#timers.peek(); timer !== undefined && timer.dueAt <= until; timer = this.#timers.peek()) {
      this.#now = Math.max(this.#now, timer.dueAt)
      this.#fire(timer)
      await this.settle()
    }
    this.#now = until
  }

  /** Moves time on by `ms` at once, as a blocked event loop does: what fell due meanwhile fires late, in order. */
  stall(ms: number): void {
    this.#now += ms
    for (
      let timer = this.#timers.peek();
      timer !== undefined && timer.dueAt <= this.#now;
      timer = this.#timers.peek()
    ) {
      this.#fire(timer)
    }
  }

  /** With manual turns: ends this turn and begins the next. What that starts belongs to later turns. */
  turn(): void {
    const ending = this.#endOfTurn
    this.#endOfTurn = []
    for (const callback of ending) callback()
    const starting = this.#nextTurn
    this.#nextTurn = []
    for (const callback of starting) callback()
  }

  /** Lets a few turns of the real event loop pass; time stands still. */
  async settle(turns = 3): Promise<void> {
    for (let turn = 0; turn < turns; turn += 1) {
      await new Promise<void>((resolve) => systemClock.nextTurn(resolve))
      if (this.#manualTurns) this.turn()
    }
  }

  #fire(timer: VirtualTimer): void {
    this.#timers.remove(timer)
    timer.callback()
  }
}
