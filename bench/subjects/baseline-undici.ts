import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Pool } from 'undici'
import { payloadsOf } from '../workloads/workload.js'
import { receiptOf, toHex } from './json-frames.js'
import { pick, RECEIPT_BYTES, type Subject } from './subject.js'

/** Of 16, 64 and 200 connections for 200 users, 64 carried the most calls here: 11.0k, 12.2k and 10.8k a second. */
const CONNECTIONS = 64

interface Request {
  readonly id: number
  readonly params: readonly [string]
}

interface Answer {
  readonly id: number
  readonly result: string
}

/** Baseline (c): JSON-RPC 2.0 over HTTP/1.1, a keep-alive pool of undici against node:http. */
export const undiciJsonRpc: Subject = {
  name: 'baseline-undici',
  supports: ({ kind }) => kind === 'ingest',
  serve() {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const { id, params } = JSON.parse(Buffer.concat(chunks).toString()) as Request
        const body = JSON.stringify({ jsonrpc: '2.0', id, result: receiptOf(params[0]) })
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) })
        response.end(body)
      })
    })
    server.keepAliveTimeout = 60_000
    return new Promise((resolve) => {
      server.listen(0, '127.0.0.1', () => {
        resolve({
          address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
          close: () => {
            server.closeAllConnections()
            return new Promise((done) => server.close(() => done()))
          },
        })
      })
    })
  },
  async connect(address, workload) {
    const pool = new Pool(address, { connections: CONNECTIONS, pipelining: 1 })
    const { bytes } = await payloadsOf(workload)
    const headers = { 'content-type': 'application/json' }
    return {
      async call(index) {
        const params = [toHex(pick(bytes, index))]
        const body = JSON.stringify({ jsonrpc: '2.0', id: index, method: 'eth_sendRawTransaction', params })
        const { body: answer } = await pool.request({ method: 'POST', path: '/', headers, body })
        return answer.json()
      },
      check(answer, index) {
        const expected = receiptOf(toHex(pick(bytes, index).subarray(0, RECEIPT_BYTES)))
        if ((answer as Answer).result !== expected) throw new Error('an answer with other content')
      },
      close: () => pool.destroy(),
    }
  },
}
