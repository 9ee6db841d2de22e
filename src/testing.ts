/**
 * The simulator: machines, a network with faults, and time that only moves when told, for tests of what is built on
 * this library, and of other protocols. See docs/testing.md.
 */
export type { Clock, TimerHandle } from './base/clock.js'
export { type Random, seededRandom } from './base/random.js'
export type { Network } from './socket/network.js'
export type { NameRecord } from './socket/resolve.js'
export { type Link, type LinkConditions, PERFECT_LINK } from './testing/link.js'
export type { Machine } from './testing/machine.js'
export { type RunEnd, type RunOptions, Simulation, type SimulationOptions } from './testing/simulation.js'
export { VirtualClock } from './testing/virtual-clock.js'
export type { VirtualConnection } from './testing/virtual-connection.js'
export type { VirtualNetwork } from './testing/virtual-network.js'
