import { systemClock, type TimerHandle } from '../base/clock.js'
import { failure } from '../base/errors.js'
import { type Random, seededRandom } from '../base/random.js'
import { EventQueue, type QueuedEvent } from './event-queue.js'
import { Machine } from './machine.js'
import { runRules, simulationRules } from './options.js'
import type { Life, Scheduler } from './scheduler.js'
import { Trace } from './trace.js'
import { VirtualNetwork } from './virtual-network.js'

export interface SimulationOptions {
  /** Runs with one seed are the same, event by event. */
  readonly seed: number
  /** Gets every line of the trace. */
  readonly onTrace?: (line: string) => void
}

export interface RunOptions {
  /** How much virtual time may pass. */
  readonly forMs?: number
  /** Asked after every turn; true ends the run. */
  readonly until?: () => boolean
}

/** Why a run ended: nothing is left to do, its time is over, or `until` said so. */
export type RunEnd = 'idle' | 'time' | 'met'

interface SimulatedEvent extends QueuedEvent {
  readonly life: Life | null
  readonly callback: () => void
  dueAt: number
}

/** Something goes round in circles: no program needs so many events at one moment. */
const MAX_EVENTS_AT_ONCE = 200_000
/** After so many events what is outside gets a turn of the real event loop. */
const EVENTS_PER_REAL_TURN = 1_000

/**
 * Machines, a network between them and the time they share. Runs one event, then the microtasks that it brought, then
 * what waits for the end of the turn; then the next. Nothing else decides what happens, so that a seed replays.
 */
export class Simulation implements Scheduler {
  readonly seed: number
  /** For what is drawn outside of machines: faults, and the work of the test. */
  readonly random: Random
  readonly network: VirtualNetwork
  /** Called when a turn is over, with the machine it was of. What it throws ends the run. */
  onTurnEnd: ((machine: Life | null) => void) | null = null
  readonly #trace: Trace
  readonly #machines = new Map<string, Machine>()
  readonly #queue = new EventQueue<SimulatedEvent>()
  #ending: { readonly life: Life; readonly callback: () => void }[] = []
  #now = 0
  #events = 0
  #eventsAtOnce = 0
  #booted = 0
  #scheduled = 0

  constructor(options: SimulationOptions) {
    const { seed } = simulationRules.parse(options, '')
    this.seed = seed
    this.#trace = new Trace(options.onTrace ?? null)
    this.random = seededRandom(seed)
    this.network = new VirtualNetwork(this, this.#randomOf(1))
  }

  /** Milliseconds since the beginning. */
  get now(): number {
    return this.#now
  }

  /** Events so far. */
  get events(): number {
    return this.#events
  }

  /** Events to come. */
  get pending(): number {
    return this.#queue.length
  }

  /** Equal for two runs in which the same happened. */
  get traceHash(): string {
    return this.#trace.hash
  }

  /** Starts a machine, also in place of one that has crashed. */
  boot(host: string): Machine {
    if (this.#machines.get(host)?.alive === true) throw failure('misuse', `${host} is running already`)
    this.#booted += 1
    this.note(host, 'boots')
    const machine = new Machine(host, this, this.network, this.#randomOf(1 + this.#booted))
    this.#machines.set(host, machine)
    return machine
  }

  /** Calls back in `delayMs`, whatever the machines are doing. */
  after(delayMs: number, callback: () => void): TimerHandle {
    return this.schedule(null, delayMs, callback)
  }

  note(who: string, what: string, amount = 0, bytes?: Uint8Array): void {
    this.#trace.note(this.#now, who, what, amount)
    if (bytes !== undefined) this.#trace.bytes(bytes)
  }

  schedule(life: Life | null, delayMs: number, callback: () => void): TimerHandle {
    this.#scheduled += 1
    const event: SimulatedEvent = {
      life,
      callback,
      dueAt: this.#now + Math.max(0, delayMs),
      order: this.#scheduled,
      place: -1,
    }
    if (life === null || life.alive) this.#queue.push(event)
    return event
  }

  cancel(handle: TimerHandle): void {
    this.#queue.remove(handle as SimulatedEvent)
  }

  endOfTurn(life: Life, callback: () => void): void {
    this.#ending.push({ life, callback })
  }

  /** Goes on until nothing is left to do, or as `options` say. Rejects with whatever an event throws. */
  run(options: RunOptions = {}): Promise<RunEnd> {
    return new Promise((resolve, reject) => {
      const endsAt = this.#now + runRules.parse(options, '').forMs
      const { until } = options
      let life: Life | null = null
      const step = (): void => {
        try {
          if (this.#endTurn()) {
            systemClock.endOfTurn(step)
            return
          }
          this.onTurnEnd?.(life)
          if (until?.() === true) resolve('met')
          else {
            const next = this.#next(endsAt)
            if (typeof next === 'string') resolve(next)
            else {
              life = next.life
              next.callback()
              if (this.#events % EVENTS_PER_REAL_TURN === 0) systemClock.nextTurn(step)
              else systemClock.endOfTurn(step)
            }
          }
        } catch (error) {
          reject(error)
        }
      }
      systemClock.endOfTurn(step)
    })
  }

  /** Runs what waits for the end of the turn. Returns whether there was anything. */
  #endTurn(): boolean {
    if (this.#ending.length === 0) return false
    const ending = this.#ending
    this.#ending = []
    for (const { life, callback } of ending) if (life.alive) callback()
    return true
  }

  /** Takes the next event out and moves time to it. */
  #next(endsAt: number): SimulatedEvent | 'idle' | 'time' {
    for (let next = this.#queue.peek(); next !== undefined; next = this.#queue.peek()) {
      if (next.dueAt > endsAt) {
        this.#moveTo(endsAt)
        return 'time'
      }
      this.#queue.remove(next)
      const { life } = next
      if (life !== null && !life.alive) continue
      if (life !== null && life.frozenUntil > next.dueAt) {
        // Late, and in the order in which they were due.
        next.dueAt = life.frozenUntil
        this.#queue.push(next)
        continue
      }
      this.#moveTo(next.dueAt)
      this.#count()
      return next
    }
    return 'idle'
  }

  #moveTo(now: number): void {
    if (now > this.#now) this.#eventsAtOnce = 0
    this.#now = now
  }

  #count(): void {
    this.#events += 1
    this.#eventsAtOnce += 1
    if (this.#eventsAtOnce > MAX_EVENTS_AT_ONCE)
      throw failure(
        'misuse',
        `more than ${MAX_EVENTS_AT_ONCE} events at ${this.#now} ms: something goes round in circles`,
      )
  }

  #randomOf(stream: number): Random {
    return seededRandom(Math.imul(this.seed ^ (stream * 0x9e3779b9), 0x85ebca6b) + stream)
  }
}
