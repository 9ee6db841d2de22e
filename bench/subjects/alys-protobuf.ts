import { defineService, unary } from 'alys-transport'
import { type ProtobufType, protobuf } from 'alys-transport/protobuf'
import { TransactionRecord as Generated } from '../workloads/record.generated.js'
import type { TransactionRecord } from '../workloads/traffic.js'

/** The generated class declares 64-bit integers as `number | Long`; those of the workload are numbers. */
const codec = protobuf(Generated as unknown as ProtobufType<TransactionRecord>)

/** Apart from the other methods, so that only the processes that measure protobuf load it. */
export const Records = defineService('records', { record: unary({ request: codec, response: codec }) })
