/** A timer that was set and can be taken back. Opaque: only the clock that made it can read it. */
export type TimerHandle = unknown

/**
 * Where time comes from. The library never asks Node for the time itself: the simulator hands in a clock that
 * only moves when told to.
 */
export interface Clock {
  /** Monotonic milliseconds, with fractions, from an arbitrary origin. */
  now(): number
  /** Milliseconds since 1970, for people. Jumps when somebody sets the clock. */
  wallNow(): number
  /** Calls back once, no earlier than `delayMs` from now. Keeps the process alive until then. */
  setTimer(callback: () => void, delayMs: number): TimerHandle
  clearTimer(handle: TimerHandle): void
  /** Calls back when the work of this turn, microtasks included, is done; before the next I/O event. */
  endOfTurn(callback: () => void): void
  /** Calls back in a later turn, after pending I/O events had their chance. */
  nextTurn(callback: () => void): void
}

/** `setTimeout` treats anything longer as 1 ms. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

export const systemClock: Clock = {
  now: () => performance.now(),
  wallNow: () => Date.now(),
  setTimer: (callback, delayMs) => setTimeout(callback, Math.min(delayMs, LONGEST_TIMER_MS)),
  clearTimer: (handle) => clearTimeout(handle as NodeJS.Timeout),
  // A tick queued from a microtask runs once the microtask queue is empty. Queued straight from a macrotask it
  // would run before the microtasks of this turn, which are where awaited answers make the next calls.
  endOfTurn: (callback) => queueMicrotask(() => process.nextTick(callback)),
  nextTurn: (callback) => {
    setImmediate(callback)
  },
}
