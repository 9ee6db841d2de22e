import { atLeast, Rows } from '../report/criteria.js'
import { type Entrant, measureMixed } from './cell.js'
import type { Suite } from './suite.js'

const ONE_WAY = {
  name: '32 B one-way',
  workload: { kind: 'one-way', codec: 'msgpack', payloadBytes: 32 },
  concurrency: 1,
} as const

/** In one cell, so that what is compared was measured within seconds. */
const ENTRANTS: readonly Entrant[] = [
  { subject: 'alys', ...ONE_WAY },
  { subject: 'ws-corked', ...ONE_WAY },
  // Floor N: what the socket does with as many bytes there and back, 1,024 messages in flight.
  {
    subject: 'floor',
    name: '32 B unary',
    workload: { kind: 'echo', codec: 'msgpack', payloadBytes: 32 },
    concurrency: 1_024,
  },
]

/** Messages without an answer, held back by the receiver through TCP; counted where they arrive. */
export const oneWay: Suite = {
  name: 'one-way',
  what: 'messages without an answer, counted at the receiver',
  async run(effort, onResult) {
    const results = await measureMixed('one-way', ENTRANTS, effort)
    onResult(results)
    const rows = new Rows(results)
    return [
      atLeast('32 B one-way over the floor', rows.speedRatio('alys', 'floor', {}), 0.4),
      atLeast('32 B one-way over corked ws', rows.speedRatio('alys', 'ws-corked', {}), 2.5),
    ]
  },
}
