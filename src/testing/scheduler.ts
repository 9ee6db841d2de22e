import type { TimerHandle } from '../base/clock.js'

/** Whose event something is: nothing happens in a life while it is frozen, and nothing after its end. */
export interface Life {
  readonly host: string
  readonly alive: boolean
  readonly frozenUntil: number
}

/** Runs events one after the other, in virtual time. */
export interface Scheduler {
  readonly now: number
  /** Without a life, the event is of the world between the machines: of the network, or of the test. */
  schedule(life: Life | null, delayMs: number, callback: () => void): TimerHandle
  cancel(handle: TimerHandle): void
  /** Calls back when the event under way, and the microtasks that it brought, are done. */
  endOfTurn(life: Life, callback: () => void): void
  /** A line of the trace, and part of its hash. */
  /** Goes into the trace. Of `bytes` the hash, in part. */
  note(who: string, what: string, amount?: number, bytes?: Uint8Array): void
}
