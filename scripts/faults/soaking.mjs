// What `soak.mjs` runs. Its arguments: seconds, and a seed.
import { setTimeout as pause } from 'node:timers/promises'
import { Client, clientStream, defineService, duplex, oneWay, Server, serverStream, unary } from '../../dist/index.js'
import { seededRandom } from '../../dist/testing.js'

const Mix = defineService('mix', {
  ask: unary(),
  feed: serverStream(),
  gather: clientStream(),
  talk: duplex(),
  tell: oneWay(),
})

const [seconds, seed] = process.argv.slice(2).map(Number)
const CLIENTS = 4
const WORKERS = 16
/** The heap after a collection, in the last quarter over the second. */
const MOST_GROWTH = 1.05
const SAMPLES = 60
/** What the engine and Node keep for themselves may come late. */
const FLOOR_BYTES = 512 * 1024

const random = seededRandom(seed)
const pick = (most) => Math.floor(random.next() * most)
const server = new Server({
  limits: { maxConnectionsPerPeer: 64, cancelBurst: 1_000_000 },
  overload: { maxLoopDelayMs: 0 },
})
server.implement(Mix, {
  async ask({ bytes, sleepMs }) {
    if (sleepMs > 0) await pause(sleepMs)
    return Buffer.alloc(bytes, 7)
  },
  async *feed({ count, bytes }) {
    for (let left = count; left > 0; left -= 1) yield Buffer.alloc(bytes, left)
  },
  async gather(pieces) {
    let count = 0
    for await (const _ of pieces) count += 1
    return count
  },
  async *talk(pieces) {
    for await (const piece of pieces) yield piece
  },
  tell() {},
})
const { address } = await server.listen('tcp://127.0.0.1:0')
const counts = {}
const codes = {}
let stopping = false

function* pieces() {
  for (let left = pick(20); left > 0; left -= 1) yield Buffer.alloc(pick(2_000), left)
}

async function readAll(stream, enough) {
  let read = 0
  for await (const _ of stream) {
    read += 1
    if (read === enough) break
  }
}

const WORK = {
  ask: (mix, options) => mix.ask({ bytes: Math.floor(random.next() ** 6 * 200_000), sleepMs: pick(8) - 4 }, options),
  feed: (mix, options) => readAll(mix.feed({ count: pick(40), bytes: pick(4_000) }, options), pick(80)),
  gather: (mix, options) => mix.gather(pieces(), options),
  talk: (mix, options) => readAll(mix.talk(pieces(), options), pick(40)),
  tell: (mix) => mix.tell(Buffer.alloc(pick(500)), random.next() < 0.5 ? {} : { ack: 'processed' }),
}
const KINDS = Object.keys(WORK)

async function one(mix) {
  const kind = KINDS[pick(KINDS.length)]
  const options = { timeoutMs: random.next() < 0.05 ? 1 + pick(5) : 30_000 }
  if (random.next() < 0.1) {
    const controller = new AbortController()
    options.signal = controller.signal
    void pause(pick(5)).then(() => controller.abort())
  }
  counts[kind] = (counts[kind] ?? 0) + 1
  try {
    await WORK[kind](mix, options)
  } catch (error) {
    if (error?.name !== 'TransportError') throw error
    codes[error.code] = (codes[error.code] ?? 0) + 1
  }
}

async function clientLife() {
  while (!stopping) {
    const client = new Client(address, { pool: { min: 0, max: 1 + pick(3) } })
    const mix = client.use(Mix)
    const endsAt = performance.now() + 200 + pick(2_000)
    const worker = async () => {
      while (!stopping && performance.now() < endsAt) await one(mix)
    }
    await Promise.all(Array.from({ length: WORKERS }, worker))
    // Half of them with calls open.
    if (random.next() < 0.5) void one(mix)
    await client.close({ graceMs: random.next() < 0.5 ? 0 : 1_000 })
    counts.clients = (counts.clients ?? 0) + 1
  }
}

const living = Array.from({ length: CLIENTS }, clientLife)
const heap = []
for (let sample = 0; sample < SAMPLES; sample += 1) {
  await pause((seconds * 1_000) / SAMPLES)
  globalThis.gc()
  heap.push(process.memoryUsage().heapUsed)
}
stopping = true
await Promise.all(living)
await server.close()
await pause(100)
const { connections, buffers } = server.info()
const handles = process.getActiveResourcesInfo().filter((kind) => kind !== 'PipeWrap')
const left = { connections: connections.length, buffers: buffers.current, handles }
const [second, last] = [quarter(1), quarter(3)]
const flat = last <= second * MOST_GROWTH + FLOOR_BYTES
process.send({
  pass: flat && left.connections + left.buffers + left.handles.length === 0,
  seconds,
  counts,
  codes,
  'heap in the second quarter, MB': megabytes(second),
  'heap in the last quarter, MB': megabytes(last),
  left,
})
process.disconnect()

/** Its median. */
function quarter(index) {
  const part = heap.slice((index * SAMPLES) / 4, ((index + 1) * SAMPLES) / 4).sort((a, b) => a - b)
  return part[Math.floor(part.length / 2)]
}

function megabytes(bytes) {
  return Math.round(bytes / 1e4) / 100
}
