import { Simulation } from '../../src/testing.js'
import { Book, type OperationKind, Violation } from './book.js'
import { Faults, type Marks } from './faults.js'
import { judgeFailures, judgePlaces, judgeRest } from './judge.js'
import { Operations } from './operations.js'
import { Draw, makePlan, type Plan } from './plan.js'
import { type Caller, hostOf, Site } from './site.js'

/** What came of one seed. */
export interface Verdict {
  readonly seed: number
  readonly events: number
  readonly virtualMs: number
  readonly hash: string
  readonly succeeded: number
  readonly failed: number
  readonly marks: Marks
  /** The promise that was broken, if one was. */
  readonly broken: { readonly invariant: string; readonly what: string; readonly atMs: number } | null
}

/** Longer than anything takes that was begun under faults: deadlines, keepalive of the kernels, pauses between dials. */
const CONVERGE_MS = 30_000
/** Within so long everything is begun that is to succeed, then it has so long, and what has no answer has a little more. */
const BEGIN_MS = 10_000
const CALM_MS = 40_000
const ARRIVE_MS = 1_000
/** Connections that age sooner than the longest pause between dials have that pause before the next. */
const WHOLE_MS = 10_000
const CLOSE_MS = 120_000
/** How long a closed connection waits for the peer to take its last bytes, and a little. */
const LINGER_MS = 1_500
/** Longer than anything takes that is begun without faults. */
const GRACE_MS = 30_000
/** The state of a node is looked at after every so many turns of it, and whenever a connection of it ended. */
const TURNS_PER_LOOK = 32

class Scenario {
  readonly #simulation: Simulation
  readonly #draw: Draw
  readonly #plan: Plan
  readonly #book: Book
  readonly #sites: Site[] = []
  readonly #operations: Operations
  readonly #faults: Faults
  #turns = 0

