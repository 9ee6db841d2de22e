import type { Simulation, VirtualConnection } from '../../src/testing.js'
import type { Draw, Fault, Plan } from './plan.js'
import { hostOf, type Site } from './site.js'

/** What a connection was doing when a fault met it. */
export const STATES = ['opening', 'idle', 'busy', 'blocked', 'draining', 'closing'] as const
export type State = (typeof STATES)[number]

/** How often each fault met each state. */
export type Marks = Record<string, number>

export function markOf(fault: Fault, state: State): string {
  return `${fault} / ${state}`
}

/** The nodes of a run, as the faults need them. */
export interface Sites {
  readonly all: readonly Site[]
  /** Starts a node again. */
  boot(node: number): void
}

/** Brings the faults of a plan about, and notes what they met. */
export class Faults {
  readonly marks: Marks = {}
  readonly #simulation: Simulation
  readonly #draw: Draw
  readonly #plan: Plan
  readonly #sites: Sites
  #healed = false

  constructor(simulation: Simulation, draw: Draw, plan: Plan, sites: Sites) {
    this.#simulation = simulation
    this.#draw = draw
    this.#plan = plan
    this.#sites = sites
    for (const { fault, atMs, forMs } of plan.faults) simulation.after(atMs, () => this.#strike(fault, forMs))
  }

  /** No fault from now on. Nodes that are down are started. */
  heal(): void {
    this.#healed = true
    this.#simulation.network.heal()
    this.#sites.all.forEach((site, node) => {
      if (!site.alive) this.#sites.boot(node)
    })
  }

  #strike(fault: Fault, forMs: number): void {
    if (this.#healed) return
    const node = this.#draw.between(0, this.#plan.nodes - 1)
    const other = (node + this.#draw.between(1, this.#plan.nodes - 1)) % this.#plan.nodes
    this.#simulation.note('fault', fault, forMs)
    switch (fault) {
      case 'reset':
      case 'forged end':
        this.#breakOne(fault)
        return
      case 'freeze':
      case 'crash':
      case 'power loss':
      case 'restart':
        this.#strikeNode(fault, node, forMs)
        return
      default:
        this.#strikeLink(fault, node, other, forMs)
    }
  }

  #breakOne(fault: 'reset' | 'forged end'): void {
    const { connections } = this.#simulation.network
    if (connections.length === 0) return
    const connection = this.#draw.of(connections)
    this.#mark(fault, [connection])
    if (fault === 'reset') connection.reset()
    else connection.forgeEnd(this.#draw.chance(0.5) ? 'dialled' : 'accepted')
  }

  #strikeNode(fault: 'freeze' | 'crash' | 'power loss' | 'restart', node: number, forMs: number): void {
    const site = this.#sites.all[node]
    if (site === undefined || !site.alive || site.closing !== null) return
    const life = site.machine
    this.#mark(
      fault,
      this.#simulation.network.connections.filter(({ dialled, accepted }) =>
        [dialled.life, accepted.life].includes(life),
      ),
    )
    if (fault === 'freeze') site.machine.freeze(Math.min(forMs, 3_000))
    else if (fault === 'restart') {
      // In good order: what was accepted is answered within the grace. Then the node comes again.
      const graceMs = this.#draw.magnitude(1, 3_000)
      const serverFirst = this.#draw.chance(0.5)
      site.machine.clock.nextTurn(() => {
        void site.close(graceMs, serverFirst).then(() => {
          site.crash(false)
          this.#bootLater(node, forMs)
        })
      })
    } else {
      site.crash(fault === 'power loss')
      this.#bootLater(node, forMs)
    }
  }

  #strikeLink(fault: Fault, node: number, other: number, forMs: number): void {
    const { network } = this.#simulation
    const there = network.link(hostOf(node), hostOf(other))
    const links = this.#draw.chance(0.5) ? [there] : [there, network.link(hostOf(other), hostOf(node))]
    const hosts = [hostOf(node), hostOf(other)]
    this.#mark(
      fault,
      network.connections.filter(({ dialled, accepted }) => {
        return hosts.includes(dialled.life.host) && hosts.includes(accepted.life.host)
      }),
    )
    const connectMs = this.#plan.options.socket?.connectTimeoutMs ?? 5_000
    for (const link of links) {
      if (fault === 'stall') link.set({ state: 'stalled' })
      else if (fault === 'black-hole') link.set({ state: 'black-hole' })
      else if (fault === 'refused dials') link.set({ dials: 'refused' })
      else if (fault === 'reset dials') link.set({ dials: 'reset' })
      else link.set({ dialDelayMs: this.#draw.magnitude(1, 2 * connectMs) })
    }
    // Dials have something to meet: otherwise nobody would dial.
    if (fault.endsWith('dials') && this.#draw.chance(0.7)) for (const one of network.connections) one.reset()
    this.#simulation.after(forMs, () => {
      if (this.#healed) return
      for (const link of links) {
        if (fault === 'stall' || fault === 'black-hole') link.set({ state: 'up' })
        else link.set({ dials: 'accepted', dialDelayMs: 0 })
      }
    })
  }

  #bootLater(node: number, forMs: number): void {
    this.#simulation.after(forMs, () => {
      this.#sites.boot(node)
    })
  }

  #mark(fault: Fault, connections: readonly VirtualConnection[]): void {
    for (const connection of connections) {
      const mark = markOf(fault, this.#stateOf(connection))
      this.marks[mark] = (this.marks[mark] ?? 0) + 1
    }
  }

  #stateOf({ dialled }: VirtualConnection): State {
    const site = this.#sites.all.find(({ machine }) => machine === dialled.life)
    for (const { client } of site?.callers ?? []) {
      const row = client.info().connections.find(({ local }) => local === dialled.facts.local)
      if (row === undefined) continue
      if (row.state === 'closed') return 'closing'
      if (row.state === 'draining') return 'draining'
      if (row.queuedBytes > 0) return 'blocked'
      return row.openCalls > 0 || client.info().pool.borrowed > 0 ? 'busy' : 'idle'
    }
    return dialled.open ? 'opening' : 'closing'
  }
}
