import { subjectNamed } from '../subjects/all.js'
import { connectFloor, FLOOR, floorFrameBytes } from '../subjects/floor.js'
import type { Connected } from '../subjects/subject.js'
import { closedLoop, sendLoop } from './closed-loop.js'
import { Latencies } from './latencies.js'
import type { Order, Window } from './messages.js'
import { openLoop } from './open-loop.js'
import { assignment, cpuUs, memory, serveOrders, tell } from './orders.js'

const { subject, workload, address } = assignment()
const driver = subject === FLOOR ? await floorDriver() : await callDriver()

interface Driver {
  run(concurrency: number, ms: number, perSecond: number | null): Promise<Pick<Window, 'count' | 'latenciesMs'>>
  close(): Promise<void> | void
}

async function floorDriver(): Promise<Driver> {
  const floor = await connectFloor(address, workload)
  return {
    async run(concurrency, ms) {
      const latencies = new Latencies()
      const bytes = await floor.run(concurrency, ms, latencies)
      const unit = workload.kind === 'stream' ? workload.payloadBytes : floorFrameBytes(workload)
      return { count: bytes / unit, latenciesMs: latencies.taken() }
    },
    close: () => floor.close(),
  }
}

async function callDriver(): Promise<Driver> {
  const connected = await (await subjectNamed(subject)).connect(address, workload)
  return {
    async run(concurrency, ms, perSecond) {
      const latencies = perSecond === null ? new Latencies() : new Latencies(Math.ceil((perSecond * ms) / 1_000))
      const endLoad = connected.load?.()
      try {
        return {
          count: await measured(connected, { concurrency, ms, perSecond }, latencies),
          latenciesMs: latencies.taken(),
        }
      } finally {
        await endLoad?.()
      }
    },
    close: () => connected.close(),
  }
}

function measured(
  connected: Connected,
  { concurrency, ms, perSecond }: Pick<Order & { order: 'run' }, 'concurrency' | 'ms' | 'perSecond'>,
  latencies: Latencies,
): Promise<number> {
  if (perSecond !== null) return openLoop(connected, perSecond, ms, latencies)
  switch (workload.kind) {
    case 'one-way':
      return sendLoop(connected, ms)
    case 'stream':
      if (connected.streamFor === undefined) throw new Error(`${subject} has no streams`)
      return connected.streamFor(ms)
    default:
      return closedLoop(connected, concurrency, ms, latencies)
  }
}

serveOrders(async (order) => {
  switch (order.order) {
    case 'run': {
      const startedAt = performance.now()
      const cpuBefore = cpuUs()
      const window = await driver.run(order.concurrency, order.ms, order.perSecond)
      return { ...window, elapsedMs: performance.now() - startedAt, clientCpuUs: cpuUs() - cpuBefore }
    }
    case 'cpu':
      return cpuUs()
    case 'memory':
      return memory()
    case 'close':
      return driver.close()
    default:
      throw new Error(`a client does not ${order.order}`)
  }
})
tell({ value: 'connected' })
