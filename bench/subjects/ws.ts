import type { AddressInfo } from 'node:net'
import { Packr, Unpackr } from 'msgpackr'
import { WebSocket, WebSocketServer } from 'ws'
import { payloadsOf, type Workload } from '../workloads/workload.js'
import { checkBytes, pick, RECEIPT_BYTES, type Subject } from './subject.js'

const ID_BYTES = 4
const packr = new Packr({ useRecords: false })
const unpackr = new Unpackr({ useRecords: false })

/** A WebSocket whose socket gathers what a turn sends into one write. ws exposes its socket as `_socket`. */
interface Corkable {
  readonly _socket: { cork(): void; uncork(): void }
}

/** Sends at once, or corked until the end of the turn: the strongest a WebSocket gets in Node. */
function sender(socket: WebSocket, corked: boolean): (data: Uint8Array) => void {
  const options = { binary: true, compress: false }
  if (!corked) return (data) => socket.send(data, options)
  let open = false
  const tcp = (socket as unknown as Corkable)._socket
  const uncork = (): void => {
    open = false
    tcp.uncork()
  }
  return (data) => {
    if (!open) {
      open = true
      tcp.cork()
      // From a microtask a tick runs once the microtasks are done: the end of the turn.
      queueMicrotask(() => process.nextTick(uncork))
    }
    socket.send(data, options)
  }
}

/** The id in front, then the payload as it is or as msgpack. */
function frame(id: number, payload: Uint8Array): Buffer {
  const data = Buffer.allocUnsafe(ID_BYTES + payload.length)
  data.writeUInt32LE(id, 0)
  data.set(payload, ID_BYTES)
  return data
}

function serveOne(socket: WebSocket, workload: Workload, corked: boolean, count: () => void): void {
  const send = sender(socket, corked)
  socket.on('message', (data: Buffer) => {
    if (workload.kind === 'one-way') count()
    else if (workload.kind === 'echo') send(data)
    else {
      const value = unpackr.unpack(data.subarray(ID_BYTES)) as { transaction: Uint8Array }
      const answer = workload.kind === 'record' ? value : { hash: value.transaction.subarray(0, RECEIPT_BYTES) }
      send(frame(data.readUInt32LE(0), packr.pack(answer)))
    }
  })
}

function wsSubject(name: string, corked: boolean): Subject {
  return {
    name,
    supports: (workload) => workload.kind !== 'record' || workload.codec === 'msgpack',
    serve(workload) {
      return new Promise((resolve) => {
        const server = new WebSocketServer(
          { host: '127.0.0.1', port: 0, perMessageDeflate: false, skipUTF8Validation: true, maxPayload: 2 ** 26 },
          () => {
            const address = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`
            resolve({
              address,
              received: () => received,
              close: () => new Promise((done) => server.close(() => done())),
            })
          },
        )
        let received = 0
        server.on('connection', (socket) => serveOne(socket, workload, corked, () => (received += 1)))
      })
    },
    async connect(address, workload) {
      const socket = new WebSocket(address, { perMessageDeflate: false, skipUTF8Validation: true, maxPayload: 2 ** 26 })
      await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
      const send = sender(socket, corked)
      const { bytes, records } = await payloadsOf(workload)
      const pending = new Map<number, (answer: Buffer) => void>()
      let lastId = 0
      socket.on('message', (data: Buffer) => {
        const id = data.readUInt32LE(0)
        const resolve = pending.get(id)
        pending.delete(id)
        resolve?.(data.subarray(ID_BYTES))
      })
      const exchange = (payload: Uint8Array): Promise<Buffer> =>
        new Promise((resolve) => {
          lastId = (lastId + 1) >>> 0
          pending.set(lastId, resolve)
          send(frame(lastId, payload))
        })
      return {
        call(index) {
          if (workload.kind === 'echo') return exchange(pick(bytes, index))
          const value = workload.kind === 'record' ? pick(records, index) : { transaction: pick(bytes, index) }
          return exchange(packr.pack(value))
        },
        check(answer, index) {
          if (workload.kind === 'echo') return checkBytes(answer as Buffer, pick(bytes, index), index)
          const { hash } = unpackr.unpack(answer as Buffer) as { hash: Uint8Array }
          const expected =
            workload.kind === 'record' ? pick(records, index).hash : pick(bytes, index).subarray(0, RECEIPT_BYTES)
          return checkBytes(hash, expected, index)
        },
        async sendBurst(from, count) {
          for (let index = from; index < from + count; index += 1) {
            send(frame(index >>> 0, pick(bytes, index)))
            if (socket.bufferedAmount >= HELD_BYTES) await drained(socket)
          }
        },
        close: async () => {
          socket.terminate()
        },
      }
    },
  }
}

function drained(socket: WebSocket): Promise<unknown> {
  return new Promise((resolve) =>
    (socket as unknown as { _socket: NodeJS.EventEmitter })._socket.once('drain', resolve),
  )
}

/** A sender waits for the socket from this much on. */
const HELD_BYTES = 1 << 20

export const ws = wsSubject('ws', false)
export const wsCorked = wsSubject('ws-corked', true)
