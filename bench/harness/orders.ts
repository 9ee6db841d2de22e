import { readFileSync } from 'node:fs'
import type { Assignment, Memory, Order } from './messages.js'

export function assignment(): Assignment {
  return JSON.parse(process.argv[2] ?? '{}') as Assignment
}

/** Microseconds of processor time so far, the kernel's share included. */
export function cpuUs(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}

const MB = 1024 * 1024
/** Objects with finalizers, such as sockets, take more than one collection. */
const COLLECTIONS = 4

/**
 * The peak since this program began. `maxRSS` survives `exec`: a child of a larger process would report that one's
 * peak, so Linux's own mark is read where there is one.
 */
function peakRss(): number {
  try {
    const kib = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1]
    if (kib !== undefined) return Number(kib) / 1024
  } catch {
    // No /proc here: the other figure is all there is.
  }
  return process.resourceUsage().maxRSS / 1024
}

export function memory(): Memory {
  const peakRssMb = peakRss()
  for (let count = 0; count < COLLECTIONS; count += 1) globalThis.gc?.()
  const { rss, heapUsed, external } = process.memoryUsage()
  return { peakRssMb, rssMb: rss / MB, heapAfterGcMb: (heapUsed + external) / MB }
}

/** Carries out orders one after the other, and ends the process when the other side is gone. */
export function serveOrders(carryOut: (order: Order) => unknown): void {
  process.on('disconnect', () => process.exit())
  process.on('message', (order: Order) => {
    // In an async function, so that a throw and a rejection are told alike.
    const run = async (): Promise<unknown> => carryOut(order)
    run().then(
      (value) => tell({ value }),
      (error: unknown) => tell({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
    )
  })
}

export function tell(message: { value?: unknown; error?: string }): void {
  process.send?.(message)
}
