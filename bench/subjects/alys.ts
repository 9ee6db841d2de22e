import { Client, defineService, oneWay, raw, Server, unary } from 'alys-transport'
import type { TransactionRecord } from '../workloads/traffic.js'
import { payloadsOf, type Workload } from '../workloads/workload.js'
import { checkBytes, pick, RECEIPT_BYTES, type Subject } from './subject.js'

const Bench = defineService('bench', {
  echo: unary({ request: raw(), response: raw() }),
  push: oneWay({ request: raw() }),
  ingest: unary<{ transaction: Uint8Array }, { hash: Uint8Array }>(),
  record: unary<TransactionRecord, TransactionRecord>(),
})

/** The defaults, but for what the workload needs: one connection, and as many open calls as it keeps in flight. */
const limits = { maxOpenCalls: 32_768 }

export const alys: Subject = {
  name: 'alys',
  supports: () => true,
  async serve(workload) {
    const server = new Server({ limits })
    let received = 0
    server.implement(Bench, {
      echo: (bytes) => bytes,
      push: () => {
        received += 1
      },
      ingest: ({ transaction }) => ({ hash: transaction.subarray(0, RECEIPT_BYTES) }),
      record: (record) => record,
    })
    if (isProtobuf(workload))
      server.implement((await import('./alys-protobuf.js')).Records, { record: (record) => record })
    const { address } = await server.listen('tcp://127.0.0.1:0')
    return { address, received: () => received, close: () => server.close() }
  },
  async connect(address, workload) {
    const client = new Client(address, { pool: { min: 1, max: 1 }, limits })
    const bench = client.use(Bench)
    await client.connect()
    const { bytes, records } = await payloadsOf(workload)
    const close = (): Promise<void> => client.close()
    if (workload.kind === 'record') {
      const echo = isProtobuf(workload) ? client.use((await import('./alys-protobuf.js')).Records).record : bench.record
      return {
        close,
        call: (index) => echo(pick(records, index)),
        check: (answer, index) => checkBytes((answer as TransactionRecord).hash, pick(records, index).hash, index),
      }
    }
    if (workload.kind === 'ingest') {
      return {
        close,
        call: (index) => bench.ingest({ transaction: pick(bytes, index) }),
        check: (answer, index) => {
          checkBytes((answer as { hash: Uint8Array }).hash, pick(bytes, index).subarray(0, RECEIPT_BYTES), index)
        },
      }
    }
    return {
      close,
      call: (index) => bench.echo(pick(bytes, index)),
      check: (answer, index) => checkBytes(answer as Uint8Array, pick(bytes, index), index),
      sendBurst: (from, count) => client.sendBatch('bench.push', burst(bytes, from, count)),
    }
  },
}

function* burst(list: readonly Uint8Array[], from: number, count: number): Generator<Uint8Array> {
  for (let index = from; index < from + count; index += 1) yield pick(list, index)
}

function isProtobuf({ kind, codec }: Workload): boolean {
  return kind === 'record' && codec === 'protobuf'
}
