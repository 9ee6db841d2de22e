/**
 * The simulator: machines, a network with faults, and time that only moves when told, for tests of what is built on
 * this library, and of other protocols. See docs/testing.md.
 */
export type { Clock, TimerHandle } from './base/clock.js'
export { type Random, seededRandom } from './base/random.js'
export type { Address } from './socket/address.js'
export type { BufferSize, ByteChannel, ChannelFacts, ChannelReceiver, TlsFacts } from './socket/channel.js'
export type { Guest, GuestCallbacks, ListenCallbacks, Listener } from './socket/listen.js'
export type { Network } from './socket/network.js'
export type { LinkOptions, SocketOptions } from './socket/options.js'
export type { NameAnswer, NameQuery, NameRecord } from './socket/resolve.js'
export type { Link } from './testing/link.js'
export { type LinkConditions, PERFECT_LINK } from './testing/link-conditions.js'
export type { Machine } from './testing/machine.js'
export type { Life } from './testing/scheduler.js'
export { type RunEnd, type RunOptions, Simulation, type SimulationOptions } from './testing/simulation.js'
export type { VirtualChannel } from './testing/virtual-channel.js'
export { VirtualClock } from './testing/virtual-clock.js'
export type { VirtualConnection } from './testing/virtual-connection.js'
export type { NameEntry } from './testing/virtual-names.js'
export type { MachineNetwork, VirtualNetwork } from './testing/virtual-network.js'
