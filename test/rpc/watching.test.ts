import { expect, it } from 'vitest'
import { Client, type ConnectionChange, Server } from '../../src/index.js'
import { until } from '../fixtures/stage.js'

function recorder(changes: string[]): (change: ConnectionChange) => void {
  return ({ state, dialled, connection, reason }) => {
    changes.push(`${dialled ? 'dialled' : 'accepted'} ${state} ${connection?.peerId ?? '?'} ${reason?.reason ?? '-'}`)
  }
}

it('tells who watches of every state of every connection, and why it was left', async () => {
  const [ofClient, ofServer]: [string[], string[]] = [[], []]
  const server = new Server({ id: 'the-server' })
  server.handle('echo', (value) => value)
  const stop = server.watch(recorder(ofServer))
  const { address } = await server.listen('tcp://127.0.0.1:0')
  const client = new Client(address, { id: 'the-client', pool: { min: 0 } })
  client.watch(recorder(ofClient))
  expect(client.state).toBe('connecting')
  await client.call('echo', 1)
  expect(client.state).toBe('ready')
  const closing = client.close()
  expect(client.state).toBe('draining')
  await closing
  expect(client.state).toBe('closed')
  await server.close()
  stop()
  expect(ofClient).toEqual([
    'dialled connecting ? -',
    'dialled ready the-server -',
    'dialled draining the-server closed',
    'dialled closed the-server closed',
  ])
  expect(ofServer).toEqual([
    'accepted connecting ? -',
    'accepted ready the-client -',
    'accepted draining the-client closed',
    'accepted closed the-client connection-lost',
  ])
})

it('tells of attempts that came to nothing', async () => {
  const server = new Server()
  const { address } = await server.listen('tcp://127.0.0.1:0')
  await server.close()
  const client = new Client(address, { pool: { min: 0, max: 1 } })
  const changes: string[] = []
  client.watch(recorder(changes))
  await expect(client.call('echo', 1)).rejects.toMatchObject({ reason: 'connect-refused' })
  expect(changes).toEqual(['dialled connecting ? -', 'dialled closed ? connect-refused'])
  await client.close()
})

it('is told nothing after it has stopped watching', async () => {
  const server = new Server()
  server.handle('echo', (value) => value)
  const changes: string[] = []
  const stop = server.watch(recorder(changes))
  stop()
  const { address } = await server.listen('tcp://127.0.0.1:0')
  const client = new Client(address)
  await client.call('echo', 1)
  await client.close()
  await until(() => server.info().connections.length === 0)
  await server.close()
  expect(changes).toEqual([])
})
