import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { Workload } from '../workloads/workload.js'

/**
 * What the socket and the event loop allow: a server that writes back each chunk as it comes, and a client that keeps
 * as many bytes in flight as the calls would have, and counts. No frames, no copies, no calls.
 */
export const FLOOR = 'floor'

/** A request of `alys`: 12 bytes of header, 4 of deadline, the payload. The floor moves as many both ways. */
const HEADER_BYTES = 16
const ONE_WAY_HEADER_BYTES = 4
const CHUNK_BYTES = 64 * 1024

export function floorFrameBytes({ kind, payloadBytes }: Workload): number {
  return payloadBytes + (kind === 'one-way' ? ONE_WAY_HEADER_BYTES : HEADER_BYTES)
}

export interface FloorServer {
  readonly address: string
  readonly received: () => number
  readonly close: () => Promise<void>
}

/** For a one-way workload the bytes are counted and not written back. */
export function serveFloor(workload: Workload): Promise<FloorServer> {
  const sockets = new Set<Socket>()
  let received = 0
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    socket.on('data', (chunk) => {
      received += chunk.length
      if (workload.kind !== 'one-way') socket.write(chunk)
    })
  })
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      resolve({
        address: String((server.address() as AddressInfo).port),
        received: () => received,
        close: () => {
          for (const socket of sockets) socket.destroy()
          return new Promise((done) => server.close(() => done()))
        },
      })
    })
  })
}

export interface FloorClient {
  /** Runs for `ms` with `frames` frames in flight. Resolves with the bytes that went there and back. */
  run(frames: number, ms: number): Promise<number>
  close(): void
}

export async function connectFloor(address: string, workload: Workload): Promise<FloorClient> {
  const socket = connect({ host: '127.0.0.1', port: Number(address), noDelay: true })
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  const frameBytes = floorFrameBytes(workload)
  return {
    close: () => socket.destroy(),
    run: (frames, ms) => (workload.kind === 'one-way' ? push(socket, ms) : bounce(socket, frames * frameBytes, ms)),
  }
}

/** Puts `inFlight` bytes on their way, sends on what comes back until time is up, and waits for the rest. */
function bounce(socket: Socket, inFlight: number, ms: number): Promise<number> {
  return new Promise((resolve) => {
    const endsAt = performance.now() + ms
    let came = 0
    let out = inFlight
    const onData = (chunk: Buffer): void => {
      came += chunk.length
      if (performance.now() < endsAt) {
        socket.write(chunk)
        return
      }
      out -= chunk.length
      if (out > 0) return
      socket.off('data', onData)
      resolve(came)
    }
    socket.on('data', onData)
    for (let left = inFlight; left > 0; left -= CHUNK_BYTES) socket.write(Buffer.alloc(Math.min(left, CHUNK_BYTES), 1))
  })
}

function push(socket: Socket, ms: number): Promise<number> {
  return new Promise((resolve) => {
    const chunk = Buffer.alloc(CHUNK_BYTES, 1)
    const endsAt = performance.now() + ms
    let sent = 0
    const more = (): void => {
      while (performance.now() < endsAt) {
        sent += chunk.length
        if (!socket.write(chunk)) {
          socket.once('drain', more)
          return
        }
      }
      resolve(sent)
    }
    more()
  })
}
