import { mapOrdered, WorkerPool } from 'alys-transport/bulk'
import { Latencies } from '../harness/latencies.js'
import { percentiles } from '../harness/latency.js'
import type { Measured } from '../harness/pair.js'
import { atLeast, Rows, reported } from '../report/criteria.js'
import { median } from '../report/median.js'
import { type Result, resultOf } from '../report/result.js'
import { checkBlock, encodedBlocks } from '../workloads/block-work.js'
import { generatedTransactions, realTransactions } from '../workloads/traffic.js'
import type { Suite } from './suite.js'

const WORKERS = 2
/** Items of one window; a window is this many whatever the machine, so that every window does the same work. */
const BLOCKS = 96
/** As many transactions as a full block of mainnet holds in a busy hour: 5 to 20 ms of work. */
const BLOCK_SIZE = 1_200
const WARM_UP_BLOCKS = 24

type Run = (blocks: readonly Uint8Array[]) => AsyncIterable<Uint8Array>

/** Work of 5 to 20 ms a block, in the event loop and in two worker threads, results in order and identical. */
export const bulk: Suite = {
  name: 'bulk',
  what: `checking blocks inline, and in ${WORKERS} worker threads, in order`,
  async run(effort, onResult) {
    const { dataFolder } = effort
    const transactions = dataFolder === null ? generatedTransactions() : await realTransactions(dataFolder)
    const blocks = encodedBlocks(transactions, BLOCKS, BLOCK_SIZE)
    const expected = blocks.map((block) => Buffer.from(checkBlock(block)).toString('hex'))
    const filename = new URL('../workloads/block-work.js', import.meta.url)
    const pool = new WorkerPool<Uint8Array, Uint8Array>({ filename, workers: WORKERS, maxQueued: WORKERS })
    // One block more than there are threads: the next is on its way while the others are worked on.
    const inThreads = { name: 'checkBlock', concurrency: WORKERS + 1, maxBuffered: 2 * WORKERS }
    const subjects: readonly (readonly [string, Run, Measured[]])[] = [
      ['inline', (items) => mapOrdered(items, (block) => checkBlock(block), { concurrency: 1 }), []],
      ['workers', (items) => pool.map(items, inThreads), []],
    ]
    try {
      for (const [, run] of subjects) await measure(run, blocks.slice(0, WARM_UP_BLOCKS), expected)
      for (let round = 0; round < effort.rounds; round += 1) {
        // Side by side, window by window: the machine drifts.
        for (const [, run, windows] of subjects) windows.push(await measure(run, blocks, expected))
      }
    } finally {
      await pool.close()
    }
    const memory = { peakRssMb: process.resourceUsage().maxRSS / 1_024, rssMb: 0, heapAfterGcMb: 0 }
    const results: Result[] = subjects.map(([subject, , windows]) => {
      const place = {
        suite: 'bulk',
        subject,
        workload: 'check blocks',
        data: dataFolder === null ? ('generated' as const) : ('real' as const),
        concurrency: subject === 'inline' ? 1 : inThreads.concurrency,
        payloadBytes: Math.round(blocks.reduce((all, { length }) => all + length, 0) / blocks.length),
      }
      return resultOf(place, windows, { client: memory, server: { ...memory, peakRssMb: 0 } })
    })
    onResult(results)
    return [
      reported('bulk: ms of work per block, inline', median(results.slice(0, 1).map(({ p50Us }) => p50Us / 1_000))),
      atLeast('bulk: 2 workers over inline', new Rows(results).speedRatio('workers', 'inline', {}), 1.5),
    ]
  },
}

/** One window. A latency is the time from one result to the next: what the reader waits for. */
async function measure(run: Run, blocks: readonly Uint8Array[], expected: readonly string[]): Promise<Measured> {
  const latencies = new Latencies()
  const cpu = process.cpuUsage()
  const begun = performance.now()
  let last = begun
  let count = 0
  for await (const result of run(blocks)) {
    const now = performance.now()
    latencies.add(now - last)
    last = now
    if (Buffer.from(result).toString('hex') !== expected[count])
      throw new Error(`block ${count} has another result than inline, or is out of order`)
    count += 1
  }
  if (count !== blocks.length) throw new Error(`${count} results of ${blocks.length} blocks`)
  const { user, system } = process.cpuUsage(cpu)
  return {
    count,
    elapsedMs: performance.now() - begun,
    clientCpuUs: user + system,
    serverCpuUs: 0,
    ...percentiles(latencies.taken()),
  }
}
