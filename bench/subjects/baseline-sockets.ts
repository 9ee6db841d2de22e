import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { payloadsOf } from '../workloads/workload.js'
import { readJson, receiptOf, toHex, writeJson } from './json-frames.js'
import { type Connected, pick, RECEIPT_BYTES, type Serving, type Subject } from './subject.js'

interface Message {
  readonly id: number
  readonly data: string
}

/** Both baselines talk to the same server: it answers each JSON frame with one. */
function serve(): Promise<Serving> {
  const sockets = new Set<Socket>()
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    readJson(socket, (value) => {
      const { id, data } = value as Message
      writeJson(socket, { id, data: receiptOf(data) })
    })
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

/** The answer is the first 32 bytes of what was sent, in hexadecimal. */
function checkReceipt(bytes: readonly Buffer[]): Connected['check'] {
  return (answer, index) => {
    if (answer !== receiptOf(toHex(pick(bytes, index).subarray(0, RECEIPT_BYTES))))
      throw new Error('an answer with other content')
  }
}

/** Baseline (a): a connection for each message. */
export const connectionPerMessage: Subject = {
  name: 'baseline-connection-per-message',
  supports: ({ kind }) => kind === 'ingest',
  serve,
  async connect(address, workload) {
    const { bytes } = await payloadsOf(workload)
    return {
      call: (index) =>
        new Promise((resolve, reject) => {
          const socket = connect({ host: '127.0.0.1', port: Number(address), noDelay: true })
          socket.on('error', reject)
          readJson(socket, (value) => {
            socket.destroy()
            resolve((value as Message).data)
          })
          writeJson(socket, { id: index, data: toHex(pick(bytes, index)) })
        }),
      check: checkReceipt(bytes),
      close: async () => {},
    }
  },
}

/** Baseline (b): one kept socket, length-prefixed JSON, a write per message, answers matched by id. */
export const keptJson: Subject = {
  name: 'baseline-kept-json',
  supports: ({ kind }) => kind === 'ingest',
  serve,
  async connect(address, workload) {
    const { bytes } = await payloadsOf(workload)
    const socket = connect({ host: '127.0.0.1', port: Number(address), noDelay: true })
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
    const pending = new Map<number, (data: string) => void>()
    let lastId = 0
    readJson(socket, (value) => {
      const { id, data } = value as Message
      const resolve = pending.get(id)
      pending.delete(id)
      resolve?.(data)
    })
    return {
      call: (index) =>
        new Promise((resolve) => {
          lastId += 1
          pending.set(lastId, resolve)
          writeJson(socket, { id: lastId, data: toHex(pick(bytes, index)) })
        }),
      check: checkReceipt(bytes),
      close: async () => {
        socket.destroy()
      },
    }
  },
}
