import { monitorEventLoopDelay } from 'node:perf_hooks'
import { Server } from 'alys-transport'
import { Pressure } from '../workloads/pressure.js'
import { memory, serveOrders, tell } from './orders.js'

/** A server one of whose readers sleeps, and whose other calls go on. */
const server = new Server()
let received = 0
server.implement(Pressure, {
  echo: (bytes) => bytes,
  // Never handled: its sender has to wait for as long as the process lives.
  sleep: () => new Promise<void>(() => {}),
  count: () => {
    received += 1
  },
  *flow(payloadBytes) {
    const message = Buffer.alloc(payloadBytes, 1)
    for (;;) yield message
  },
})
const delays = monitorEventLoopDelay({ resolution: 1 })
const { address } = await server.listen('tcp://127.0.0.1:0')

serveOrders((order) => {
  switch (order.order) {
    case 'memory':
      return memory()
    case 'received':
      return received
    case 'watch-delay':
      delays.reset()
      delays.enable()
      return null
    case 'delay':
      delays.disable()
      return delays.percentile(99) / 1e6
    default:
      throw new Error(`a server under pressure does not ${order.order}`)
  }
})
tell({ value: address })
