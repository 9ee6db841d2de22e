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

export function memory(): Memory {
  // Linux gives the peak in KiB.
  const peakRssMb = process.resourceUsage().maxRSS / 1024
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
