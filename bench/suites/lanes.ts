import { atLeast, atMost, Rows, reported } from '../report/criteria.js'
import type { Result } from '../report/result.js'
import { measureCell } from './cell.js'
import type { Suite } from './suite.js'

const p99Us = (row: Result): number => row.p99Us

/** What four lanes cost, and what a high one is worth while bulk fills the connection. */
export const lanes: Suite = {
  name: 'lanes',
  what: 'four lanes against one, and the high lane alone and under bulk',
  async run(effort, onResult) {
    const workload = { kind: 'echo', codec: 'msgpack', payloadBytes: 32 } as const
    const cost = await measureCell(
      {
        suite: 'lanes',
        name: '32 B unary',
        workload,
        concurrency: 1_024,
        subjects: ['alys-one-lane', 'alys-four-lanes'],
      },
      effort,
    )
    onResult(cost)
    const urgent = await measureCell(
      { suite: 'lanes', name: '32 B unary', workload, concurrency: 1, subjects: ['alys-high', 'alys-high-under-bulk'] },
      effort,
    )
    onResult(urgent)
    const rows = new Rows([...cost, ...urgent])
    const idle = rows.figure('alys-high', { concurrency: 1 }, p99Us)
    const loaded = rows.figure('alys-high-under-bulk', { concurrency: 1 }, p99Us)
    return [
      atLeast('four lanes over one', rows.speedRatio('alys-four-lanes', 'alys-one-lane', { concurrency: 1_024 }), 0.95),
      reported('p99 of the high lane alone, µs', idle),
      reported('p99 of the high lane under bulk, µs', loaded),
      atMost('p99 of the high lane under bulk over alone', loaded / idle, 2),
    ]
  },
}
