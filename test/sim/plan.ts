import type { ClientOptions, ServerOptions } from '../../src/index.js'
import type { LinkConditions, Random } from '../../src/testing.js'

export const FAULTS = [
  'reset',
  'forged end',
  'stall',
  'black-hole',
  'refused dials',
  'reset dials',
  'slow dials',
  'freeze',
  'crash',
  'power loss',
  'restart',
] as const

export type Fault = (typeof FAULTS)[number]

export interface ClientPlan {
  /** Which nodes it calls. */
  readonly to: readonly number[]
  readonly pool: NonNullable<ClientOptions['pool']>
}

/** What a seed decides before anything runs. Each seed has some faults and not others, and options of its own. */
export interface Plan {
  readonly nodes: number
  readonly clients: readonly (readonly ClientPlan[])[]
  readonly link: () => Partial<LinkConditions>
  readonly faults: readonly { readonly fault: Fault; readonly atMs: number; readonly forMs: number }[]
  readonly chaosMs: number
  readonly operations: number
  readonly concurrency: number
  readonly maxQueued: number
  readonly largeBodies: boolean
  readonly options: Pick<
    ServerOptions,
    'batch' | 'compression' | 'connection' | 'flow' | 'heartbeat' | 'limits' | 'mailbox' | 'socket'
  >
}

export class Draw {
  readonly #random: Random

  constructor(random: Random) {
    this.#random = random
  }

  chance(probability: number): boolean {
    return this.#random.next() < probability
  }

  /** A whole number of these, both included. */
  between(least: number, most: number): number {
    return least + Math.floor(this.#random.next() * (most - least + 1))
  }

  /** As many small ones as large ones, by their order of magnitude. */
  magnitude(least: number, most: number): number {
    return Math.round(least * (most / least) ** this.#random.next())
  }

  of<T>(values: readonly T[]): T {
    return values[Math.floor(this.#random.next() * values.length)] as T
  }
}

export function makePlan(draw: Draw): Plan {
  // Mostly few: what goes wrong goes wrong between two, and many cost time.
  const nodes = draw.chance(0.75) ? draw.between(2, 3) : draw.between(4, 7)
  const chaosMs = draw.magnitude(500, 8_000)
  const [fast, jittery, narrow, split] = [draw.chance(0.5), draw.chance(0.5), draw.chance(0.4), draw.chance(0.5)]
  return {
    nodes,
    clients: Array.from({ length: nodes }, (_, node) => clientsOf(node, nodes, draw)),
    link: () => ({
      latencyMs: fast ? 0.05 : draw.magnitude(1, 80),
      jitterMs: jittery ? draw.magnitude(1, 100) : 0,
      bufferBytes: narrow ? draw.magnitude(300, 20_000) : 256 * 1024,
      splitChance: split ? 0.5 : 0,
    }),
    faults: faultsOf(draw, chaosMs),
    chaosMs,
    operations: draw.between(20, 60),
    concurrency: draw.chance(0.3) ? draw.between(1, 4) : 1_024,
    maxQueued: draw.chance(0.5) ? draw.between(0, 4) : 1_024,
    largeBodies: draw.chance(0.4),
    options: optionsOf(draw),
  }
}

function clientsOf(node: number, nodes: number, draw: Draw): ClientPlan[] {
  return Array.from({ length: draw.chance(0.75) ? 1 : 2 }, () => {
    const other = (node + draw.between(1, nodes - 1)) % nodes
    const max = draw.between(1, 4)
    return {
      to: draw.chance(0.2) ? [other, (other + 1) % nodes] : [other],
      pool: {
        min: draw.between(0, Math.min(2, max)),
        max,
        growAtInFlight: draw.chance(0.5) ? draw.between(1, 4) : 512,
        idleTimeoutMs: draw.magnitude(50, 60_000),
        minBackoffMs: draw.magnitude(10, 200),
        maxBackoffMs: draw.magnitude(200, 2_000),
      },
    }
  })
}

function faultsOf(draw: Draw, chaosMs: number): Plan['faults'] {
  if (draw.chance(0.1)) return []
  return FAULTS.filter(() => draw.chance(0.35)).flatMap((fault) => {
    return Array.from({ length: draw.between(1, 4) }, () => ({
      fault,
      atMs: draw.between(0, chaosMs),
      forMs: draw.magnitude(5, 12_000),
    }))
  })
}

function optionsOf(draw: Draw): Plan['options'] {
  return {
    batch: {
      maxDelayMs: draw.chance(0.2) ? draw.between(1, 5) : 0,
      maxBytes: draw.chance(0.3) ? draw.magnitude(1_024, 8_000) : 32 * 1024,
    },
    compression: { algorithm: draw.chance(0.3) ? 'lz4' : 'none', mode: 'always' },
    connection: {
      // Those that live shorter than the longest pause between dials would count as lost at once.
      maxAgeMs: draw.chance(0.25) ? draw.magnitude(3_000, 30_000) : 0,
      // Longer than anything takes that is begun without faults.
      ageGraceMs: draw.magnitude(10_000, 600_000),
    },
    heartbeat: {
      intervalMs: draw.chance(0.3) ? 0 : draw.magnitude(2_000, 30_000),
      timeoutMs: draw.magnitude(300, 5_000),
    },
    flow: {
      streamWindowBytes: draw.chance(0.5) ? draw.magnitude(1_024, 8_000) : 64 * 1024,
      laneWindowBytes: draw.chance(0.5) ? draw.magnitude(1_024, 8_000) : 128 * 1024,
      windowBudgetBytes: draw.chance(0.5) ? 0 : 16 * 1024 * 1024,
    },
    limits: {
      // Small frames bring parts without large bodies.
      maxFrameBytes: draw.chance(0.4) ? draw.magnitude(1_024, 8_000) : 1024 * 1024,
      maxOpenCalls: draw.chance(0.4) ? draw.between(1, 8) : 1_024,
      maxStreams: draw.chance(0.3) ? draw.between(1, 4) : 256,
      writeStallMs: draw.magnitude(200, 10_000),
      handshakeMs: draw.magnitude(300, 5_000),
      // A server that thaws finds the dials of all the time at once.
      maxConnectionsPerPeer: 64,
      maxHandshakesPerAddress: 64,
    },
    mailbox: { maxMessages: draw.chance(0.4) ? draw.between(1, 8) : 4_096 },
    socket: { connectTimeoutMs: draw.magnitude(300, 5_000), keepAliveMs: draw.magnitude(1_000, 10_000) },
  }
}
