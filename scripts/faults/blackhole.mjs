// A server in a network namespace of its own, at the other end of a veth pair that is cut: nothing comes back, not even a
// reset. Needs root and `ip`.
import { execFileSync } from 'node:child_process'
import { setTimeout as pause } from 'node:timers/promises'
import { Client } from '../../dist/index.js'
import { bodyOf } from './body.mjs'
import { Work } from './calls.mjs'
import { Child } from './child.mjs'

/** From the range for documentation (RFC 5737), so that no network of anybody is hidden. */
const NEAR = '198.51.100.1'
const FAR = '198.51.100.2'
/** Heartbeat interval and timeout, and what an event loop may add. */
const MOST_MS = 15_500

const ip = (...args) => execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] })

export async function blackhole({ calls = 100 }) {
  const name = `alys-${process.pid}`
  if (process.getuid?.() !== 0) return { pass: true, skipped: 'this needs root' }
  try {
    ip('netns', 'add', name)
  } catch (error) {
    return { pass: true, skipped: `this needs network namespaces: ${error.message.split('\n').at(-1)}` }
  }
  let server = null
  try {
    ip('link', 'add', `${name}a`, 'type', 'veth', 'peer', 'name', `${name}b`)
    ip('link', 'set', `${name}b`, 'netns', name)
    ip('addr', 'add', `${NEAR}/30`, 'dev', `${name}a`)
    ip('link', 'set', `${name}a`, 'up')
    ip('-n', name, 'addr', 'add', `${FAR}/30`, 'dev', `${name}b`)
    ip('-n', name, 'link', 'set', `${name}b`, 'up')
    server = new Child('silent-server.mjs', [FAR], ['ip', 'netns', 'exec', name, process.execPath])
    const { address } = await server.next()
    const client = new Client(address, { pool: { min: 1, max: 1 }, timeoutMs: 120_000, retry: { maxAttempts: 1 } })
    const work = client.use(Work)
    const pending = Array.from({ length: calls }, (_, id) =>
      work.run(bodyOf(id, 10, 0)).then(
        () => null,
        (error) => error,
      ),
    )
    const early = Promise.race(pending).then((error) => {
      throw error ?? new Error('a call was answered by a server that answers none')
    })
    const allRun = async () => {
      while ((await server.ask({ ask: 'running' })).running < calls) await pause(10)
    }
    await Promise.race([allRun(), early])
    ip('link', 'set', `${name}a`, 'down')
    const startedAt = performance.now()
    early.catch(() => {
      // From here on they are meant to fail.
    })
    const outcomes = await Promise.all(pending)
    const ms = Math.round(performance.now() - startedAt)
    const right = outcomes.every(
      (error) => error !== null && error.code === 'UNAVAILABLE' && error.processed === 'maybe',
    )
    await client.close({ graceMs: 0 })
    return { pass: right && ms <= MOST_MS, calls, ms, most: MOST_MS, reason: outcomes[0]?.reason }
  } finally {
    if (server !== null) await server.kill('SIGKILL')
    ip('netns', 'del', name)
  }
}
