import { setTimeout as sleep } from 'node:timers/promises'
import { Child } from '../harness/child.js'
import type { Memory, Window } from '../harness/messages.js'
import { atLeast, atMost, reported } from '../report/criteria.js'
import { median } from '../report/median.js'
import type { Criterion } from '../report/result.js'
import type { Suite } from './suite.js'

const CONCURRENCY = 64
/** How long the reader sleeps: in a full run, and in a short one. */
const FULL_MS = 60_000
const SHORT_MS = 12_000
/** Until what the calls beside leave to the collector has its final size: that growth is not the load's. */
const WARM_ROUNDS = 5
const NO_WORKLOAD = { kind: 'echo', codec: 'msgpack', payloadBytes: 32, dataFolder: null } as const

/** What a reader that sleeps costs both sides and the connection beside it, and how a backlog drains. */
export const backpressure: Suite = {
  name: 'backpressure',
  what: 'a reader that sleeps while its writers do not, and 50,000 messages that drain',
  async run(effort) {
    return withPair((loaded) =>
      withPair(async (quiet) => [
        ...(await drain(loaded)),
        ...(await overload(loaded, quiet, effort.windowMs, effort.full ? FULL_MS : SHORT_MS)),
      ]),
    )
  },
}

/** A server and a client in processes of their own. */
interface Pair {
  readonly client: Child
  readonly server: Child
}

async function withPair<T>(use: (pair: Pair) => Promise<T>): Promise<T> {
  const server = new Child('pressure-server', { subject: 'alys', workload: NO_WORKLOAD, address: '' })
  try {
    const address = await server.ready<string>()
    const client = new Child('pressure-client', { subject: 'alys', workload: NO_WORKLOAD, address })
    try {
      await client.ready()
      return await use({ client, server })
    } finally {
      await client.stop()
    }
  } finally {
    await server.stop()
  }
}

async function drain({ client, server }: Pair): Promise<Criterion[]> {
  await client.ask({ order: 'run', concurrency: CONCURRENCY, ms: 1_000, perSecond: null })
  await server.ask({ order: 'watch-delay' })
  const before = await server.ask<number>({ order: 'received' })
  const sent = await client.ask<number>({ order: 'drain' })
  while ((await server.ask<number>({ order: 'received' })) - before < sent) await sleep(5)
  const delayMs = await server.ask<number>({ order: 'delay' })
  return [atMost('p99 delay of the event loop while 50,000 messages drain, ms', delayMs, 50)]
}

/** The same calls in turn on a pair under load and on one without, because the machine is not as fast at all times. */
async function overload(loaded: Pair, quiet: Pair, windowMs: number, sleepMs: number): Promise<Criterion[]> {
  const perSecond = async ({ client }: Pair): Promise<number> => {
    const window = await client.ask<Window>({ order: 'run', concurrency: CONCURRENCY, ms: windowMs, perSecond: null })
    return (window.count / window.elapsedMs) * 1_000
  }
  for (let round = 0; round < WARM_ROUNDS; round += 1) for (const pair of [quiet, loaded]) await perSecond(pair)
  await loaded.client.ask({ order: 'load' })
  const endsAt = performance.now() + sleepMs
  const ratios: number[] = []
  const rss: { readonly client: number; readonly server: number }[] = []
  while (performance.now() < endsAt) {
    const without = await perSecond(quiet)
    ratios.push((await perSecond(loaded)) / without)
    const [ours, theirs] = [
      await loaded.client.ask<Memory>({ order: 'memory' }),
      await loaded.server.ask<Memory>({ order: 'memory' }),
    ]
    rss.push({ client: ours.rssMb, server: theirs.rssMb })
  }
  const first = rss[0] ?? { client: Number.NaN, server: Number.NaN }
  const most = (side: 'client' | 'server'): number => Math.max(...rss.map((one) => one[side]))
  return [
    reported('RSS of the writer as its reader falls asleep, MB', first.client),
    reported('RSS of the writer at most from then on, MB', most('client')),
    atMost('RSS of the writer, at most over at first', most('client') / first.client, 1.1),
    reported('RSS of the reader as it falls asleep, MB', first.server),
    reported('RSS of the reader at most from then on, MB', most('server')),
    atMost('RSS of the reader, at most over at first', most('server') / first.server, 1.1),
    atLeast('calls on the connection beside, with the load over without', median(ratios), 0.9),
  ]
}
