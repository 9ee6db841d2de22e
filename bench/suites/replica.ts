import { setTimeout as sleep } from 'node:timers/promises'
import { Client, Server } from 'alys-transport'
import { atMost, reported } from '../report/criteria.js'
import type { Criterion } from '../report/result.js'

const REPLICAS = 5
const MS = 10_000
const TICK_MS = 10
const CALLS_PER_TICK = 10
const MOST_SHARE = 0.01

/** How many of the calls a replica gets that is ill. What is counted is calls: one process serves for all of it. */
export async function illReplica(): Promise<Criterion[]> {
  return [...(await share('fails all', fail, 1_000)), ...(await share('answers none', hang, 250))]
}

type Illness = () => Promise<never>

const fail: Illness = () => Promise.reject(new Error('out of order'))
const hang: Illness = () => new Promise(() => {})

async function share(name: string, illness: Illness, timeoutMs: number): Promise<Criterion[]> {
  const servers = Array.from({ length: REPLICAS }, () => new Server())
  let ill = 0
  servers.forEach((server, index) => {
    server.handle('work', () => {
      if (index > 0) return index
      ill += 1
      return illness()
    })
  })
  const listening = await Promise.all(servers.map((server) => server.listen('tcp://127.0.0.1:0')))
  // A call that is made again is one more that somebody gets: without that the figure is of the choice alone.
  const client = new Client(
    listening.map(({ address }) => address),
    { timeoutMs, retry: { maxAttempts: 1 } },
  )
  try {
    await client.connect()
    let made = 0
    let failed = 0
    const count = (): void => {
      failed += 1
    }
    const startedAt = performance.now()
    const calls: Promise<unknown>[] = []
    while (performance.now() - startedAt < MS) {
      for (let call = 0; call < CALLS_PER_TICK; call += 1) {
        made += 1
        calls.push(client.call('work', null).catch(count))
      }
      await sleep(TICK_MS)
    }
    await Promise.all(calls)
    return [
      reported(`calls in ${MS / 1_000} s, one of ${REPLICAS} replicas ${name}`, made),
      reported('of them failed', failed),
      atMost('share of the calls that the ill one gets', ill / made, MOST_SHARE),
    ]
  } finally {
    await client.close({ graceMs: 0 })
    await Promise.all(servers.map((server) => server.close({ graceMs: 0 })))
  }
}
