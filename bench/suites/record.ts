import { atLeast, Rows } from '../report/criteria.js'
import type { Result } from '../report/result.js'
import { type Cell, measureCell } from './cell.js'
import type { Suite } from './suite.js'

const CELLS: readonly Cell[] = [64, 1_024].flatMap((concurrency) => {
  const workload = { kind: 'record', payloadBytes: 0 } as const
  const cells: Cell[] = [
    {
      suite: 'record',
      name: 'record, msgpack',
      workload: { ...workload, codec: 'msgpack' },
      concurrency,
      subjects: ['alys', 'ws-corked'],
    },
    {
      suite: 'record',
      name: 'record, protobuf',
      workload: { ...workload, codec: 'protobuf' },
      concurrency,
      subjects: ['alys', 'grpc-js'],
    },
  ]
  return cells
})

/** A transaction record of seven fields there and back, decoded and encoded on both sides. */
export const record: Suite = {
  name: 'record',
  what: 'typed transaction records there and back, against the rivals',
  async run(effort, onResult) {
    const results: Result[] = []
    for (const cell of CELLS) {
      const measured = await measureCell(cell, effort)
      results.push(...measured)
      onResult(measured)
    }
    const rows = new Rows(results)
    const msgpack = { workload: 'record, msgpack', concurrency: 1_024 }
    const protobuf = { workload: 'record, protobuf', concurrency: 1_024 }
    return [
      atLeast(
        'record with msgpack, 1,024 in flight, over grpc-js',
        rows.speedRatio('alys', 'grpc-js', msgpack, protobuf),
        65,
      ),
      atLeast('record with protobuf, 1,024 in flight, over grpc-js', rows.speedRatio('alys', 'grpc-js', protobuf), 90),
      atLeast(
        'record with msgpack, 1,024 in flight, over corked ws with msgpackr',
        rows.speedRatio('alys', 'ws-corked', msgpack),
        2.5,
      ),
    ]
  },
}
