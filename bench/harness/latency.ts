import { build } from 'hdr-histogram-js'

export interface Percentiles {
  readonly p50Us: number
  readonly p99Us: number
  readonly p999Us: number
  readonly maxUs: number
}

const NS_PER_MS = 1e6
const NS_PER_US = 1e3

/** Nanoseconds up to a minute, three significant digits. All zero where nothing was timed. */
export function percentiles(latenciesMs: Float32Array): Percentiles {
  const histogram = build({ lowestDiscernibleValue: 1, highestTrackableValue: 60e9, numberOfSignificantValueDigits: 3 })
  for (const ms of latenciesMs) histogram.recordValue(Math.max(1, Math.round(ms * NS_PER_MS)))
  const at = (percentile: number): number => histogram.getValueAtPercentile(percentile) / NS_PER_US
  return { p50Us: at(50), p99Us: at(99), p999Us: at(99.9), maxUs: histogram.maxValue / NS_PER_US }
}
