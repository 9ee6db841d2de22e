import { halfCompressible, seeded } from './random.js'
import { generatedTransactions, realTransactions, recordOf, type TransactionRecord } from './traffic.js'

/** What is carried: plain data, because it travels to the processes of both sides. */
export interface Workload {
  /**
   * `echo`: bytes come back. `record`: a transaction record comes back. `ingest`: a transaction goes, its hash comes
   * back. `one-way`: bytes go, and are counted. `stream`: bytes come, one stream of them.
   */
  readonly kind: 'echo' | 'record' | 'ingest' | 'one-way' | 'stream'
  /** How a record is encoded by subjects that have a choice. */
  readonly codec: 'msgpack' | 'protobuf'
  readonly payloadBytes: number
  /** A folder of RLP blocks; generated traffic without it. */
  readonly dataFolder: string | null
}

/** The payloads of a workload, made on each side from the same seed. */
export interface Payloads {
  readonly bytes: readonly Buffer[]
  readonly records: readonly TransactionRecord[]
}

/** Bytes of one size, whatever the traffic. */
export const FIXED: ReadonlySet<Workload['kind']> = new Set(['echo', 'one-way', 'stream'])
const ECHO_PAYLOADS = 64
const SEED = 7

export async function payloadsOf(workload: Workload): Promise<Payloads> {
  if (FIXED.has(workload.kind)) {
    const random = seeded(SEED)
    const bytes = Array.from({ length: ECHO_PAYLOADS }, () => halfCompressible(workload.payloadBytes, random))
    return { bytes, records: [] }
  }
  const { dataFolder } = workload
  const transactions = dataFolder === null ? generatedTransactions() : await realTransactions(dataFolder)
  // Only the form that is sent: memory is among the figures.
  return workload.kind === 'record'
    ? { bytes: [], records: transactions.map(recordOf) }
    : { bytes: transactions.map(({ bytes }) => bytes), records: [] }
}
