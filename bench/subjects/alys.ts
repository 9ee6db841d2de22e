import {
  Client,
  type ClientOptions,
  defineService,
  oneWay,
  type Priority,
  raw,
  Server,
  type ServerOptions,
  serverStream,
  unary,
} from 'alys-transport'
import type { TransactionRecord } from '../workloads/traffic.js'
import { payloadsOf, type Workload } from '../workloads/workload.js'
import { type Connected, checkBytes, pick, RECEIPT_BYTES, type Serving, type Subject } from './subject.js'

const Bench = defineService('bench', {
  echo: unary({ request: raw(), response: raw() }),
  push: oneWay({ request: raw() }),
  flow: serverStream<number, Uint8Array>({ response: raw() }),
  ingest: unary<{ transaction: Uint8Array }, { hash: Uint8Array }>(),
  record: unary<TransactionRecord, TransactionRecord>(),
})

const CLOCK_EVERY = 64

/** The defaults, but for what the workload needs: one connection, and as many open calls as it keeps in flight. */
const limits = { maxOpenCalls: 32_768 }

export const alys: Subject = {
  name: 'alys',
  supports: () => true,
  serve: (workload) => serve(workload, 'tcp://127.0.0.1:0', {}),
  connect: (address, workload) => connect(address, workload, {}),
}

/** The same over TLS 1.3. What the client is to trust travels with the address. */
export const alysTls: Subject = {
  name: 'alys-tls',
  supports: () => true,
  async serve(workload) {
    const { ca, ...tls } = await identity()
    const { address, ...serving } = await serve(workload, 'tls://127.0.0.1:0', { tls })
    return { ...serving, address: `${address} ${Buffer.from(ca).toString('base64')}` }
  },
  connect(address, workload) {
    const [where = '', ca = ''] = address.split(' ')
    return connect(where, workload, { tls: { ca: Buffer.from(ca, 'base64') } })
  },
}

/** Made anew for each run, with what the tests make theirs with. */
async function identity(): Promise<{ readonly cert: string; readonly key: string; readonly ca: string }> {
  const fixture = new URL('../../../test/fixtures/certificates.mjs', import.meta.url).href
  const { Authority } = (await import(fixture)) as typeof import('../../test/fixtures/certificates.mjs')
  const authority = await Authority.make('bench')
  return { ...(await authority.issue({ ip: ['127.0.0.1'] })), ca: authority.pem }
}

async function serve(workload: Workload, where: string, options: ServerOptions): Promise<Serving> {
  const server = new Server({ limits, ...options })
  let received = 0
  server.implement(Bench, {
    echo: (bytes) => bytes,
    push: () => {
      received += 1
    },
    *flow(payloadBytes) {
      const message = Buffer.alloc(payloadBytes, 1)
      for (;;) yield message
    },
    ingest: ({ transaction }) => ({ hash: transaction.subarray(0, RECEIPT_BYTES) }),
    record: (record) => record,
  })
  if (isProtobuf(workload))
    server.implement((await import('./alys-protobuf.js')).Records, { record: (record) => record })
  const { address } = await server.listen(where)
  return { address, received: () => received, close: () => server.close() }
}

async function connect(address: string, workload: Workload, options: ClientOptions): Promise<Connected> {
  const client = new Client(address, { pool: { min: 1, max: 1 }, limits, ...options })
  const bench = client.use(Bench)
  await client.connect()
  const { bytes, records } = await payloadsOf(workload)
  const close = (): Promise<void> => client.close()
  if (workload.kind === 'record') {
    const echo = isProtobuf(workload) ? client.use((await import('./alys-protobuf.js')).Records).record : bench.record
    return {
      close,
      call: (index) => echo(pick(records, index)),
      check: (answer, index) => checkBytes((answer as TransactionRecord).hash, pick(records, index).hash, index),
    }
  }
  if (workload.kind === 'ingest') {
    return {
      close,
      call: (index) => bench.ingest({ transaction: pick(bytes, index) }),
      check: (answer, index) => {
        checkBytes((answer as { hash: Uint8Array }).hash, pick(bytes, index).subarray(0, RECEIPT_BYTES), index)
      },
    }
  }
  return {
    close,
    call: (index) => bench.echo(pick(bytes, index)),
    check: (answer, index) => checkBytes(answer as Uint8Array, pick(bytes, index), index),
    sendBurst: (from, count) => client.sendBatch('bench.push', burst(bytes, from, count)),
    async streamFor(ms) {
      const endsAt = performance.now() + ms
      let count = 0
      for await (const message of bench.flow(workload.payloadBytes)) {
        checkBytes(message, message, count)
        count += 1
        // Reading the clock for each message would cost a tenth of it.
        if (count % CLOCK_EVERY === 0 && performance.now() >= endsAt) break
      }
      return count
    },
  }
}

const PRIORITIES: readonly Priority[] = ['high', 'normal', 'low', 'bulk']

/** The same with a priority on each call: all in one lane, or spread over all of them. */
export const alysOneLane: Subject = { ...alys, name: 'alys-one-lane', connect: connectPrioritised(['normal'], false) }
export const alysFourLanes: Subject = {
  ...alys,
  name: 'alys-four-lanes',
  connect: connectPrioritised(PRIORITIES, false),
}

/** Calls of the highest lane alone, and beside as much bulk as the connection takes. */
export const alysHigh: Subject = { ...alys, name: 'alys-high', connect: connectPrioritised(['high'], false) }
export const alysHighUnderBulk: Subject = {
  ...alys,
  name: 'alys-high-under-bulk',
  connect: connectPrioritised(['high'], true),
}

function connectPrioritised(priorities: readonly Priority[], loaded: boolean): Subject['connect'] {
  const options = priorities.map((priority) => ({ priority }))
  return async (address, workload) => {
    const client = new Client(address, { pool: { min: 1, max: 1 }, limits })
    const bench = client.use(Bench)
    await client.connect()
    const { bytes } = await payloadsOf(workload)
    const connected: Connected = {
      close: () => client.close(),
      call: (index) => bench.echo(pick(bytes, index), pick(options, index)),
      check: (answer, index) => checkBytes(answer as Uint8Array, pick(bytes, index), index),
    }
    return loaded ? { ...connected, load: () => bulk(client) } : connected
  }
}

const BULK_BYTES = 16 * 1024
const BULK_BURST = 64

/** Sends bulk as fast as it is taken. Returns how to end that. */
function bulk(client: Client): () => Promise<void> {
  const bodies = Array.from({ length: BULK_BURST }, () => Buffer.alloc(BULK_BYTES, 1))
  let stopped = false
  const sending = (async () => {
    while (!stopped) await client.sendBatch('bench.push', bodies, { priority: 'bulk' })
  })()
  return () => {
    stopped = true
    return sending
  }
}

function* burst(list: readonly Uint8Array[], from: number, count: number): Generator<Uint8Array> {
  for (let index = from; index < from + count; index += 1) yield pick(list, index)
}

function isProtobuf({ kind, codec }: Workload): boolean {
  return kind === 'record' && codec === 'protobuf'
}
