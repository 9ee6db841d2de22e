import type { Workload } from '../workloads/workload.js'

/** What the measuring process tells its children on their command line. */
export interface Assignment {
  readonly subject: string
  readonly workload: Workload
  /** Of the server, for a client. */
  readonly address: string
}

export type OverloadMethod = 'burn' | 'fail'

/** What became of calls that were offered. */
export interface Offered {
  readonly offered: number
  readonly good: number
  readonly elapsedMs: number
  readonly latenciesMs: Float32Array
}

/** What it asks of them while they run. */
export type Order =
  | {
      readonly order: 'run'
      readonly concurrency: number
      readonly ms: number
      /** Calls a second, due at even intervals, whatever becomes of them; null for as many as `concurrency` users make. */
      readonly perSecond: number | null
    }
  | {
      /** Calls at a fixed rate, whatever becomes of them. */
      readonly order: 'offer'
      readonly method: OverloadMethod
      readonly perSecond: number
      readonly ms: number
      readonly timeoutMs: number
      /** Clients among whom they are divided. */
      readonly clients: number
    }
  | { readonly order: 'flood'; readonly concurrency: number }
  | { readonly order: 'connections' }
  | { readonly order: 'cut' }
  | { readonly order: 'received' }
  | { readonly order: 'load' }
  | { readonly order: 'drain' }
  | { readonly order: 'watch-delay' }
  | { readonly order: 'delay' }
  | { readonly order: 'cpu' }
  | { readonly order: 'memory' }
  | { readonly order: 'close' }

/** One window of one subject, as the client saw it. */
export interface Window {
  readonly count: number
  readonly elapsedMs: number
  readonly clientCpuUs: number
  /** Milliseconds of the calls that were timed. The histogram is made by whoever asked: it needs memory of its own. */
  readonly latenciesMs: Float32Array
}

export interface Memory {
  readonly peakRssMb: number
  readonly rssMb: number
  readonly heapAfterGcMb: number
}
