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
/** From the last answer for a peer to the end of its connection, at most; and the same from the last for any of them. */
const cut = { oneMs: 0, allMs: 0 }
let anyServedAt = 0
server.watch(({ state, address: remote }) => {
  const servedAt = state === 'closed' ? lastServedAt.get(remote) : undefined
  if (servedAt === undefined) return
  const now = performance.now()
  cut.oneMs = Math.max(cut.oneMs, now - servedAt)
  cut.allMs = Math.max(cut.allMs, now - anyServedAt)
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
    anyServedAt = performance.now()
    lastServedAt.set(peer.address, anyServedAt)
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
      return cut
    case 'connections':
      return server.info().connections.length
    default:
      throw new Error(`a server under overload does not ${order.order}`)
  }
})
tell({ value: address })
