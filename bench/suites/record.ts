import { atLeast, Rows } from '../report/criteria.js'
import type { Result } from '../report/result.js'
import { type Entrant, measureMixed } from './cell.js'
import type { Suite } from './suite.js'

const MSGPACK = { name: 'record, msgpack', workload: { kind: 'record', codec: 'msgpack', payloadBytes: 0 } } as const
const PROTOBUF = { name: 'record, protobuf', workload: { kind: 'record', codec: 'protobuf', payloadBytes: 0 } } as const

/** All in one cell: a figure with msgpack is judged by one with protobuf, so they are measured side by side. */
const ENTRANTS: readonly Omit<Entrant, 'concurrency'>[] = [
  { subject: 'alys', ...MSGPACK },
  { subject: 'alys', ...PROTOBUF },
  { subject: 'ws-corked', ...MSGPACK },
  { subject: 'grpc-js', ...PROTOBUF },
]
const CONCURRENCIES = [64, 1_024]

/** A transaction record of seven fields there and back, decoded and encoded on both sides. */
export const record: Suite = {
  name: 'record',
  what: 'typed transaction records there and back, against the rivals',
  async run(effort, onResult) {
    const results: Result[] = []
    for (const concurrency of CONCURRENCIES) {
      const entrants = ENTRANTS.map((entrant) => ({ ...entrant, concurrency }))
      const measured = await measureMixed('record', entrants, effort)
      results.push(...measured)
      onResult(measured)
    }
    const rows = new Rows(results)
    const msgpack = { workload: MSGPACK.name, concurrency: 1_024 }
    const protobuf = { workload: PROTOBUF.name, concurrency: 1_024 }
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
