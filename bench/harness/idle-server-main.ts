import { type AddressInfo, createServer, type Socket } from 'node:net'
import { Server } from 'alys-transport'
import { assignment, memory, serveOrders, tell } from './orders.js'

/** Holds connections that say HELLO and nothing else: with `alys`, or as bare sockets. */
const MANY = 65_536
const held: Socket[] = []

async function serve(kind: string): Promise<number> {
  if (kind === 'alys') {
    const server = new Server({
      limits: { maxConnections: MANY, maxConnectionsPerPeer: MANY, maxHandshakes: MANY, maxHandshakesPerAddress: MANY },
    })
    const { address } = await server.listen('tcp://127.0.0.1:0')
    return Number(new URL(address).port)
  }
  const server = createServer({ noDelay: true, keepAlive: true }, (socket) => {
    held.push(socket)
    socket.on('data', () => {})
    socket.on('error', () => socket.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', 511, resolve))
  return (server.address() as AddressInfo).port
}

serveOrders((order) => {
  if (order.order === 'memory') return memory()
  throw new Error(`an idle server does not ${order.order}`)
})
tell({ value: String(await serve(assignment().subject)) })
