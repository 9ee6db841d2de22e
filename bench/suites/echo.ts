import { atLeast, atMost, peakRssMb, Rows } from '../report/criteria.js'
import type { Criterion, Result } from '../report/result.js'
import { type Cell, type Effort, measureCell } from './cell.js'
import type { Suite } from './suite.js'

const RIVALS = ['grpc-js', 'ws-corked'] as const
/** Join in a full run: they are not what the figures are judged by. */
const OTHERS = ['ws', 'http2'] as const

function cell(payloadBytes: number, concurrency: number, full: boolean): Cell {
  const size = payloadBytes < 1_024 ? `${payloadBytes} B` : `${payloadBytes / 1_024} KiB`
  return {
    suite: 'echo',
    name: `${size} unary`,
    workload: { kind: 'echo', codec: 'msgpack', payloadBytes },
    concurrency,
    subjects: ['alys', 'floor', ...RIVALS, ...(full ? OTHERS : [])],
  }
}

const SIZES: readonly (readonly [bytes: number, concurrency: number])[] = [
  [32, 1],
  [32, 64],
  [32, 1_024],
  [1_024, 64],
  [1_024, 1_024],
  [65_536, 64],
]

export const echo: Suite = {
  name: 'echo',
  what: 'bytes there and back on one connection, against the floor and the rivals',
  async run(effort: Effort, onResult) {
    const results: Result[] = []
    for (const [bytes, concurrency] of SIZES) {
      const measured = await measureCell(cell(bytes, concurrency, effort.full), effort)
      results.push(...measured)
      onResult(measured)
    }
    return judge(new Rows(results))
  },
}

const p50Us = (row: Result): number => row.p50Us

function judge(rows: Rows): Criterion[] {
  const at = (payloadBytes: number, concurrency: number): Partial<Result> => ({ payloadBytes, concurrency })
  const ratio = (other: string, payloadBytes: number, concurrency: number): number => {
    return rows.speedRatio('alys', other, at(payloadBytes, concurrency))
  }
  const single = at(32, 1)
  const memory = rows.figure('alys', at(32, 1_024), peakRssMb) / rows.figure('grpc-js', at(32, 1_024), peakRssMb)
  return [
    atLeast('32 B, 1,024 in flight, over the floor', ratio('floor', 32, 1_024), 0.14),
    atLeast('32 B, 1,024 in flight, over grpc-js', ratio('grpc-js', 32, 1_024), 180),
    atLeast('32 B, 1,024 in flight, over corked ws', ratio('ws-corked', 32, 1_024), 2.2),
    atLeast('32 B, 64 in flight, over the floor', ratio('floor', 32, 64), 0.5),
    atLeast('32 B, 64 in flight, over corked ws', ratio('ws-corked', 32, 64), 1.8),
    atLeast('1 KiB, 1,024 in flight, over the floor', ratio('floor', 1_024, 1_024), 0.4),
    atLeast('1 KiB, 1,024 in flight, over corked ws', ratio('ws-corked', 1_024, 1_024), 2),
    atMost(
      '32 B, 1 in flight, p50 over p50 of the floor',
      rows.figure('alys', single, p50Us) / rows.figure('floor', single, p50Us),
      1.15,
    ),
    atLeast('64 KiB, 64 in flight, over the floor', ratio('floor', 65_536, 64), 0.95),
    atMost('peak RSS of both sides over grpc-js at 1,024 in flight', memory, 0.6),
  ]
}
