import { connect, createServer, type ServerHttp2Session } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { payloadsOf } from '../workloads/workload.js'
import { checkBytes, pick, type Subject } from './subject.js'

const MAX_STREAMS = 65_536
/** Of the session: with the default of 64 KiB, calls of that size cost twice the processor time. */
const WINDOW_BYTES = 2 ** 24

/** node:http2 without anything on top: one session, one stream a call. */
export const http2: Subject = {
  name: 'http2',
  supports: (workload) => workload.kind === 'echo',
  serve() {
    const sessions = new Set<ServerHttp2Session>()
    const server = createServer({ settings: { maxConcurrentStreams: MAX_STREAMS, initialWindowSize: 2 ** 20 } })
    server.on('session', (session) => {
      session.setLocalWindowSize(WINDOW_BYTES)
      sessions.add(session)
      session.on('close', () => sessions.delete(session))
    })
    server.on('stream', (stream) => {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('error', () => stream.destroy())
      stream.on('end', () => {
        stream.respond({ ':status': 200 })
        stream.end(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks))
      })
    })
    return new Promise((resolve) => {
      server.listen(0, '127.0.0.1', () => {
        resolve({
          address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
          close: () => {
            for (const session of sessions) session.destroy()
            return new Promise((done) => server.close(() => done()))
          },
        })
      })
    })
  },
  async connect(address, workload) {
    const session = connect(address, {
      settings: { initialWindowSize: 2 ** 20 },
      peerMaxConcurrentStreams: MAX_STREAMS,
    })
    await new Promise((resolve, reject) => session.once('connect', resolve).once('error', reject))
    session.setLocalWindowSize(WINDOW_BYTES)
    const { bytes } = await payloadsOf(workload)
    return {
      call: (index) =>
        new Promise((resolve, reject) => {
          const stream = session.request({ ':method': 'POST', ':path': '/' })
          const chunks: Buffer[] = []
          stream.on('data', (chunk: Buffer) => chunks.push(chunk))
          stream.on('end', () => resolve(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)))
          stream.on('error', reject)
          stream.end(pick(bytes, index))
        }),
      check: (answer, index) => checkBytes(answer as Buffer, pick(bytes, index), index),
      close: async () => session.destroy(),
    }
  },
}
