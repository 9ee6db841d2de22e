import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { Latencies } from '../harness/latencies.js'
import type { Workload } from '../workloads/workload.js'

/**
 * What the socket and the event loop allow: a server that writes back each chunk as it comes, and a client that keeps
 * as many bytes in flight as the calls would have, and counts. No frames, no copies, no calls.
 */
export const FLOOR = 'floor'

/** A request of `alys`: 12 bytes of header, 4 of deadline, the payload. The floor moves as many both ways. */
const HEADER_BYTES = 16
const CHUNK_BYTES = 64 * 1024

export function floorFrameBytes({ payloadBytes }: Workload): number {
  return payloadBytes + HEADER_BYTES
}

export interface FloorServer {
  readonly address: string
  readonly close: () => Promise<void>
}

export function serveFloor({ kind }: Workload): Promise<FloorServer> {
  const sockets = new Set<Socket>()
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    if (kind === 'stream') pour(socket)
    else socket.on('data', (chunk) => socket.write(chunk))
  })
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      resolve({
        address: String((server.address() as AddressInfo).port),
        close: () => {
          for (const socket of sockets) socket.destroy()
          return new Promise((done) => server.close(() => done()))
        },
      })
    })
  })
}

export interface FloorClient {
  /**
   * Runs for `ms` with `frames` frames in flight. Resolves with the bytes that went there and back. With one frame in
   * flight its round trips are timed; with more there is nothing that begins and ends.
   */
  run(frames: number, ms: number, latencies: Latencies): Promise<number>
  close(): void
}

export async function connectFloor(address: string, workload: Workload): Promise<FloorClient> {
  const socket = connect({ host: '127.0.0.1', port: Number(address), noDelay: true })
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  const frameBytes = floorFrameBytes(workload)
  return {
    close: () => socket.destroy(),
    run(frames, ms, latencies) {
      if (workload.kind === 'stream') return drink(socket, ms)
      return bounce(socket, frames * frameBytes, ms, frames === 1 ? latencies : null)
    },
  }
}

/** Writes as fast as the socket takes it, in chunks of the size that is fastest. */
function pour(socket: Socket): void {
  const chunk = Buffer.alloc(CHUNK_BYTES, 1)
  const write = (): void => {
    while (socket.write(chunk));
  }
  socket.on('drain', write)
  write()
}

/** Reads for `ms`. Between runs nothing is read, so that the server waits. */
function drink(socket: Socket, ms: number): Promise<number> {
  return new Promise((resolve) => {
    const endsAt = performance.now() + ms
    let came = 0
    const onData = (chunk: Buffer): void => {
      came += chunk.length
      if (performance.now() < endsAt) return
      socket.off('data', onData)
      socket.pause()
      resolve(came)
    }
    socket.on('data', onData)
    socket.resume()
  })
}

/** Puts `inFlight` bytes on their way, sends on what comes back until time is up, and waits for the rest. */
function bounce(socket: Socket, inFlight: number, ms: number, latencies: Latencies | null): Promise<number> {
  return new Promise((resolve) => {
    const endsAt = performance.now() + ms
    let came = 0
    let out = inFlight
    let turnAt = inFlight
    let sentAt = performance.now()
    const onData = (chunk: Buffer): void => {
      came += chunk.length
      if (latencies !== null && came >= turnAt) {
        const now = performance.now()
        latencies.add(now - sentAt)
        sentAt = now
        turnAt += inFlight
      }
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
