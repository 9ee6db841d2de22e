import { Client } from 'alys-transport'
import { Pressure } from '../workloads/pressure.js'
import { closedLoop } from './closed-loop.js'
import { Latencies } from './latencies.js'
import { assignment, cpuUs, memory, serveOrders, tell } from './orders.js'

const MESSAGE_BYTES = 1_024
/** Senders at once, each with its next message as soon as the last was taken: far more than is ever handled. */
const SENDERS = 64
const DRAINED = 50_000

const { address } = assignment()
const pool = { min: 1, max: 1 }
/** The connection that is watched, and the one under load. */
const beside = new Client(address, { pool })
const loaded = new Client(address, { pool })
await Promise.all([beside.connect(), loaded.connect()])
const { echo } = beside.use(Pressure)
const pressed = loaded.use(Pressure)
const body = Buffer.alloc(32, 1)

/** Sends to a handler that sleeps, and opens a stream that nobody reads. Goes on until the process ends. */
function load(): void {
  const message = Buffer.alloc(MESSAGE_BYTES, 1)
  const send = async (): Promise<void> => {
    for (;;) await pressed.sleep(message)
  }
  for (let sender = 0; sender < SENDERS; sender += 1) void send()
  pressed.flow(MESSAGE_BYTES)
}

serveOrders(async (order) => {
  switch (order.order) {
    case 'run': {
      const startedAt = performance.now()
      const latencies = new Latencies()
      const connected = { call: () => echo(body), check: () => {}, close: () => Promise.resolve() }
      const count = await closedLoop(connected, order.concurrency, order.ms, latencies)
      return { count, elapsedMs: performance.now() - startedAt, clientCpuUs: cpuUs(), latenciesMs: latencies.taken() }
    }
    case 'load':
      return load()
    case 'drain':
      await beside.sendBatch(
        'pressure.count',
        Array.from({ length: DRAINED }, () => body),
      )
      return DRAINED
    case 'memory':
      return memory()
    default:
      throw new Error(`a client under pressure does not ${order.order}`)
  }
})
tell({ value: 'connected' })
