import { atLeast, Rows } from '../report/criteria.js'
import { type Cell, measureCell } from './cell.js'
import type { Suite } from './suite.js'

const CELL: Cell = {
  suite: 'one-way',
  name: '32 B one-way',
  workload: { kind: 'one-way', codec: 'msgpack', payloadBytes: 32 },
  concurrency: 1,
  subjects: ['alys', 'ws-corked'],
}

/** Floor N: what the socket does with as many bytes there and back, 1,024 messages in flight. */
const FLOOR_CELL: Cell = {
  suite: 'one-way',
  name: '32 B unary',
  workload: { kind: 'echo', codec: 'msgpack', payloadBytes: 32 },
  concurrency: 1_024,
  subjects: ['floor'],
}

/** Messages without an answer, held back by the receiver through TCP; counted where they arrive. */
export const oneWay: Suite = {
  name: 'one-way',
  what: 'messages without an answer, counted at the receiver',
  async run(effort, onResult) {
    const results = [...(await measureCell(FLOOR_CELL, effort)), ...(await measureCell(CELL, effort))]
    onResult(results)
    const rows = new Rows(results)
    return [
      atLeast('32 B one-way over the floor', rows.speedRatio('alys', 'floor', {}), 0.4),
      atLeast('32 B one-way over corked ws', rows.speedRatio('alys', 'ws-corked', {}), 2.5),
    ]
  },
}
