import type { Memory } from '../harness/messages.js'
import type { Measured } from '../harness/pair.js'
import { median } from './median.js'

/** One row of the JSON report. Its fields are a contract with whoever compares runs. */
export interface Result {
  readonly suite: string
  readonly subject: string
  readonly workload: string
  readonly data: 'real' | 'generated' | 'fixed'
  readonly concurrency: number
  readonly payloadBytes: number
  readonly perSecond: number
  readonly p50Us: number
  readonly p99Us: number
  readonly p999Us: number
  readonly maxUs: number
  readonly clientCpuUsPerCall: number
  readonly serverCpuUsPerCall: number
  readonly clientPeakRssMb: number
  readonly serverPeakRssMb: number
  /** Both sides together, after collecting garbage: JavaScript heap and what it holds outside. */
  readonly heapAfterGcMb: number
}

export interface Criterion {
  readonly name: string
  readonly target: string
  readonly value: number
  readonly pass: boolean
}

export interface Report {
  readonly machine: string
  readonly node: string
  readonly commit: string
  readonly results: readonly Result[]
  readonly criteria: readonly Criterion[]
}

type Place = Pick<Result, 'suite' | 'subject' | 'workload' | 'data' | 'concurrency' | 'payloadBytes'>

/** The median of each figure over the windows. */
export function resultOf(
  place: Place,
  windows: readonly Measured[],
  memory: { readonly client: Memory; readonly server: Memory },
): Result {
  const over = (figure: (window: Measured) => number): number => median(windows.map(figure))
  return {
    ...place,
    perSecond: over(({ count, elapsedMs }) => (count / elapsedMs) * 1_000),
    p50Us: over(({ p50Us }) => p50Us),
    p99Us: over(({ p99Us }) => p99Us),
    p999Us: over(({ p999Us }) => p999Us),
    maxUs: Math.max(...windows.map(({ maxUs }) => maxUs)),
    clientCpuUsPerCall: over(({ clientCpuUs, count }) => clientCpuUs / count),
    serverCpuUsPerCall: over(({ serverCpuUs, count }) => serverCpuUs / count),
    clientPeakRssMb: memory.client.peakRssMb,
    serverPeakRssMb: memory.server.peakRssMb,
    heapAfterGcMb: memory.client.heapAfterGcMb + memory.server.heapAfterGcMb,
  }
}
