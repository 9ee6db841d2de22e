import Table from 'cli-table3'
import type { Criterion, Result } from './result.js'

const counts = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })
const figures = new Intl.NumberFormat('en-US', { maximumSignificantDigits: 3 })

function figure(value: number): string {
  return Number.isFinite(value) && value !== 0 ? figures.format(value) : '-'
}

export function resultsTable(results: readonly Result[]): string {
  const table = new Table({
    head: [
      'workload',
      'in flight',
      'subject',
      'per second',
      'p50 µs',
      'p99 µs',
      'max µs',
      'CPU µs client',
      'server',
      'peak RSS MB client',
      'server',
      'heap after GC MB',
    ],
    colAligns: ['left', 'right', 'left', ...Array.from({ length: 9 }, () => 'right' as const)],
    style: { head: [], border: [], compact: true },
  })
  for (const row of results) {
    table.push([
      row.workload,
      counts.format(row.concurrency),
      row.subject,
      counts.format(row.perSecond),
      figure(row.p50Us),
      figure(row.p99Us),
      figure(row.maxUs),
      figure(row.clientCpuUsPerCall),
      figure(row.serverCpuUsPerCall),
      figure(row.clientPeakRssMb),
      figure(row.serverPeakRssMb),
      figure(row.heapAfterGcMb),
    ])
  }
  return table.toString()
}

export function criteriaTable(criteria: readonly Criterion[]): string {
  const table = new Table({
    head: ['criterion', 'target', 'value', ''],
    style: { head: [], border: [], compact: true },
  })
  for (const { name, target, value, pass } of criteria) {
    table.push([name, target, figure(value), target === 'reported' ? '' : pass ? 'PASS' : 'FAIL'])
  }
  return table.toString()
}
