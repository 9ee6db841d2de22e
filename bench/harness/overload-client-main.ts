import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'alys-transport'
import { Overload } from '../workloads/overload.js'
import { Latencies } from './latencies.js'
import type { Offered, Order } from './messages.js'
import { assignment, serveOrders, tell } from './orders.js'

const { address } = assignment()
const body = Buffer.alloc(32, 1)
const FLOOD_TIMEOUT_MS = 1_000
/** Of a caller that was refused. Five thousand calls a second of a thousand of them are a flood, and leave us a processor. */
const FLOOD_PAUSE_MS = 200
const clients: { readonly client: Client; readonly overload: ReturnType<typeof serviceOf> }[] = []

function serviceOf(client: Client) {
  return client.use(Overload)
}

/** So many clients, each with a connection of its own. */
async function clientsOf(count: number): Promise<typeof clients> {
  while (clients.length < count) {
    const client = new Client(address, { pool: { min: 1, max: 1 } })
    clients.push({ client, overload: serviceOf(client) })
    await client.connect()
  }
  return clients.slice(0, count)
}

/** An open loop: what is due is called each millisecond, however many are out. */
async function offer(order: Extract<Order, { order: 'offer' }>): Promise<Offered> {
  const { method, perSecond, ms, timeoutMs } = order
  const among = await clientsOf(order.clients)
  const latencies = new Latencies()
  const out: Promise<void>[] = []
  const startedAt = performance.now()
  let offered = 0
  let good = 0
  const one = async (): Promise<void> => {
    const calledAt = performance.now()
    const { overload } = among[offered % among.length] as (typeof among)[number]
    try {
      await overload[method](body, { timeoutMs })
      good += 1
      latencies.add(performance.now() - calledAt)
    } catch {
      // Counted as offered and not as good.
    }
  }
  for (let passedMs = 0; passedMs < ms; passedMs = performance.now() - startedAt) {
    for (const due = (passedMs * perSecond) / 1_000; offered < due; offered += 1) out.push(one())
    await sleep(1)
  }
  const elapsedMs = performance.now() - startedAt
  await Promise.all(out)
  return { offered, good, elapsedMs, latenciesMs: latencies.taken() }
}

/** One client with so many calls out at once, each followed by the next. Goes on until the process ends. */
async function flood(concurrency: number): Promise<void> {
  const [flooder] = await clientsOf(1)
  const user = async (): Promise<void> => {
    for (;;) {
      try {
        await flooder?.overload.burn(body, { timeoutMs: FLOOD_TIMEOUT_MS })
      } catch {
        await sleep(FLOOD_PAUSE_MS)
      }
    }
  }
  for (let count = 0; count < concurrency; count += 1) void user()
}

serveOrders((order) => {
  switch (order.order) {
    case 'offer':
      return offer(order)
    case 'flood':
      return flood(order.concurrency)
    default:
      throw new Error(`a client under overload does not ${order.order}`)
  }
})
tell({ value: 'connected' })
