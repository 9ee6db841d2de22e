import { atLeast, atMost, peakRssMb, Rows, reported } from '../report/criteria.js'
import type { Criterion, Result } from '../report/result.js'
import { type Cell, measureCell } from './cell.js'
import type { Suite } from './suite.js'

const KEPT_JSON = 'baseline-kept-json'
const UNDICI = 'baseline-undici'
const USERS = 200

const CELL: Cell = {
  suite: 'criteria',
  name: 'transaction ingest',
  workload: { kind: 'ingest', codec: 'msgpack', payloadBytes: 0 },
  concurrency: USERS,
  subjects: ['alys', 'baseline-connection-per-message', KEPT_JSON, UNDICI],
}

/** The criteria of the project's first ticket: throughput +50 %, memory -30 %, p99 under 100 ms with 200 users. */
export const criteria: Suite = {
  name: 'criteria',
  what: `chain transactions from ${USERS} users, against the baselines`,
  async run(effort, onResult) {
    const results = await measureCell(CELL, effort)
    onResult(results)
    return judge(results)
  },
}

const heapMb = (row: Result): number => row.heapAfterGcMb

function judge(results: readonly Result[]): Criterion[] {
  const rows = new Rows(results)
  const ratio = (other: string, read: (row: Result) => number): number =>
    rows.figure('alys', {}, read) / rows.figure(other, {}, read)
  return [
    atLeast('throughput over one kept socket with JSON (b)', rows.speedRatio('alys', KEPT_JSON, {}), 1.5),
    atLeast('throughput over undici JSON-RPC (c)', rows.speedRatio('alys', UNDICI, {}), 1.5),
    atMost('peak RSS of both sides over undici JSON-RPC (c)', ratio(UNDICI, peakRssMb), 0.7),
    atMost('heap after GC of both sides over undici JSON-RPC (c)', ratio(UNDICI, heapMb), 0.7),
    reported('peak RSS of both sides over one kept socket with JSON (b)', ratio(KEPT_JSON, peakRssMb)),
    reported('heap after GC of both sides over one kept socket with JSON (b)', ratio(KEPT_JSON, heapMb)),
    atMost(
      `p99 in ms with ${USERS} users`,
      rows.figure('alys', {}, ({ p99Us }) => p99Us / 1_000),
      100,
    ),
  ]
}
