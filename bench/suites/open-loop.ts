import { atLeast, atMost, Rows } from '../report/criteria.js'
import { measureCell } from './cell.js'
import type { Suite } from './suite.js'

const PER_SECOND = 100_000

export const openLoop: Suite = {
  name: 'openloop',
  what: `${PER_SECOND.toLocaleString('en')} calls a second, whatever becomes of them, each timed from when it was due`,
  async run(effort, onResult) {
    const results = await measureCell(
      {
        suite: 'openloop',
        name: '32 B unary',
        workload: { kind: 'echo', codec: 'msgpack', payloadBytes: 32 },
        concurrency: 0,
        perSecond: PER_SECOND,
        // grpc-js carries a twentieth of it.
        subjects: ['alys', 'ws-corked'],
      },
      effort,
    )
    onResult(results)
    const rows = new Rows(results)
    return [
      atLeast(
        'calls a second of those offered',
        rows.figure('alys', {}, ({ perSecond }) => perSecond / PER_SECOND),
        0.99,
      ),
      atMost(
        'p99 in ms',
        rows.figure('alys', {}, ({ p99Us }) => p99Us / 1_000),
        3,
      ),
      atMost(
        'p99.9 in ms',
        rows.figure('alys', {}, ({ p999Us }) => p999Us / 1_000),
        15,
      ),
    ]
  },
}
