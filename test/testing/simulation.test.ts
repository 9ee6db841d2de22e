import { describe, expect, test } from 'vitest'
import { Client } from '../../src/rpc/client.js'
import { Server } from '../../src/rpc/server.js'
import { type Machine, Simulation } from '../../src/testing.js'

function worldOf({ clock, random, network }: Machine) {
  return { clock, random, network }
}

/** A server on one machine that doubles numbers, and a client on another. */
function twoMachines(seed = 1) {
  const simulation = new Simulation({ seed })
  const [here, there] = [simulation.boot('here'), simulation.boot('there')]
  const server = new Server(worldOf(there))
  server.handle('double', (value) => Number(value) * 2)
  void server.listen('tcp://there:7000')
  const client = new Client('tcp://there:7000', worldOf(here))
  const outcomes: unknown[] = []
  const ask = (value: number, timeoutMs = 2_000): void => {
    client.call('double', value, { timeoutMs }).then(
      (answer) => outcomes.push(answer),
      ({ reason, processed }) => outcomes.push([reason, processed]),
    )
  }
  const askAt = (atMs: number, value: number): void => {
    here.clock.setTimer(() => ask(value), atMs)
  }
  return { simulation, here, there, server, client, outcomes, askAt }
}

describe('a simulation', () => {
  test('runs an event, its microtasks, the end of its turn, and then the next event', async () => {
    const simulation = new Simulation({ seed: 1 })
    const { clock } = simulation.boot('here')
    const order: string[] = []
    clock.setTimer(() => {
      clock.nextTurn(() => order.push('next turn'))
      clock.endOfTurn(() => order.push('end of turn'))
      void Promise.resolve().then(() => {
        order.push('microtask')
        clock.endOfTurn(() => order.push('end of turn, asked for in a microtask'))
      })
      order.push('event')
    }, 1)
    clock.setTimer(() => order.push('event of the same moment'), 1)
    expect(await simulation.run()).toBe('idle')
    expect(order).toEqual([
      'event',
      'microtask',
      'end of turn',
      'end of turn, asked for in a microtask',
      'event of the same moment',
      'next turn',
    ])
    expect(simulation.now).toBe(1)
  })

  test('stops when its time is over, and when it is told to', async () => {
    const simulation = new Simulation({ seed: 1 })
    const { clock } = simulation.boot('here')
    let ticks = 0
    const tick = (): void => {
      ticks += 1
      clock.setTimer(tick, 10)
    }
    tick()
    expect([await simulation.run({ forMs: 95 }), simulation.now, ticks]).toEqual(['time', 95, 10])
    expect([await simulation.run({ until: () => ticks === 15 }), simulation.now]).toEqual(['met', 140])
  })

  test('ends with what an event or an invariant throws', async () => {
    const simulation = new Simulation({ seed: 1 })
    simulation.after(5, () => {
      throw new Error('broken')
    })
    await expect(simulation.run()).rejects.toThrow('broken')
    simulation.onTurnEnd = () => {
      throw new Error('not as promised')
    }
    await expect(simulation.run()).rejects.toThrow('not as promised')
  })

  test('says so when time stands still for ever', async () => {
    const simulation = new Simulation({ seed: 1 })
    const { clock } = simulation.boot('here')
    const again = (): void => clock.nextTurn(again)
    again()
    await expect(simulation.run()).rejects.toMatchObject({ reason: 'misuse' })
  })

  test('has the same trace for the same seed, and another for another', async () => {
    const hashes: string[] = []
    for (const seed of [1, 1, 2]) {
      const { simulation, askAt } = twoMachines(seed)
      simulation.network.link('here', 'there').set({ jitterMs: 5, splitChance: 0.5 })
      for (let value = 0; value < 10; value += 1) askAt(value * 3, value)
      await simulation.run({ forMs: 1_000 })
      hashes.push(simulation.traceHash)
    }
    expect(hashes[1]).toBe(hashes[0])
    expect(hashes[2]).not.toBe(hashes[0])
  })

  test('has another trace where other values of the same length are carried', async () => {
    const hashOf = async (value: number): Promise<string> => {
      const { simulation, askAt } = twoMachines(1)
      askAt(0, value)
      await simulation.run({ forMs: 1_000 })
      return simulation.traceHash
    }
    expect(await hashOf(7)).toBe(await hashOf(7))
    expect(await hashOf(8)).not.toBe(await hashOf(7))
  })
})

