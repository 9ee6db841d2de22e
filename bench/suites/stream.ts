import { atLeast, Rows } from '../report/criteria.js'
import { measureCell } from './cell.js'
import type { Suite } from './suite.js'

/** One server stream, read with `for await`, against a bare socket that is read in chunks. */
export const stream: Suite = {
  name: 'stream',
  what: 'a server stream of 1 KiB messages with credit, against the bytes of a bare socket',
  async run(effort, onResult) {
    const results = await measureCell(
      {
        suite: 'stream',
        name: '1 KiB stream',
        workload: { kind: 'stream', codec: 'msgpack', payloadBytes: 1_024 },
        concurrency: 1,
        subjects: ['alys', 'floor'],
      },
      effort,
    )
    onResult(results)
    const rows = new Rows(results)
    return [atLeast("1 KiB stream over a bare socket's bytes", rows.speedRatio('alys', 'floor', {}), 0.6)]
  },
}
