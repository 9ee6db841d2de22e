// Calls through the chaos proxy: each settles once, with the right answer or an error that says truly whether it ran.

import { Client, defineService, raw, unary } from '../../dist/index.js'
import { seededRandom } from '../../dist/testing.js'
import { bodyOf, checkSum } from './body.mjs'
import { startChaosProxy } from './chaos-proxy.mjs'
import { Child } from './child.mjs'
import { clean, Outcomes } from './outcomes.mjs'

export const Work = defineService('work', { run: unary({ request: raw(), response: raw() }) })

const KILLS = 1_000
const LEAST_CALLS_PER_KILL = 10_000

/** Sends calls for as long as `goOn` says, so many of them at once. */
export async function callMany({ client, outcomes, goOn, concurrency, random, timeoutMs = 5_000, wild = true }) {
  const work = client.use(Work)
  const one = async () => {
    const id = outcomes.start()
    const draw = random.next()
    const body = bodyOf(id, Math.floor(random.next() ** 4 * 4_000), draw < 0.05 ? Math.floor(random.next() * 30) : 0)
    const options = { timeoutMs }
    // A few have less time than they need, or are given up.
    if (wild && draw > 0.995) options.timeoutMs = 1 + Math.floor(random.next() * 20)
    let controller = null
    if (wild && draw > 0.99 && draw <= 0.992) {
      controller = new AbortController()
      options.signal = controller.signal
    }
    try {
      const call = work.run(body, options)
      if (controller !== null) setImmediate(() => controller.abort())
      const answer = await call
      outcomes.succeed(id, answer.readUInt32LE(0) === id && answer.readUInt32LE(4) === checkSum(body))
    } catch (error) {
      outcomes.fail(id, error)
    }
  }
  const worker = async () => {
    while (goOn()) await one()
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
}

export async function calls({ count, seed, concurrency = 4_096 }) {
  const server = new Child('counting-server.mjs', [String(count)])
  const { address } = await server.next()
  const proxy = await startChaosProxy({ targetPort: Number(address.split(':').at(-1)), seed })
  const random = seededRandom(seed)
  const outcomes = new Outcomes(count)
  const client = new Client(`tcp://127.0.0.1:${proxy.port}`, { limits: { maxOpenCalls: 8_192 } })
  // A thousand times in a long run every connection is cut at once, beside what the proxy does by itself.
  const killEvery = Math.max(LEAST_CALLS_PER_KILL, Math.ceil(count / KILLS))
  let kills = 0
  const goOn = () => {
    if (outcomes.started >= (kills + 1) * killEvery) {
      kills += 1
      proxy.resetAll()
    }
    return outcomes.started < count
  }
  const startedAt = performance.now()
  await callMany({ client, outcomes, goOn, concurrency, random })
  const seconds = (performance.now() - startedAt) / 1_000
  await client.close({ graceMs: 1_000 })
  await proxy.close()
  const ran = Buffer.from((await server.ask({ ask: 'ran' })).ran, 'base64')
  server.process.send({ ask: 'stop' })
  await server.exited
  const found = outcomes.judge(ran)
  const { started, succeeded, failed } = outcomes
  return {
    pass: clean(found),
    started,
    succeeded,
    failed,
    found,
    faults: { ...proxy.counts, kills },
    seconds: Math.round(seconds),
  }
}