describe('a machine', () => {
  test('that is frozen does late what was due, in order, and answers then', async () => {
    const { simulation, there, outcomes, askAt } = twoMachines()
    askAt(100, 1)
    simulation.after(50, () => there.freeze(500))
    await simulation.run({ forMs: 540 })
    expect(outcomes).toEqual([])
    await simulation.run({ forMs: 20 })
    expect(outcomes).toEqual([2])
  })

  test('that crashes is heard to, does nothing more, and can be started again', async () => {
    const { simulation, there, outcomes, askAt } = twoMachines()
    askAt(10, 1)
    simulation.after(100, () => there.crash())
    askAt(200, 2)
    await simulation.run({ forMs: 400 })
    expect(outcomes).toEqual([2, ['connect-refused', 'no']])
    expect(there.timers).toBe(0)
    expect(() => simulation.boot('here')).toThrow('running already')
    const again = new Server(worldOf(simulation.boot('there')))
    again.handle('double', (value) => value)
    void again.listen('tcp://there:7000')
    askAt(1_000, 3)
    await simulation.run({ forMs: 1_500 })
    expect(outcomes.at(-1)).toBe(3)
  })

  test('that loses power says nothing: its peers hear of it when it is back', async () => {
    const { simulation, there, client, outcomes, askAt } = twoMachines()
    askAt(10, 1)
    simulation.after(100, () => there.crash({ silent: true }))
    askAt(200, 2)
    await simulation.run({ forMs: 1_000 })
    expect([outcomes, client.info().pool.ready]).toEqual([[2], 1])
    simulation.boot('there')
    await simulation.run({ forMs: 100 })
    expect(outcomes[1]).toEqual(['connection-lost', 'maybe'])
  })
})

describe('a link', () => {
  test('that is stalled keeps what is sent until it is up again', async () => {
    const { simulation, outcomes, askAt } = twoMachines()
    const link = simulation.network.link('here', 'there')
    simulation.after(50, () => link.set({ state: 'stalled' }))
    askAt(100, 1)
    simulation.after(900, () => link.set({ state: 'up' }))
    await simulation.run({ forMs: 899 })
    expect(outcomes).toEqual([])
    await simulation.run({ forMs: 10 })
    expect(outcomes).toEqual([2])
  })

  test('that is a black hole loses what is sent, and with it the connection', async () => {
    const { simulation, outcomes, askAt } = twoMachines()
    const link = simulation.network.link('here', 'there')
    simulation.after(50, () => link.set({ state: 'black-hole' }))
    askAt(100, 1)
    simulation.after(900, () => link.heal())
    await simulation.run({ forMs: 899 })
    expect(outcomes).toEqual([])
    await simulation.run({ forMs: 10 })
    expect(outcomes).toEqual([['connection-lost', 'maybe']])
  })

  test.each([
    ['refused', 'connect-refused'],
    ['reset', 'connection-lost'],
  ] as const)('whose dials are %s fails them', async (dials, reason) => {
    const { simulation, outcomes, askAt } = twoMachines()
    simulation.network.link('here', 'there').set({ dials })
    askAt(10, 1)
    await simulation.run({ forMs: 500 })
    expect(outcomes).toEqual([[reason, 'no']])
  })
})

describe('the virtual network', () => {
  test('has one listener at an address, and none once its machine is gone', async () => {
    const { simulation, here, there } = twoMachines()
    await simulation.run({ forMs: 10 })
    const second = new Server(worldOf(there))
    await expect(second.listen('tcp://there:7000')).rejects.toMatchObject({ reason: 'address-in-use' })
    expect(await new Server(worldOf(here)).listen('tcp://here:0')).toMatchObject({ address: 'tcp://here:20002' })
    expect(simulation.network.listenerCount).toBe(2)
    there.crash()
    expect(simulation.network.listenerCount).toBe(1)
  })

  test('is empty after everybody has closed, and no timer is left', async () => {
    const { simulation, here, there, server, client, askAt } = twoMachines()
    askAt(10, 1)
    await simulation.run({ forMs: 100 })
    expect(simulation.network.connectionCount).toBe(1)
    here.clock.setTimer(() => void client.close().then(() => server.close()), 10)
    expect(await simulation.run()).toBe('idle')
    expect([simulation.network.connectionCount, simulation.network.listenerCount]).toEqual([0, 0])
    expect([here.timers, there.timers, simulation.pending]).toEqual([0, 0, 0])
  })
})
