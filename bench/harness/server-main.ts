import { subjectNamed } from '../subjects/all.js'
import { FLOOR, serveFloor } from '../subjects/floor.js'
import type { Serving } from '../subjects/subject.js'
import { assignment, cpuUs, memory, serveOrders, tell } from './orders.js'

const { subject, workload } = assignment()
const serving: Serving =
  subject === FLOOR ? await serveFloor(workload) : await (await subjectNamed(subject)).serve(workload)

serveOrders((order) => {
  switch (order.order) {
    case 'cpu':
      return cpuUs()
    case 'memory':
      return memory()
    case 'received':
      return serving.received?.() ?? 0
    case 'close':
      return serving.close()
    default:
      throw new Error(`a server does not ${order.order}`)
  }
})
tell({ value: serving.address })
