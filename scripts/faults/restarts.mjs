// Two servers, one of which is always being ended and started again, under load. By SIGTERM no call may be lost; by
// SIGKILL calls may be, and what their errors say must be true.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Client } from '../../dist/index.js'
import { seededRandom } from '../../dist/testing.js'
import { callMany } from './calls.mjs'
import { Child } from './child.mjs'
import { clean, Outcomes } from './outcomes.mjs'

const MOST_CALLS = 20_000_000

export async function restarts({ count, seed, signal = 'SIGTERM', concurrency = 64 }) {
  const folder = mkdtempSync(join(tmpdir(), 'alys-restarts-'))
  const record = join(folder, 'ran')
  const start = async (host) => {
    const child = new Child('counting-server.mjs', ['1', host, record])
    const { address } = await child.next()
    return { child, address, host: address.slice('tcp://'.length) }
  }
  const servers = [await start('127.0.0.1:0'), await start('127.0.0.1:0')]
  const client = new Client(
    servers.map(({ address }) => address),
    { pool: { min: 2, max: 4 } },
  )
  const outcomes = new Outcomes(MOST_CALLS)
  const random = seededRandom(seed)
  let restarted = 0
  let stopping = false
  const load = callMany({
    client,
    outcomes,
    goOn: () => !stopping && outcomes.started < MOST_CALLS,
    concurrency,
    random,
    timeoutMs: 20_000,
    wild: false,
  })
  const startedAt = performance.now()
  for (; restarted < count; restarted += 1) {
    const index = restarted % 2
    await servers[index].child.kill(signal)
    servers[index] = await start(servers[index].host)
    // Both take calls before the next is ended.
    const { length } = readFileSync(record)
    while (readFileSync(record).length === length) await pause(5)
    await client.connect()
    await pause(20 + random.next() * 100)
  }
  stopping = true
  await load
  const seconds = Math.round((performance.now() - startedAt) / 1_000)
  await client.close({ graceMs: 1_000 })
  for (const { child } of servers) await child.kill('SIGTERM')
  const ran = new Uint8Array(outcomes.started)
  const ids = readFileSync(record)
  for (let at = 0; at + 4 <= ids.length; at += 4) ran[ids.readUInt32LE(at)] += 1
  rmSync(folder, { recursive: true })
  const found = outcomes.judge(ran)
  const lost = signal === 'SIGTERM' ? outcomes.started - outcomes.succeeded : 0
  const { started, succeeded, failed } = outcomes
  return {
    pass: clean(found) && lost === 0,
    restarts: restarted,
    signal,
    started,
    succeeded,
    failed,
    lost,
    found,
    seconds,
  }
}
