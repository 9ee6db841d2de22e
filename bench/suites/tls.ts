import { atLeast, Rows } from '../report/criteria.js'
import type { Result } from '../report/result.js'
import { measureCell } from './cell.js'
import type { Suite } from './suite.js'

/** Payload and calls in flight. The first is what is judged. */
const SIZES = [
  [32, 1_024],
  [32, 64],
  [1_024, 1_024],
  [65_536, 64],
] as const

export const tls: Suite = {
  name: 'tls',
  what: 'bytes there and back over TLS 1.3, against the same in the clear',
  async run(effort, onResult) {
    const results: Result[] = []
    for (const [payloadBytes, concurrency] of effort.full ? SIZES : SIZES.slice(0, 1)) {
      const measured = await measureCell(
        {
          suite: 'tls',
          name: `${payloadBytes} B unary`,
          workload: { kind: 'echo', codec: 'msgpack', payloadBytes },
          concurrency,
          subjects: ['alys', 'alys-tls'],
        },
        effort,
      )
      results.push(...measured)
      onResult(measured)
    }
    const [payloadBytes, concurrency] = SIZES[0]
    const ratio = new Rows(results).speedRatio('alys-tls', 'alys', { payloadBytes, concurrency })
    return [atLeast('32 B, 1,024 in flight, TLS 1.3 over plain', ratio, 0.7)]
  },
}
