import { group, integer, oneOf } from '../base/options.js'
import { amount } from './options.js'

const MAX_DELAY_MS = 24 * 60 * 60 * 1000
/** As much as a kernel may be asked for. */
const MAX_BUFFER_BYTES = 1 << 30

/** What the way from one host to another is like at the moment. */
export interface LinkConditions {
  /** How long bytes travel at least. */
  readonly latencyMs: number
  /** How much longer they may take. They arrive in order all the same. */
  readonly jitterMs: number
  /** What a connection that begins now holds on this way before bytes wait with who wrote them. */
  readonly bufferBytes: number
  /** The chance that a read gets only some of what has arrived. */
  readonly splitChance: number
  /**
   * `up`; `stalled`: what is sent waits here, and arrives when the link is up again; `black-hole`: it is lost, and with
   * it the connection, of which neither side hears until the link is up again.
   */
  readonly state: 'up' | 'stalled' | 'black-hole'
  /** What becomes of dials: `refused` as by a host where nobody listens, `reset` as soon as they are accepted. */
  readonly dials: 'accepted' | 'refused' | 'reset'
  /** How much longer dials take than bytes. */
  readonly dialDelayMs: number
}

export const PERFECT_LINK: LinkConditions = {
  latencyMs: 0.1,
  jitterMs: 0,
  bufferBytes: 256 * 1024,
  splitChance: 0,
  state: 'up',
  dials: 'accepted',
  dialDelayMs: 0,
}

/** What a link has next that has `current` now: what is not said stays as it is. */
export function changedConditions(current: LinkConditions, changes: unknown): LinkConditions {
  const rules = group({
    latencyMs: amount(current.latencyMs, 0, MAX_DELAY_MS),
    jitterMs: amount(current.jitterMs, 0, MAX_DELAY_MS),
    bufferBytes: integer(current.bufferBytes, 1, MAX_BUFFER_BYTES),
    splitChance: amount(current.splitChance, 0, 1),
    state: oneOf(current.state, ['up', 'stalled', 'black-hole']),
    dials: oneOf(current.dials, ['accepted', 'refused', 'reset']),
    dialDelayMs: amount(current.dialDelayMs, 0, MAX_DELAY_MS),
  })
  return rules.parse(changes, '')
}
