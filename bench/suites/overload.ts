import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { KIND } from 'alys-transport/wire'
import { Child } from '../harness/child.js'
import { percentiles } from '../harness/latency.js'
import type { Memory, Offered, OverloadMethod } from '../harness/messages.js'
import { rawDial, rawFrame } from '../harness/raw-dial.js'
import { atLeast, atMost, reported } from '../report/criteria.js'
import { median } from '../report/median.js'
import type { Criterion } from '../report/result.js'
import { UNREAD_BYTES } from '../workloads/overload.js'
import { illReplica } from './replica.js'
import type { Suite } from './suite.js'

const NO_WORKLOAD = { kind: 'echo', codec: 'msgpack', payloadBytes: 32, dataFolder: null } as const
/** Of the calls that are too many: a caller with little time is where servers waste theirs. */
const TIMEOUT_MS = 200
const FULL_MS = 10_000
const SHORT_MS = 3_000
const ROUNDS = 3
const SETTLE_MS = 5_000

/** What remains of a server that is asked for more than it can do, and of those who asked for less. */
export const overload: Suite = {
  name: 'overload',
  what: 'twice and ten times what a server can do, one that fails, peers that do not read, a flood, and an ill replica',
  async run(effort) {
    const ms = effort.full ? FULL_MS : SHORT_MS
    return [
      ...(await withServer((client, server) => degrades(client, server, ms))),
      ...(await withServer((client, server) => retries(client, server, ms))),
      ...(await withServer((client, server, address) => floods(client, server, ms, address))),
      ...(await withServer((_, server, address) => unread(server, address))),
      ...(await illReplica()),
    ]
  },
}

async function withServer(
  measure: (client: Child, server: Child, address: string) => Promise<Criterion[]>,
): Promise<Criterion[]> {
  const server = new Child('overload-server', { subject: 'alys', workload: NO_WORKLOAD, address: '' })
  try {
    const address = await server.ready<string>()
    const client = await clientOf(address)
    try {
      return await measure(client, server, address)
    } finally {
      await client.stop()
    }
  } finally {
    await server.stop()
  }
}

async function clientOf(address: string): Promise<Child> {
  const client = new Child('overload-client', { subject: 'alys', workload: NO_WORKLOAD, address })
  await client.ready()
  return client
}

function offer(
  client: Child,
  perSecond: number,
  ms: number,
  { timeoutMs = TIMEOUT_MS, method = 'burn' as OverloadMethod, clients = 4 } = {},
): Promise<Offered> {
  return client.ask<Offered>({ order: 'offer', method, perSecond, ms, timeoutMs, clients })
}

const goodPerSecond = ({ good, elapsedMs }: Offered): number => (good / elapsedMs) * 1_000

async function degrades(client: Child, _server: Child, ms: number): Promise<Criterion[]> {
  await offer(client, 500, 1_000)
  // What it can do, about: of rates around it, of which none is far too much.
  const rates: number[] = []
  for (const perSecond of [850, 925, 1_000]) rates.push(goodPerSecond(await offer(client, perSecond, ms)))
  const rate = Math.max(...rates)
  const found = { peak: [] as number[], twice: [] as number[], tenfold: [] as number[] }
  // In turns, because the speed of a shared machine drifts.
  for (let round = 0; round < ROUNDS; round += 1) {
    // What was kept back after ten times too much is none of the next round's.
    await offer(client, rate / 2, SETTLE_MS)
    found.peak.push(goodPerSecond(await offer(client, rate, ms)))
    found.twice.push(goodPerSecond(await offer(client, rate * 2, ms)))
    found.tenfold.push(goodPerSecond(await offer(client, rate * 10, ms)))
  }
  const [peak, twice, tenfold] = [median(found.peak), median(found.twice), median(found.tenfold)]
  const half = peak / 2
  let recoveredMs = 0
  for (let window = 0; window < 40; window += 1) {
    const { good, offered, elapsedMs } = await offer(client, half, 250)
    recoveredMs += elapsedMs
    if (good >= offered * 0.98) break
  }
  return [
    reported('goodput at its peak, calls a second', peak),
    atLeast('goodput at twice that, over the peak', twice / peak, 0.9),
    atLeast('goodput at ten times that, over the peak', tenfold / peak, 0.8),
    atMost('ms until 98 % of half the peak are answered after that', recoveredMs, 5_000),
  ]
}

