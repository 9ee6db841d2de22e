import { build, type Histogram } from 'hdr-histogram-js'
import type { Window } from './messages.js'

/** Nanoseconds up to a minute, three significant digits. */
export function newHistogram(): Histogram {
  return build({ lowestDiscernibleValue: 1, highestTrackableValue: 60e9, numberOfSignificantValueDigits: 3 })
}

const NS_PER_MS = 1e6
const NS_PER_US = 1e3

export function record(histogram: Histogram, ms: number): void {
  histogram.recordValue(Math.max(1, Math.round(ms * NS_PER_MS)))
}

export function percentiles(histogram: Histogram): Pick<Window, 'p50Us' | 'p99Us' | 'p999Us' | 'maxUs'> {
  const at = (percentile: number): number => histogram.getValueAtPercentile(percentile) / NS_PER_US
  return { p50Us: at(50), p99Us: at(99), p999Us: at(99.9), maxUs: histogram.maxValue / NS_PER_US }
}
