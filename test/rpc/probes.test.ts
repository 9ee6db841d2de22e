import { expect, it } from 'vitest'
import { Client, connectionClosed, connectionReady, Server } from '../../src/index.js'

it('tells who listens of every connection that gets ready, and why it closed', async () => {
  const ready: string[] = []
  const closed: string[] = []
  const stopReady = connectionReady.subscribe(({ peerId, state }) => ready.push(`${peerId} ${state}`))
  const stopClosed = connectionClosed.subscribe(({ connection, error }) =>
    closed.push(`${connection.peerId} ${error.reason}`),
  )
  const server = new Server({ id: 'the-server' })
  server.handle('echo', (value) => value)
  const { address } = await server.listen('tcp://127.0.0.1:0')
  const client = new Client(address, { id: 'the-client' })
  await client.call('echo', 1)
  await client.close()
  await server.close()
  stopReady()
  stopClosed()
  expect(ready.sort()).toEqual(['the-client ready', 'the-server ready'])
  expect(closed.map((line) => line.split(' ')[0]).sort()).toEqual(['the-client', 'the-server'])
  expect(connectionReady.active || connectionClosed.active).toBe(false)
})
