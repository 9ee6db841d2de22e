import { randomBytes } from 'node:crypto'
import { Server, TransportError } from 'alys-transport'
import { BURN_MS, LARGE_BYTES, Overload, UNREAD_BYTES } from '../workloads/overload.js'
import { memory, serveOrders, tell } from './orders.js'

/** A server that is asked for more than it can do. */
const MANY = 4_096
const server = new Server({
  socket: { sendBufferBytes: 64 * 1024 },
  limits: {
    maxConnectionsPerPeer: MANY,
    maxHandshakes: MANY,
    maxHandshakesPerAddress: MANY,
    maxConnections: MANY,
    unreadSoftBytes: UNREAD_BYTES / 4,
    unreadHardBytes: UNREAD_BYTES,
  },
})
/** Nothing that compression could make small. */
const large = randomBytes(LARGE_BYTES)
let failed = 0
const lastServedAt = new Map<string, number>()
/** The longest from the last answer for a peer to the end of its connection. */
let cutMs = 0
server.watch(({ state, address: remote }) => {
  const servedAt = state === 'closed' ? lastServedAt.get(remote) : undefined
  if (servedAt !== undefined) cutMs = Math.max(cutMs, performance.now() - servedAt)
})
server.implement(Overload, {
  burn: (bytes) => {
    const endsAt = performance.now() + BURN_MS
    while (performance.now() < endsAt);
    return bytes
  },
  fail: () => {
    failed += 1
    throw new TransportError('always', { code: 'UNAVAILABLE', origin: 'user' })
  },
  large: (_, { peer }) => {
    lastServedAt.set(peer.address, performance.now())
    return Buffer.from(large)
  },
})
const { address } = await server.listen('tcp://127.0.0.1:0')

serveOrders((order) => {
  switch (order.order) {
    case 'memory':
      return memory()
    case 'received':
      return failed
    case 'cut':
      return cutMs
    case 'connections':
      return server.info().connections.length
    default:
      throw new Error(`a server under overload does not ${order.order}`)
  }
})
tell({ value: address })
