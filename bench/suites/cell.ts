import { Pair } from '../harness/pair.js'
import { type Result, resultOf } from '../report/result.js'
import { FIXED, type Workload } from '../workloads/workload.js'

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
  /** Calls a second in an open loop; `concurrency` is 0 then. */
  readonly perSecond?: number
  readonly subjects: readonly string[]
}

/** One subject at its own work: the same content in another form, or what it is judged by. */
export type Entrant = Omit<Cell, 'suite' | 'subjects'> & { readonly subject: string }

/**
 * Measures a cell. The subjects take turns, window by window, because the speed of a shared machine drifts: what is
 * compared was measured within seconds of one another.
 */
export function measureCell({ suite, subjects, ...cell }: Cell, effort: Effort): Promise<Result[]> {
  return measureMixed(
    suite,
    subjects.map((subject) => ({ subject, ...cell })),
    effort,
  )
}

export async function measureMixed(suite: string, entrants: readonly Entrant[], effort: Effort): Promise<Result[]> {
  const wanted = entrants.filter(({ subject }) => effort.only.length === 0 || effort.only.includes(subject))
  const running: { readonly pair: Pair; readonly workload: Workload; readonly entrant: Entrant }[] = []
  try {
    for (const entrant of wanted) {
      const workload: Workload = { ...entrant.workload, dataFolder: effort.dataFolder }
      running.push({ pair: await Pair.start(entrant.subject, workload, entrant.perSecond), workload, entrant })
    }
    for (const { pair, entrant } of running) await pair.warmUp(entrant.concurrency, effort.warmUpMs)
    for (let round = 0; round < effort.rounds; round += 1) {
      for (const { pair, entrant } of running) await pair.measure(entrant.concurrency, effort.windowMs)
    }
    const results: Result[] = []
    for (const { pair, workload, entrant } of running) {
      const { subject, name, concurrency } = entrant
      const { payloadBytes } = workload
      const place = { suite, subject, workload: name, data: dataOf(workload), concurrency, payloadBytes }
      results.push(resultOf(place, pair.windows, await pair.memory()))
    }
    return results
  } finally {
    await Promise.all(running.map(({ pair }) => pair.stop()))
  }
}

function dataOf({ kind, dataFolder }: Workload): Result['data'] {
  if (FIXED.has(kind)) return 'fixed'
  return dataFolder === null ? 'generated' : 'real'
}
