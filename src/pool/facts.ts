import type { HealthState } from './health.js'

/** A count of everything at one moment. */
export interface PoolFacts {
  /** Connections that are there or being made. */
  readonly size: number
  /** Ready for calls. */
  readonly ready: number
  /** Ready, and with a call in flight, or leased. */
  readonly borrowed: number
  readonly leased: number
}

/** One endpoint, for people. */
export interface EndpointFacts {
  readonly address: string
  readonly state: HealthState
  /** How much of its time out is left. */
  readonly ejectedForMs: number
  /** Of its dials: closed while all is well, open in the pause after a failure, half open while one is tried. */
  readonly circuit: 'closed' | 'open' | 'half-open'
  readonly connections: number
  readonly inFlight: number
  readonly answered: number
  readonly faults: number
  /** Dials that failed since the last that did not. */
  readonly failedDials: number
}
