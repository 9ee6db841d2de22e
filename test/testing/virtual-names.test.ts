import { describe, expect, test } from 'vitest'
import { Client } from '../../src/rpc/client.js'
import { Server } from '../../src/rpc/server.js'
import { type NameEntry, Simulation } from '../../src/testing.js'

const QUERY = { name: 'service', records: 'address' } as const
const FOUND: NameEntry = [{ host: 'there', port: null, priority: 0, weight: 1 }]

/** A server, and a client that knows it by a name and looks that up at once. */
function byName(entry?: NameEntry) {
  const simulation = new Simulation({ seed: 1 })
  const { names } = simulation.network
  if (entry !== undefined) names.set('service', entry)
  const [here, there] = [simulation.boot('here'), simulation.boot('there')]
  const server = new Server({ clock: there.clock, random: there.random, network: there.network })
  server.handle('echo', (value) => value)
  void server.listen('tcp://there:7000')
  const { clock, random, network } = here
  const client = new Client('dns+tcp://service:7000', { clock, random, network })
  const outcomes: unknown[] = []
  const ask = (): void => {
    client.call('echo', 1, { timeoutMs: 20_000 }).then(
      () => outcomes.push(`answered at ${Math.round(clock.now())} ms`),
      ({ reason, processed }) => outcomes.push([reason, processed, Math.round(clock.now())]),
    )
  }
  /** Closes all, and says what is left. */
  const rest = async (): Promise<unknown> => {
    void client.close()
    void server.close()
    return [await simulation.run(), simulation.pending, here.timers, simulation.network.connectionCount]
  }
  return { simulation, here, names, outcomes, ask, rest }
}

const NOTHING_LEFT = ['idle', 0, 0, 0]

describe('a name of the virtual network', () => {
  test('that is silent is given up after the time that there is to connect', async () => {
    const { simulation, outcomes, ask, rest } = byName('silent')
    ask()
    await simulation.run({ forMs: 4_999 })
    expect(outcomes).toEqual([])
    await simulation.run({ forMs: 10 })
    expect(outcomes).toEqual([['connect-timeout', 'no', 5_000]])
    expect(await rest()).toEqual(NOTHING_LEFT)
  })

  test('that is silent for a while is found when it is asked for again', async () => {
    const { simulation, names, outcomes, ask, rest } = byName('silent')
    ask()
    simulation.after(1_500, () => names.set('service', FOUND))
    await simulation.run({ forMs: 2_999 })
    expect(outcomes).toEqual([])
    await simulation.run({ forMs: 100 })
    // Asked for at once, after a second, and after two more.
    expect(outcomes).toEqual(['answered at 3000 ms'])
    expect(await rest()).toEqual(NOTHING_LEFT)
  })

  test('that nobody knows fails, and is found when it is there', async () => {
    const { simulation, here, names, outcomes, ask, rest } = byName()
    ask()
    await simulation.run({ forMs: 10 })
    expect(outcomes).toEqual([['resolve-failed', 'no', 0]])
    const details = { name: 'service', systemCode: 'ENOTFOUND' }
    await expect(here.network.resolve(QUERY)).rejects.toMatchObject({ details })
    names.set('service', FOUND)
    here.clock.setTimer(ask, 990)
    await simulation.run({ forMs: 1_990 })
    expect(outcomes[1]).toMatch(/^answered/)
    expect(await rest()).toEqual(NOTHING_LEFT)
  })

  test('is no longer asked for when the look-up is aborted, nor when its machine has crashed', async () => {
    const { simulation, here, names } = byName('silent')
    const attempt = new AbortController()
    const lookUp = here.network.resolve(QUERY, attempt.signal)
    let settled = false
    const settle = (): void => {
      settled = true
    }
    here.network.resolve(QUERY).then(settle, settle)
    attempt.abort(new Error('given up'))
    await expect(lookUp).rejects.toThrow('given up')
    await expect(here.network.resolve(QUERY, attempt.signal)).rejects.toThrow('given up')
    here.crash()
    names.set('service', FOUND)
    expect([await simulation.run(), simulation.pending, settled]).toEqual(['idle', 0, false])
  })

  test('that leads to something else is an error for who looks it up', async () => {
    const { here, names } = byName()
    names.set('service', 'slient' as never)
    const lookUp = here.network.resolve(QUERY)
    await expect(lookUp).rejects.toMatchObject({ reason: 'misuse', details: { name: 'service' } })
  })
})
