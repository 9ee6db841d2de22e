import { connect, type Socket } from 'node:net'
import { encodeHello, HEADER_BYTES, KIND, LENGTH_BYTES, preface } from 'alys-transport/wire'
import { Child } from '../harness/child.js'
import type { Memory } from '../harness/messages.js'
import { atLeast, atMost, reported } from '../report/criteria.js'
import type { Suite } from './suite.js'

const CONNECTIONS = 10_000
/** Dialled at once: within the default backlog of a listener. */
const AT_ONCE = 200
const KIB_PER_MB = 1_024

/** What an idle connection costs the server beyond a bare socket. */
export const memory: Suite = {
  name: 'memory',
  what: `${CONNECTIONS} idle connections, against bare sockets`,
  async run() {
    const bare = await kibPerConnection('bare')
    const alys = await kibPerConnection('alys')
    return [
      atLeast('idle connections held', alys.held, CONNECTIONS),
      reported('KiB of RSS per idle bare socket on the server', bare.kib),
      reported('KiB of RSS per idle connection on the server', alys.kib),
      atMost('KiB of RSS per idle connection over a bare socket', alys.kib - bare.kib, 10),
    ]
  },
}

async function kibPerConnection(kind: 'alys' | 'bare'): Promise<{ readonly kib: number; readonly held: number }> {
  const workload = { kind: 'echo', codec: 'msgpack', payloadBytes: 0, dataFolder: null } as const
  const server = new Child('idle-server', { subject: kind, workload, address: '' })
  const sockets: Socket[] = []
  try {
    const port = Number(await server.ready<string>())
    const before = await server.ask<Memory>({ order: 'memory' })
    while (sockets.length < CONNECTIONS) {
      sockets.push(...(await Promise.all(Array.from({ length: AT_ONCE }, () => open(port, kind === 'alys')))))
    }
    const after = await server.ask<Memory>({ order: 'memory' })
    const held = sockets.filter((socket) => !socket.destroyed).length
    return { kib: ((after.rssMb - before.rssMb) * KIB_PER_MB) / CONNECTIONS, held }
  } finally {
    for (const socket of sockets) socket.destroy()
    await server.stop()
  }
}

/** A connection that has said HELLO and heard one. The raw bytes keep the cost of a client out of this process. */
function open(port: number, greet: boolean): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port })
    socket.on('error', reject)
    if (greet) {
      socket.once('connect', () => socket.write(HELLO))
      socket.once('data', () => resolve(socket))
    } else socket.once('connect', () => resolve(socket))
  })
}

const HELLO = hello()

function hello(): Buffer {
  const fields = {
    peerId: 'bench',
    codecs: 0b111,
    compressions: 0b1,
    features: 0,
    maxFrameBytes: 2 ** 20,
    maxMessageBytes: 2 ** 22,
    maxOpenCalls: 1_024,
    maxMethods: 4_096,
    services: [],
    flow: null,
  }
  const body = Buffer.concat(encodeHello(fields, 4_000))
  const header = Buffer.alloc(HEADER_BYTES)
  header.writeUInt32LE(HEADER_BYTES - LENGTH_BYTES + body.length, 0)
  header.writeUInt8(KIND.HELLO, LENGTH_BYTES)
  return Buffer.concat([preface(), header, body])
}