async function retries(client: Child, server: Child, ms: number): Promise<Criterion[]> {
  const { offered, elapsedMs } = await offer(client, 1_000, ms, { method: 'fail', clients: 1, timeoutMs: 10_000 })
  const attempts = await server.ask<number>({ order: 'received' })
  return [
    reported('calls offered to a server that fails all', offered),
    reported('attempts it sees', attempts),
    atMost('attempts over 1.2 times the offered, a second', ((attempts - 1.2 * offered) * 1_000) / elapsedMs, 10),
  ]
}

const MODEST = 9
const MODEST_PER_SECOND = 30
const FLOOD = 1_024

async function floods(client: Child, _server: Child, ms: number, address: string): Promise<Criterion[]> {
  const modest = async (): Promise<{ readonly good: number; readonly p99Ms: number }> => {
    const found = await offer(client, MODEST * MODEST_PER_SECOND, ms, { clients: MODEST, timeoutMs: 1_000 })
    return { good: goodPerSecond(found), p99Ms: percentiles(found.latenciesMs).p99Us / 1_000 }
  }
  const over = async (rounds: number): Promise<{ readonly good: number; readonly p99Ms: number }> => {
    const found: { readonly good: number; readonly p99Ms: number }[] = []
    for (let round = 0; round < rounds; round += 1) found.push(await modest())
    return { good: median(found.map(({ good }) => good)), p99Ms: median(found.map(({ p99Ms }) => p99Ms)) }
  }
  await modest()
  const before = await over(3)
  const flooder = await clientOf(address)
  try {
    await Promise.race([flooder.ask({ order: 'flood', concurrency: FLOOD }), sleep(1_000)])
    const during = await over(3)
    return [
      reported('p99 of nine modest clients, ms', before.p99Ms),
      reported('p99 of the same beside one that floods, ms', during.p99Ms),
      atLeast('their throughput, during over before', during.good / before.good, 0.8),
      atMost('their p99, during over before', during.p99Ms / before.p99Ms, 2),
    ]
  } finally {
    await flooder.stop()
  }
}

const UNREADERS = 1_000
const AT_ONCE = 100
/** Many times what the server grants. */
const LARGE_CALLS = 128
const WAIT_MS = 30_000
const METHOD_NUMBER = 1
const CALL_PREFIX = Buffer.alloc(4)

async function unread(server: Child, address: string): Promise<Criterion[]> {
  const port = Number(new URL(address).port)
  const before = await server.ask<Memory>({ order: 'memory' })
  const sockets: Socket[] = []
  try {
    while (sockets.length < UNREADERS) {
      sockets.push(...(await Promise.all(Array.from({ length: AT_ONCE }, () => rawDial(port, true)))))
    }
    const asking = Buffer.concat([
      rawFrame(KIND.METHOD, METHOD_NUMBER, 0, Buffer.from('overload.large')),
      ...Array.from({ length: LARGE_CALLS }, (_, index) => rawFrame(KIND.CALL, METHOD_NUMBER, index + 1, CALL_PREFIX)),
    ])
    for (const socket of sockets) {
      socket.pause()
      socket.write(asking)
    }
    const startedAt = performance.now()
    let peakMb = before.rssMb
    let left = UNREADERS
    while (left > 0 && performance.now() - startedAt < WAIT_MS) {
      await sleep(250)
      const { rssMb } = await server.ask<Memory>({ order: 'memory' })
      peakMb = Math.max(peakMb, rssMb)
      // The client of this suite has connected to nothing.
      left = await server.ask<number>({ order: 'connections' })
    }
    const cut = await server.ask<{ readonly oneMs: number; readonly allMs: number }>({ order: 'cut' })
    const budgetMb = (UNREADERS * UNREAD_BYTES) / (1024 * 1024)
    return [
      reported('RSS before a thousand peers that do not read, MB', before.rssMb),
      reported('RSS at most with them, MB', peakMb),
      reported('what the server grants to all of them, MB', budgetMb),
      atMost('RSS at most, over RSS before and what was granted', peakMb / (before.rssMb + budgetMb), 1.1),
      atMost('of them left in the end', left, 0),
      reported('ms from the last answer for one of them to its end, at most', cut.oneMs),
      // Until then the server is busy with the others, and no peer has had its time.
      atMost('ms from the last answer for any of them to the last end', cut.allMs, 11_500),
    ]
  } finally {
    for (const socket of sockets) socket.destroy()
  }
}
