import type { Socket } from 'node:net'
import { Child } from '../harness/child.js'
import type { Memory } from '../harness/messages.js'
import { rawDial } from '../harness/raw-dial.js'
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
      sockets.push(...(await Promise.all(Array.from({ length: AT_ONCE }, () => rawDial(port, kind === 'alys')))))
    }
    const after = await server.ask<Memory>({ order: 'memory' })
    const held = sockets.filter((socket) => !socket.destroyed).length
    return { kib: ((after.rssMb - before.rssMb) * KIB_PER_MB) / CONNECTIONS, held }
  } finally {
    for (const socket of sockets) socket.destroy()
    await server.stop()
  }
}
