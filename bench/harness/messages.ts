import type { Workload } from '../workloads/workload.js'

/** What the measuring process tells its children on their command line. */
export interface Assignment {
  readonly subject: string
  readonly workload: Workload
  /** Of the server, for a client. */
  readonly address: string
}

/** What it asks of them while they run. */
export type Order =
  | { readonly order: 'run'; readonly concurrency: number; readonly ms: number }
  | { readonly order: 'received' }
  | { readonly order: 'cpu' }
  | { readonly order: 'memory' }
  | { readonly order: 'close' }

/** One window of one subject. */
export interface Window {
  readonly count: number
  readonly elapsedMs: number
  readonly clientCpuUs: number
  readonly p50Us: number
  readonly p99Us: number
  readonly p999Us: number
  readonly maxUs: number
}

export interface Memory {
  readonly peakRssMb: number
  readonly rssMb: number
  readonly heapAfterGcMb: number
}
