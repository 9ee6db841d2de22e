import { Pair } from '../harness/pair.js'
import { type Result, resultOf } from '../report/result.js'
import type { Workload } from '../workloads/workload.js'

/** How long and how often. */
export interface Effort {
  readonly rounds: number
  readonly windowMs: number
  readonly warmUpMs: number
  /** Only these subjects; all where it is empty. */
  readonly only: readonly string[]
  /** A folder of RLP blocks, or null for generated traffic. */
  readonly dataFolder: string | null
  /** Rivals that take their time join. */
  readonly full: boolean
}

/** Some subjects at the same work. */
export interface Cell {
  readonly suite: string
  readonly name: string
  readonly workload: Omit<Workload, 'dataFolder'>
  readonly concurrency: number
  readonly subjects: readonly string[]
}

/**
 * Measures a cell. The subjects take turns, window by window, because the speed of a shared machine drifts: what is
 * compared was measured within seconds of one another.
 */
export async function measureCell(cell: Cell, effort: Effort): Promise<Result[]> {
  const { concurrency } = cell
  const workload: Workload = { ...cell.workload, dataFolder: effort.dataFolder }
  const wanted = cell.subjects.filter((name) => effort.only.length === 0 || effort.only.includes(name))
  const pairs: Pair[] = []
  try {
    for (const subject of wanted) pairs.push(await Pair.start(subject, workload))
    for (const pair of pairs) await pair.warmUp(concurrency, effort.warmUpMs)
    for (let round = 0; round < effort.rounds; round += 1) {
      for (const pair of pairs) await pair.measure(concurrency, effort.windowMs)
    }
    const results: Result[] = []
    for (const pair of pairs) {
      const place = {
        suite: cell.suite,
        subject: pair.subject,
        workload: cell.name,
        data: dataOf(workload),
        concurrency,
        payloadBytes: workload.payloadBytes,
      }
      results.push(resultOf(place, pair.windows, await pair.memory()))
    }
    return results
  } finally {
    await Promise.all(pairs.map((pair) => pair.stop()))
  }
}

function dataOf({ kind, dataFolder }: Workload): Result['data'] {
  if (kind === 'echo' || kind === 'one-way') return 'fixed'
  return dataFolder === null ? 'generated' : 'real'
}