  constructor(seed: number, onTrace?: (line: string) => void) {
    const simulation = new Simulation(onTrace === undefined ? { seed } : { seed, onTrace })
    this.#simulation = simulation
    this.#draw = new Draw(simulation.random)
    this.#plan = makePlan(this.#draw)
    this.#book = new Book(() => simulation.now)
    this.#operations = new Operations(this.#draw, this.#plan, this.#book)
    this.#linkAll()
    for (let node = 0; node < this.#plan.nodes; node += 1) this.#boot(node)
    const sites = { all: this.#sites, boot: (node: number) => this.#boot(node) }
    this.#faults = new Faults(simulation, this.#draw, this.#plan, sites)
    simulation.onTurnEnd = (life) => this.#onTurnEnd(life)
  }

  async play(): Promise<Verdict> {
    const simulation = this.#simulation
    const onRejection = (error: unknown): void => this.#book.violate('no unhandled rejection', String(error))
    process.on('unhandledRejection', onRejection)
    try {
      await this.#phases()
    } catch (error) {
      if (error !== this.#book.violation)
        this.#book.violate('no uncaught error', String((error as Error).stack ?? error))
    } finally {
      // Rejections that nobody handles are told between turns of the real event loop.
      await new Promise((resolve) => setImmediate(resolve))
      process.off('unhandledRejection', onRejection)
    }
    const { violation, succeeded, failed } = this.#book
    return {
      seed: simulation.seed,
      events: simulation.events,
      virtualMs: Math.round(simulation.now),
      hash: simulation.traceHash,
      succeeded,
      failed,
      marks: this.#faults.marks,
      broken:
        violation instanceof Violation
          ? { invariant: violation.invariant, what: violation.message, atMs: simulation.now }
          : null,
    }
  }

  async #phases(): Promise<void> {
    const simulation = this.#simulation
    const { chaosMs, operations, faults } = this.#plan
    for (let left = operations; left > 0; left -= 1) this.#beginLater(this.#draw.between(0, chaosMs))
    await simulation.run({ forMs: Math.max(chaosMs, ...faults.map(({ atMs }) => atMs)) })
    this.#note('heals')
    this.#faults.heal()
    await simulation.run({ forMs: CONVERGE_MS })
    this.#book.judgeSettled()
    this.#throwBroken()
    this.#note('is calm')
    await this.#calm()
    this.#note('closes')
    await this.#close()
  }

  /** Without faults everything works: each client gets what it asks for, and has the connections it is to have. */
  async #calm(): Promise<void> {
    this.#operations.calm = true
    // A machine may be frozen for a while yet, and begins when it goes on.
    let toBegin = 0
    const begin = (kind: OperationKind, site: Site, caller: Caller, atMs: number): void => {
      toBegin += 1
      site.machine.clock.setTimer(() => {
        toBegin -= 1
        this.#operations.persist(kind, site, caller)
      }, atMs)
    }
    for (const site of this.#sites) {
      if (!site.listening) this.#book.violate('liveness', `${site.machine.host} does not listen`)
      for (const caller of site.callers) {
        for (let left = 2; left > 0; left -= 1) begin('run', site, caller, this.#draw.between(1, 20))
        for (const kind of ['feed', 'gather', 'talk', 'tell', 'tell'] as const)
          begin(kind, site, caller, this.#draw.between(1, 40))
      }
    }
    await this.#simulation.run({ forMs: BEGIN_MS, until: () => toBegin === 0 })
    await this.#simulation.run({ forMs: CALM_MS, until: () => this.#book.open + this.#operations.refused === 0 })
    // Messages without an answer have arrived as well, and connections that aged are replaced.
    await this.#simulation.run({ forMs: ARRIVE_MS })
    await this.#simulation.run({ forMs: WHOLE_MS, until: () => this.#sites.every(({ whole }) => whole) })
    for (const operation of this.#book.operations.values()) {
      const { demand, kind, id, outcome, executions } = operation
      // What was refused was tried again, as another.
      if (demand === 'success' && (outcome === 'open' || (outcome === 'ok' && executions !== 1)))
        this.#book.violate('liveness', `${kind} ${id} is ${outcome} and ran ${executions} times, without a fault`)
    }
    for (const { whole, machine, callers } of this.#sites) {
      const pools = callers.map(({ client }) => JSON.stringify(client.info().pool))
      if (!whole) this.#book.violate('pool whole', `${machine.host} at rest: ${pools.join(', ')}`)
    }
    for (const site of this.#sites) judgePlaces(site, this.#book)
    this.#throwBroken()
  }

  /** Everybody closes, in any order, and nothing is left. */
  async #close(): Promise<void> {
    const simulation = this.#simulation
    for (const site of this.#sites) judgeFailures(site, this.#book)
    this.#operations.draining = true
    for (const site of this.#sites) {
      const { clock } = site.machine
      const serverFirst = this.#draw.chance(0.5)
      clock.setTimer(() => void site.close(GRACE_MS, serverFirst), this.#draw.between(1, 50))
      // What is begun around that moment is answered, or was never begun.
      for (const caller of site.callers) {
        for (let left = 4; left > 0; left -= 1)
          clock.setTimer(() => this.#operations.any(site, caller), this.#draw.between(1, 60))
      }
    }
    await simulation.run({ forMs: CLOSE_MS, until: () => this.#sites.every(({ closed }) => closed) })
    const end = await simulation.run({ forMs: LINGER_MS })
    this.#throwBroken()
    for (const { machine, closedInMs } of this.#sites) {
      if (closedInMs >= GRACE_MS) this.#book.violate('drain', `${machine.host} closed only when its grace was over`)
    }
    if (end !== 'idle') this.#book.violate('quiescence', `${simulation.pending} events are left after close`)
    judgeRest(simulation, this.#sites, this.#book)
    this.#book.judgeSettled()
    this.#throwBroken()
  }

  #linkAll(): void {
    const { nodes, link } = this.#plan
    for (let from = 0; from < nodes; from += 1) {
      for (let to = 0; to < nodes; to += 1) {
        if (from !== to) this.#simulation.network.link(hostOf(from), hostOf(to)).set(link())
      }
    }
  }

  #boot(node: number): void {
    if (this.#sites[node]?.alive === true) return
    this.#sites[node] = new Site(node, this.#simulation, this.#plan, this.#book)
  }

  /** Somebody begins something, if it is up then. Several at once as often as one: what leaves in one turn is batched. */
  #beginLater(atMs: number): void {
    const draw = this.#draw
    const node = draw.between(0, this.#plan.nodes - 1)
    const count = draw.chance(0.2) ? draw.between(2, 6) : 1
    this.#simulation.after(atMs, () => {
      const site = this.#sites[node]
      if (site === undefined || !site.alive || site.closing !== null) return
      site.machine.clock.nextTurn(() => {
        const caller = draw.of(site.callers)
        for (let left = count; left > 0; left -= 1) this.#operations.any(site, caller)
      })
    })
  }

  #onTurnEnd(life: unknown): void {
    this.#turns += 1
    for (const site of this.#sites) {
      if (site.machine !== life || !site.alive) continue
      if (site.shaken || this.#turns % TURNS_PER_LOOK === 0) site.judge()
    }
    this.#throwBroken()
  }

  #note(what: string): void {
    this.#simulation.note('scenario', what)
  }

  #throwBroken(): void {
    const { violation } = this.#book
    if (violation === null) return
    this.#simulation.note('BROKEN', `${violation.invariant}: ${violation.message}`)
    throw violation
  }
}

/** Plays one seed from the first dial to the last close. */
export function play(seed: number, onTrace?: (line: string) => void): Promise<Verdict> {
  return new Scenario(seed, onTrace).play()
}
