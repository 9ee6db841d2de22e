import { subjectNamed } from '../subjects/all.js'
import { FLOOR, floorFrameBytes, serveFloor } from '../subjects/floor.js'
import { assignment, cpuUs, memory, serveOrders, tell } from './orders.js'

const { subject, workload } = assignment()
const serving = subject === FLOOR ? await serveFloor(workload) : await (await subjectNamed(subject)).serve(workload)

serveOrders((order) => {
  switch (order.order) {
    case 'cpu':
      return cpuUs()
    case 'memory':
      return memory()
    case 'received': {
      const received = serving.received?.() ?? 0
      return subject === FLOOR ? Math.floor(received / floorFrameBytes(workload)) : received
    }
    case 'close':
      return serving.close()
    default:
      throw new Error(`a server does not ${order.order}`)
  }
})
tell({ value: serving.address })
