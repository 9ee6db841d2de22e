import { atLeast, Rows } from '../report/criteria.js'
import { measureCell } from './cell.js'
import { criteria } from './criteria.js'
import type { Suite } from './suite.js'

/** What `npm run bench` shows: the ticket's criteria, and the floor and the fastest rival at one figure. */
export const quick: Suite = {
  name: 'quick',
  what: 'the criteria, the floor and the fastest rival, in about a minute',
  async run(effort, onResult) {
    const judged = await criteria.run(effort, onResult)
    const results = await measureCell(
      {
        suite: 'quick',
        name: '32 B unary',
        workload: { kind: 'echo', codec: 'msgpack', payloadBytes: 32 },
        concurrency: 1_024,
        subjects: ['alys', 'floor', 'ws-corked'],
      },
      effort,
    )
    onResult(results)
    const rows = new Rows(results)
    return [
      ...judged,
      atLeast('32 B, 1,024 in flight, over the floor', rows.speedRatio('alys', 'floor', {}), 0.14),
      atLeast('32 B, 1,024 in flight, over corked ws', rows.speedRatio('alys', 'ws-corked', {}), 2.2),
    ]
  },
}
