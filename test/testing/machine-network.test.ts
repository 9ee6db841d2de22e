import { describe, expect, test } from 'vitest'
import { Client } from '../../src/rpc/client.js'
import { Server } from '../../src/rpc/server.js'
import { type ByteChannel, type ChannelReceiver, Simulation } from '../../src/testing.js'

/** Of a protocol that notes what it hears. */
function noting(heard: string[]): ChannelReceiver {
  return {
    onBytes: (bytes, length) => heard.push(bytes.toString('latin1', 0, length)),
    destination: () => null,
    onWritten: () => {},
    onEnd: () => heard.push('end'),
    onClosed: (error) => heard.push(error?.reason ?? 'closed'),
  }
}

/** Two machines, one of which keeps the channels that it is given. */
async function listening() {
  const simulation = new Simulation({ seed: 1 })
  const [here, there] = [simulation.boot('here'), simulation.boot('there')]
  const heardThere: string[] = []
  const accepted: ByteChannel[] = []
  const callbacks = {
    onChannel: (channel: ByteChannel) => {
      accepted.push(channel)
      channel.receive(noting(heardThere))
    },
    onAcceptFailed: () => {},
  }
  const listener = await there.network.listen('tcp://there:7', {}, callbacks)
  return { simulation, here, there, listener, callbacks, accepted, heardThere }
}

describe('the network of a machine', () => {
  test('takes addresses as text, and asks for no options', async () => {
    const { simulation, here, listener, accepted, heardThere } = await listening()
    const heard: string[] = []
    void here.network.dial('tcp://there:7').then((channel) => {
      channel.receive(noting(heard))
      channel.write(Buffer.from('ping'))
      channel.end()
    })
    await simulation.run()
    accepted[0]?.end()
    await listener.close()
    expect(await simulation.run()).toBe('idle')
    expect([heardThere, heard]).toEqual([
      ['ping', 'end', 'closed'],
      ['end', 'closed'],
    ])
    expect([simulation.network.connectionCount, simulation.network.listenerCount]).toEqual([0, 0])
  })

  test('has kernels that find out by themselves that an idle peer is gone, also where nobody said when', async () => {
    const { simulation, here, there } = await listening()
    const heard: string[] = []
    void here.network.dial('tcp://there:7', {}).then((channel) => channel.receive(noting(heard)))
    await simulation.run({ forMs: 100 })
    there.crash({ silent: true })
    simulation.boot('there')
    await simulation.run({ forMs: 29_999 })
    expect(heard).toEqual([])
    expect(await simulation.run({ forMs: 1 })).toBe('idle')
    expect(heard).toEqual(['connection-lost'])
  })

  test('judges the options of an address as those of a socket', async () => {
    const { here, there, callbacks } = await listening()
    const wrong = { keepAliveMs: -1 }
    const expected = { reason: 'option-range', details: { option: 'keepAliveMs' } }
    await expect(here.network.dial('tcp://there:7', wrong)).rejects.toMatchObject(expected)
    await expect(there.network.listen('tcp://there:8', wrong, callbacks)).rejects.toMatchObject(expected)
    await expect(here.network.dial('there:7')).rejects.toMatchObject({ reason: 'address-malformed' })
  })

  test('has no TLS: listening and dialling at tls:// fail and say so', async () => {
    const { simulation, here, there, callbacks } = await listening()
    const expected = { reason: 'misuse', message: expect.stringContaining('TLS is not simulated') }
    await expect(there.network.listen('tls://there:8', {}, callbacks)).rejects.toMatchObject(expected)
    await expect(here.network.dial('tls://there:7')).rejects.toMatchObject(expected)
    const worldOf = ({ clock, random, network }: typeof here) => ({ clock, random, network })
    const server = new Server(worldOf(there))
    await expect(server.listen('tls://there:8')).rejects.toMatchObject(expected)
    const client = new Client('tls://there:7', worldOf(here))
    const call = client.call('double', 1, { timeoutMs: 500 }).catch((error: unknown) => error)
    await simulation.run({ forMs: 1_000 })
    expect(await call).toMatchObject(expected)
    void client.close()
    void server.close()
    await simulation.run()
    expect([here.timers, there.timers, simulation.network.connectionCount]).toEqual([0, 0, 0])
  })
})
