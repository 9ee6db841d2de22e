import { Client, Server, type ServiceClient } from '../../src/index.js'
import type { Machine, Simulation } from '../../src/testing.js'
import type { Book, Operation } from './book.js'
import { Work } from './contract.js'
import { handlerOptions, handlersOf } from './handlers.js'
import type { ClientPlan, Plan } from './plan.js'
import { tapped } from './tap.js'

const PORT = 7_000
const DIALS_WITHIN_MS = 1_000
/**
 * Of one client. With the shortest pauses drawn, 10 ms doubling to 200 with half of it jitter, a dead endpoint is dialled
 * 15 times in the first second; and a client has two of them, and the connections it had before to make anew.
 */
const MOST_DIALS = 40

export function hostOf(node: number): string {
  return `n${node}`
}

/** One client, with what it has under way. */
export interface Caller {
  readonly client: Client
  readonly work: ServiceClient<typeof Work>
  readonly plan: ClientPlan
  readonly number: number
  /** Operations whose promise is open: those that are calls, and all. */
  openCalls: number
  readonly open: Set<Operation>
  /** The next one-way message of each lane. */
  readonly letters: Map<string, number>
}

/** One life of a node: its machine, its server and its clients. */
export class Site {
  readonly machine: Machine
  readonly server: Server
  callers: readonly Caller[] = []
  /** A connection ended in this turn. */
  shaken = false
  /** It was told to close. */
  closing: Promise<void> | null = null
  closed = false
  closedInMs = 0
  listening = false
  /** When it dialled, in the last second. */
  readonly #dials: number[] = []
  readonly #book: Book
  readonly #plan: Plan

  constructor(node: number, simulation: Simulation, plan: Plan, book: Book) {
    this.#book = book
    this.#plan = plan
    this.machine = simulation.boot(hostOf(node))
    const { clock, random } = this.machine
    const network = tapped(this.machine.network, {
      onOver: () => {
        this.#change()
        this.shaken = true
      },
      onDial: () => this.#countDial(),
    })
    const world = { clock, random, network }
    this.server = new Server({ ...plan.options, ...world })
    this.server.implement(
      Work,
      handlersOf(book, clock, plan.concurrency),
      handlerOptions(plan.concurrency, plan.maxQueued),
    )
    this.server.listen(`tcp://${hostOf(node)}:${PORT}`).then(
      () => {
        this.listening = true
      },
      (error: unknown) => {
        if (this.closing === null) book.violate('listens', `${hostOf(node)}: ${String(error)}`)
      },
    )
    this.callers = (plan.clients[node] ?? []).map((clientPlan, index) => {
      const addresses = clientPlan.to.map((to) => `tcp://${hostOf(to)}:${PORT}`)
      const client = new Client(addresses, { ...plan.options, ...world, pool: clientPlan.pool })
      client.watch(() => this.#change())
      return {
        client,
        work: client.use(Work),
        plan: clientPlan,
        number: node * 10 + index,
        openCalls: 0,
        open: new Set<Operation>(),
        letters: new Map<string, number>(),
      }
    })
  }

  get alive(): boolean {
    return this.machine.alive
  }

  /** Every client has the connections that it is to have, and uses none of them. */
  get whole(): boolean {
    return this.callers.every(({ client, plan }) => {
      const { pool, endpoints } = client.info()
      // Who was put out comes back with the next calls.
      const out = endpoints.reduce((sum, { state, connections }) => sum + (state === 'in-use' ? 0 : connections), 0)
      return pool.ready + out === pool.size && pool.size >= (plan.pool.min ?? 1) && pool.borrowed === 0
    })
  }

  /** What nobody will wait for any more. */
  crash(silent: boolean): void {
    this.machine.crash({ silent })
    for (const { open } of this.callers) for (const operation of open) this.#book.orphan(operation)
  }

  /** In good order: clients first, or the server. */
  close(graceMs: number, serverFirst: boolean): Promise<void> {
    this.#change()
    const { clock } = this.machine
    const begunAt = clock.now()
    this.closing ??= this.#close(graceMs, serverFirst).then(() => {
      this.closed = true
      this.closedInMs = clock.now() - begunAt
      for (const { openCalls, number } of this.callers) {
        if (openCalls > 0)
          this.#book.violate('told at close', `client ${number} is closed, and ${openCalls} calls wait`)
      }
    })
    return this.closing
  }

  async #close(graceMs: number, serverFirst: boolean): Promise<void> {
    const server = serverFirst ? this.server.close({ graceMs }) : null
    await Promise.all(this.callers.map(({ client }) => client.close({ graceMs })))
    await (server ?? this.server.close({ graceMs }))
  }

  /** How often its connections changed, in all its lives: messages that had to wait may move then. */
  get era(): number {
    return this.#book.eras.get(this.machine.host) ?? 0
  }

  #change(): void {
    this.#book.eras.set(this.machine.host, this.era + 1)
  }

  /** However much fails: a pause after each failure, longer each time. */
  #countDial(): void {
    const { clock } = this.machine
    const now = clock.now()
    while ((this.#dials[0] ?? now) < now - DIALS_WITHIN_MS) this.#dials.shift()
    this.#dials.push(now)
    const most = MOST_DIALS * Math.max(1, this.callers.length)
    if (this.#dials.length > most)
      this.#book.violate('dials bounded', `${this.machine.host} dialled ${this.#dials.length} times within a second`)
  }

  /** After every turn of it in which a connection ended, and now and then. */
  judge(): void {
    const { options } = this.#plan
    const maxOpenCalls = options.limits?.maxOpenCalls ?? 1_024
    for (const { client, openCalls, plan, number } of this.callers) {
      const { pool, endpoints, waitingCalls, connections } = client.info()
      let onConnections = 0
      for (const connection of connections) {
        onConnections += connection.openCalls
        if (connection.openCalls > maxOpenCalls)
          this.#book.violate('caps', `client ${number} has ${connection.openCalls} calls open on one connection`)
      }
      if (pool.size > (plan.pool.max ?? 4) * endpoints.length)
        this.#book.violate('caps', `the pool of client ${number} has ${pool.size} connections`)
      if (pool.ready > pool.size) this.#book.violate('pool', `client ${number}: ${JSON.stringify(pool)}`)
      // A call is on a connection, or waits for one: who is on none that lives has to be told in the same turn.
      if (openCalls > onConnections + waitingCalls) {
        this.#book.violate(
          'told in the same turn',
          `client ${number} has ${openCalls} open calls, ${onConnections} on connections, ${waitingCalls} waiting`,
        )
      }
    }
    this.shaken = false
  }
}
