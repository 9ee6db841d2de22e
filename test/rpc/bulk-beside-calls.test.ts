import { describe, expect, test } from 'vitest'
import type { ClientOptions, ServerOptions } from '../../src/index.js'
import { Client } from '../../src/rpc/client.js'
import { Server } from '../../src/rpc/server.js'
import { type Machine, Simulation } from '../../src/testing.js'

function worldOf({ clock, random, network }: Machine) {
  return { clock, random, network }
}

type Priority = 'normal' | 'bulk'

/** Servers that do the same work, of which some fail all of it or never end it, and a client of all of them. */
function replicas(
  count: number,
  target: string | null,
  options: { pool?: ClientOptions['pool']; limits?: ServerOptions['limits'] } = {},
) {
  const simulation = new Simulation({ seed: 1 })
  const me = simulation.boot('me')
  const hosts = Array.from({ length: count }, (_, index) => `replica-${index}`)
  const failing = new Set<string>()
  const hanging = new Set<string>()
  const seen = { normal: new Map<string, number>(), bulk: new Map<string, number>() }
  for (const host of hosts) {
    const machine = simulation.boot(host)
    const server = new Server({
      ...worldOf(machine),
      ...(options.limits === undefined ? {} : { limits: options.limits }),
    })
    server.handle('work', (priority) => {
      const counts = seen[priority as Priority]
      counts.set(host, (counts.get(host) ?? 0) + 1)
      if (failing.has(host)) throw new Error('out of order')
      return hanging.has(host) ? new Promise(() => {}) : host
    })
    void server.listen(`tcp://${host}:7`)
  }
  const client = new Client(target ?? hosts.map((host) => `tcp://${host}:7`), {
    ...worldOf(me),
    ...(options.pool === undefined ? {} : { pool: options.pool }),
  })
  const call = (priority: Priority, timeoutMs = 1_000): Promise<boolean> =>
    client.call('work', priority, { priority, timeoutMs }).then(
      () => true,
      () => false,
    )
  /** Two calls and one in bulk at a time. Returns how many of each failed. */
  const run = async (times: number): Promise<Record<Priority, number>> => {
    const failed = { normal: 0, bulk: 0 }
    for (const { normal, bulk } of [seen]) for (const counts of [normal, bulk]) counts.clear()
    let over = false
    const all = async (): Promise<void> => {
      for (let made = 0; made < times; made += 1) {
        const kinds = ['normal', 'normal', 'bulk'] as const
        await Promise.all(kinds.map(async (kind) => void (failed[kind] += (await call(kind)) ? 0 : 1)))
        await new Promise<void>((resolve) => me.clock.setTimer(resolve, 5))
      }
      over = true
    }
    void all()
    await simulation.run({ forMs: 600_000, until: () => over })
    expect(over).toBe(true)
    return failed
  }
  /** Ends what is left. */
  const end = async (): Promise<void> => {
    void client.close({ graceMs: 0 })
    await simulation.run({ forMs: 1_000 })
  }
  return { simulation, me, hosts, failing, hanging, seen, client, call, run, end }
}

describe('calls beside bulk', () => {
  test('go to every replica, and away from one that fails all it is asked', async () => {
    const { hosts, failing, seen, client, run, end } = replicas(2, null)
    expect(await run(200)).toEqual({ normal: 0, bulk: 0 })
    for (const host of hosts) expect(seen.normal.get(host)).toBeGreaterThan(150)
    failing.add('replica-0')
    const { normal, bulk } = await run(1_000)
    expect(normal + bulk).toBeLessThanOrEqual(12)
    failing.clear()
    // Its longest time out.
    await run(4_000)
    expect(await run(200)).toEqual({ normal: 0, bulk: 0 })
    for (const host of hosts) expect(seen.normal.get(host)).toBeGreaterThan(100)
    expect(client.info().pool.size).toBeLessThanOrEqual(4)
    await end()
  })
})

describe('bulk', () => {
  test('of a client of a name, which keeps nothing ready, has the name looked up', async () => {
    const { simulation, hosts, client, call, end } = replicas(1, 'dns+tcp://service:7', { pool: { min: 0 } })
    simulation.network.names.set('service', [{ host: hosts[0] ?? '', port: null, priority: 0, weight: 1 }])
    const answers: boolean[] = []
    void call('bulk').then((answered) => answers.push(answered))
    await simulation.run({ forMs: 2_000 })
    expect([answers, client.info().pool.size]).toEqual([[true], 1])
    await end()
  })

  test('is not kept waiting by the probe of a replica that takes no more calls', async () => {
    const pool = { ejection: { minMs: 1_000 } }
    const { simulation, hanging, client, call, run, end } = replicas(2, null, { pool, limits: { maxOpenCalls: 8 } })
    await run(20)
    hanging.add('replica-0')
    const first = Promise.all(Array.from({ length: 24 }, () => call('bulk')))
    await simulation.run({ forMs: 1_200 })
    await first
    const states = (): string[] => client.info().endpoints.map(({ state }) => state)
    expect(states()).toContain('ejected')
    await simulation.run({ forMs: 60_000, until: () => states().includes('probing') })
    const answers: boolean[] = []
    for (let made = 0; made < 4; made += 1) {
      void call('bulk', 20_000).then((answered) => answers.push(answered))
      await simulation.run({ forMs: 1_000 })
    }
    expect(answers).toEqual([true, true, true, true])
    await end()
  })
})
