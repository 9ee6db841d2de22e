// Calls that nobody answers: how long after its deadline each of them settles, and its handler is told.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { Client, Server } from '../../dist/index.js'
import { seededRandom } from '../../dist/testing.js'

const AT_ONCE = 500
const LEAST_MS = 5
const MOST_MS = 500
/** What is promised for 999 of 1,000, in an event loop that comes round within `LAG_MS`. */
const LATE_MS = 10
const LAG_MS = 5
const SHARE = 0.999

export async function deadlines({ count, seed, judged = true }) {
  // Where many handlers stand still, some calls would be refused before their time.
  const server = new Server({ overload: { maxWaitMs: 0, maxLoopDelayMs: 0 } })
  const told = []
  let untold = 0
  server.handle('wait', (timeoutMs, { signal }) => {
    const startedAt = performance.now()
    untold += 1
    return new Promise((resolve) => {
      signal.addEventListener('abort', () => {
        untold -= 1
        told.push(performance.now() - startedAt - timeoutMs)
        resolve(null)
      })
    })
  })
  const { address } = await server.listen('tcp://127.0.0.1:0')
  const client = new Client(address, { throttle: { maxRefusedPercent: 0 } })
  await client.connect()
  const random = seededRandom(seed)
  const late = []
  const lag = new Lag()
  let early = 0
  let lagging = 0
  let started = 0
  const codes = {}
  const worker = async () => {
    while (started < count) {
      started += 1
      const timeoutMs = LEAST_MS + Math.floor(random.next() * (MOST_MS - LEAST_MS))
      const startedAt = performance.now()
      const error = await client.call('wait', timeoutMs, { timeoutMs }).then(
        () => null,
        (reason) => reason,
      )
      const overBy = performance.now() - startedAt - timeoutMs
      codes[error?.code] = (codes[error?.code] ?? 0) + 1
      if (overBy < 0) early += 1
      // Who comes late because the machine was busy with something else says nothing about deadlines.
      if (lag.since(startedAt) > LAG_MS) lagging += 1
      else late.push(overBy)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  await client.close()
  await server.close()
  lag.stop()
  const lateMs = percentileOf(late, SHARE)
  const whole = early === 0 && untold === 0 && codes['DEADLINE_EXCEEDED'] === count
  return {
    pass: whole && (!judged || lateMs <= LATE_MS),
    calls: count,
    codes,
    early,
    untold,
    'late by, p50, ms': percentileOf(late, 0.5),
    'late by, p99.9, ms': lateMs,
    'late by, at most, ms': percentileOf(late, 1),
    'handlers told, p99.9, ms': percentileOf(told, SHARE),
    'while the event loop lagged': lagging,
    'lag of the event loop, p99, ms': lag.p99Ms,
  }
}

/** When the event loop came round late. */
class Lag {
  #late = []
  #histogram = monitorEventLoopDelay({ resolution: 1 })
  #lastAt = performance.now()
  #timer = setInterval(() => {
    const now = performance.now()
    if (now - this.#lastAt > 1 + LAG_MS) this.#late.push([now, now - this.#lastAt])
    this.#lastAt = now
  }, 1)

  constructor() {
    this.#histogram.enable()
  }

  /** The longest since then. What the loop stands in just now counts as well. */
  since(startedAt) {
    while (this.#late.length > 0 && this.#late[0][0] < performance.now() - 2 * MOST_MS) this.#late.shift()
    const now = performance.now() - this.#lastAt - 1
    return Math.max(now, ...this.#late.filter(([at]) => at >= startedAt).map(([, ms]) => ms))
  }

  get p99Ms() {
    return rounded(this.#histogram.percentile(99) / 1e6)
  }

  stop() {
    clearInterval(this.#timer)
    this.#histogram.disable()
  }
}

function percentileOf(list, share) {
  const sorted = [...list].sort((a, b) => a - b)
  return rounded(sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0)
}

function rounded(ms) {
  return Math.round(ms * 100) / 100
}
