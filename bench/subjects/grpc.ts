import grpc from '@grpc/grpc-js'
import { TransactionRecord as ProtobufRecord } from '../workloads/record.generated.js'
import type { TransactionRecord } from '../workloads/traffic.js'
import { payloadsOf } from '../workloads/workload.js'
import { checkBytes, pick, RECEIPT_BYTES, type Subject } from './subject.js'

const identity = (bytes: Buffer): Buffer => bytes
const METHOD = { requestStream: false, responseStream: false }
const BYTES = {
  requestSerialize: identity,
  requestDeserialize: identity,
  responseSerialize: identity,
  responseDeserialize: identity,
}
const encode = (record: TransactionRecord): Buffer => ProtobufRecord.encode(record).finish() as Buffer
const decode = (bytes: Buffer): TransactionRecord => ProtobufRecord.decode(bytes) as unknown as TransactionRecord
const RECORD = {
  requestSerialize: encode,
  requestDeserialize: decode,
  responseSerialize: encode,
  responseDeserialize: decode,
}

const SERVICE = {
  echo: { path: '/bench/echo', ...METHOD, ...BYTES },
  ingest: { path: '/bench/ingest', ...METHOD, ...BYTES },
  record: { path: '/bench/record', ...METHOD, ...RECORD },
}

const OPTIONS = {
  'grpc.max_receive_message_length': 2 ** 26,
  'grpc.max_send_message_length': 2 ** 26,
  // A fifth less processor time for calls of 64 KiB than with the default.
  'grpc-node.flow_control_window': 2 ** 24,
}

/** One channel, and calls without metadata, interceptors or deadlines: nothing that it could be spared. */
export const grpcJs: Subject = {
  name: 'grpc-js',
  supports: (workload) => workload.kind !== 'one-way' && (workload.kind !== 'record' || workload.codec === 'protobuf'),
  async serve() {
    const server = new grpc.Server(OPTIONS)
    server.addService(SERVICE, {
      echo: (call: grpc.ServerUnaryCall<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) => done(null, call.request),
      ingest: (call: grpc.ServerUnaryCall<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) => {
        done(null, call.request.subarray(0, RECEIPT_BYTES))
      },
      record: (
        call: grpc.ServerUnaryCall<TransactionRecord, TransactionRecord>,
        done: grpc.sendUnaryData<TransactionRecord>,
      ) => done(null, call.request),
    })
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) => {
        if (error === null) resolve(bound)
        else reject(error)
      })
    })
    return {
      address: `127.0.0.1:${port}`,
      close: async () => server.forceShutdown(),
    }
  },
  async connect(address, workload) {
    const client = new grpc.Client(address, grpc.credentials.createInsecure(), OPTIONS)
    const { bytes, records } = await payloadsOf(workload)
    const unary = <T>(
      {
        path,
        requestSerialize,
        responseDeserialize,
      }: {
        readonly path: string
        readonly requestSerialize: (value: T) => Buffer
        readonly responseDeserialize: (bytes: Buffer) => T
      },
      request: T,
    ): Promise<T> =>
      new Promise((resolve, reject) => {
        client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, (error, answer) => {
          if (error === null && answer !== undefined) resolve(answer)
          else reject(error)
        })
      })
    return {
      call(index) {
        if (workload.kind === 'record') return unary(SERVICE.record, pick(records, index))
        return unary(workload.kind === 'echo' ? SERVICE.echo : SERVICE.ingest, pick(bytes, index))
      },
      check(answer, index) {
        if (workload.kind === 'record')
          return checkBytes((answer as TransactionRecord).hash, pick(records, index).hash, index)
        const payload = pick(bytes, index)
        return checkBytes(
          answer as Buffer,
          workload.kind === 'echo' ? payload : payload.subarray(0, RECEIPT_BYTES),
          index,
        )
      },
      close: async () => client.close(),
    }
  },
}
