import { WheelTimer } from '../base/timer-wheel.js'
import { KIND } from '../wire/frame.js'
import type { Environment } from './environment.js'
import { RoundTrip } from './round-trip.js'
import type { WriteLoop } from './write-loop.js'

/**
 * A connection is looked at so many times in an interval. When its last byte came is known no better than that, and the
 * reader pays a flag for it instead of reading the clock.
 */
const LOOKS_PER_INTERVAL = 8

export interface HeartbeatOwner {
  /** We do not read ourselves: that nothing comes says nothing about the peer. */
  readonly readingPaused: boolean
  /** The peer said nothing for `heartbeat.intervalMs`, and nothing to our PING for `heartbeat.timeoutMs`. */
  onSilent(): void
}

/**
 * Finds peers that are gone without a word. After an interval of silence it sends a PING; whatever comes then, PONG or
 * not, is a sign of life. It also measures the round trip, whose PINGs are the same.
 */
export class Heartbeat {
  readonly #environment: Environment
  readonly #writes: WriteLoop
  readonly #owner: HeartbeatOwner
  readonly #timer: WheelTimer
  readonly #roundTrip = new RoundTrip()
  #heard = false
  /** No earlier than this. */
  #heardAt = 0
  /** When the silence was questioned; null while it is not. */
  #askedAt: number | null = null
  #stopped = true
  #onEcho: (() => void) | null = null
  /** Whose PONG it waits for; 0 while that PING has not left. */
  #echoId = 0

  constructor(environment: Environment, writes: WriteLoop, owner: HeartbeatOwner) {
    this.#environment = environment
    this.#writes = writes
    this.#owner = owner
    this.#timer = new WheelTimer(() => this.#look())
  }

  /** The round trip as measured; 0 while it is not known. */
  get roundTripMs(): number {
    return this.#roundTrip.ms
  }

  start(): void {
    if (this.#environment.heartbeat.intervalMs === 0) return
    this.#stopped = false
    this.#heardAt = this.#environment.clock.now()
    this.#arm()
  }

  stop(): void {
    this.#stopped = true
    this.#environment.wheel.disarm(this.#timer)
  }

  /** Something came. */
  hear(): void {
    this.#heard = true
  }

  /**
   * Calls back when all that the peer sent before it read what we have sent so far has been read: a PING goes behind
   * that, and its PONG comes behind this. Not at all where the connection ends before.
   */
  whenEchoed(callback: () => void): void {
    this.#onEcho = callback
    // The PONG of one that left before says too little: then another follows it.
    this.#echoId = this.#ping(true)
  }

  /** Measures the round trip, unless that was done a moment ago. */
  measure(): void {
    this.#ping(false)
  }

  /** Returns false for a PONG that nobody has asked for. */
  onPong(id: number): boolean {
    if (!this.#roundTrip.end(id, this.#environment.clock.now())) return false
    const callback = this.#onEcho
    if (callback === null) return true
    if (id === this.#echoId) {
      this.#onEcho = null
      callback()
    } else this.#echoId = this.#ping(true)
    return true
  }

  /** Returns the id of the PING, or 0 where none is due. */
  #ping(urgent: boolean): number {
    const id = this.#roundTrip.begin(this.#environment.clock.now(), urgent)
    if (id !== 0) this.#writes.control(KIND.PING, 0, 0, id)
    return id
  }

  #look(): void {
    const { clock, heartbeat } = this.#environment
    const now = clock.now()
    if (this.#heard || this.#owner.readingPaused) {
      this.#heard = false
      this.#heardAt = now
      this.#askedAt = null
    } else if (this.#askedAt === null) {
      // It may have come right after the look before the last one.
      if (now - this.#heardAt >= heartbeat.intervalMs - this.#lookMs) {
        this.#askedAt = now
        this.#ping(true)
      }
    } else if (now - this.#askedAt >= heartbeat.timeoutMs) {
      // After our own event loop stood still the answer is there, and only not read.
      clock.nextTurn(() => {
        if (this.#stopped) return
        if (this.#heard) this.#arm()
        else this.#owner.onSilent()
      })
      return
    }
    this.#arm()
  }

  #arm(): void {
    const { wheel, heartbeat } = this.#environment
    const soon = this.#askedAt === null ? this.#lookMs : Math.min(this.#lookMs, heartbeat.timeoutMs)
    wheel.arm(this.#timer, soon)
  }

  get #lookMs(): number {
    return this.#environment.heartbeat.intervalMs / LOOKS_PER_INTERVAL
  }
}
