// Calls and streams that are given up while their handlers run: each handler is told, and nothing is left of any.
import { setTimeout as pause } from 'node:timers/promises'
import { Client, defineService, Server, serverStream, unary } from '../../dist/index.js'

const Wait = defineService('wait', { answer: unary(), feed: serverStream() })

/** One in so many is a stream. */
const STREAM_EVERY = 4
const AT_ONCE = 128
/** Nothing here ends by its deadline. */
const HOUR_MS = 3_600_000
/** For the last handlers, and for the places of calls whose handlers were told. */
const TOLD_WITHIN_MS = 10_000

export async function cancels({ count }) {
  // What is allowed of a peer is far less: that is what `npm run bench` and the tests of limits are about.
  const limits = { cancelBurst: 1_000_000, cancelsPerSecond: 1_000_000 }
  const server = new Server({ limits, overload: { maxWaitMs: 0, maxLoopDelayMs: 0 } })
  const started = new Uint8Array(count)
  const told = new Uint8Array(count)
  let running = 0
  const waitFor = (id, signal) => {
    started[id] += 1
    running += 1
    onStarted[id]?.()
    return new Promise((resolve) => {
      signal.addEventListener('abort', () => {
        told[id] += 1
        running -= 1
        resolve(null)
      })
    })
  }
  server.implement(Wait, {
    answer: (id, { signal }) => waitFor(id, signal),
    async *feed(id, { signal }) {
      yield id
      await waitFor(id, signal)
    },
  })
  const { address } = await server.listen('tcp://127.0.0.1:0')
  const client = new Client(address, { limits, timeoutMs: HOUR_MS })
  const wait = client.use(Wait)
  const onStarted = {}
  const codes = {}
  let settled = 0
  let next = 0
  const settle = (error) => {
    settled += 1
    const code = error?.code ?? 'answered'
    codes[code] = (codes[code] ?? 0) + 1
  }
  const one = async (id) => {
    const controller = new AbortController()
    // Some before their handler runs, most of them while it does.
    const runs = new Promise((resolve) => {
      onStarted[id] = resolve
    })
    const { signal } = controller
    const outcome =
      id % STREAM_EVERY === 0 ? readAll(wait.feed(id, { signal })) : wait.answer(id, { signal }).then(() => null)
    const over = outcome.then(settle, settle)
    if (id % 16 === 1) setImmediate(() => controller.abort())
    else void runs.then(() => controller.abort())
    await over
    delete onStarted[id]
  }
  const worker = async () => {
    while (next < count) {
      const id = next
      next += 1
      await one(id)
    }
  }
  const startedAt = performance.now()
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  const seconds = (performance.now() - startedAt) / 1_000
  const openCalls = () => client.info().connections.reduce((sum, one) => sum + one.openCalls, 0)
  for (let ms = 0; running + openCalls() > 0 && ms < TOLD_WITHIN_MS; ms += 10) await pause(10)
  const ran = started.reduce((sum, times) => sum + times, 0)
  const untold = started.reduce((sum, times, id) => sum + (times === told[id] ? 0 : 1), 0)
  const open = openCalls()
  await client.close()
  await server.close()
  const left = open + running + client.info().connections.length + server.info().connections.length
  const pass = settled === count && codes['CANCELLED'] === count && untold === 0 && left === 0
  return { pass, cancelled: count, settled, codes, handlersRan: ran, untold, left, seconds: Math.round(seconds) }
}

async function readAll(stream) {
  for await (const _ of stream);
}
