export type { Metrics } from './base/counters.js'
export { type Origin, type Processed, type Reason, type StatusCode, TransportError } from './base/errors.js'
export type { Codec } from './codec/codec.js'
export { msgpack } from './codec/msgpack.js'
export { raw } from './codec/raw.js'
export type { ConnectionChange } from './connection/connection-change.js'
export type { ConnectionFacts } from './connection/connection-facts.js'
export type { ConnectionState } from './connection/connection-state.js'
export type { CoalescerOptions } from './mailbox/coalescer.js'
export type { Priority } from './mailbox/lane.js'
export type { Overflow } from './mailbox/mailbox.js'
export type { LedgerFacts } from './memory/ledger.js'
export type { EndpointFacts, PoolFacts } from './pool/facts.js'
export { type BatchHandler, onBatch } from './rpc/batch-handler.js'
export { Client } from './rpc/client.js'
export type { ClientLease } from './rpc/client-lease.js'
export type { DuplexStream, ServerStream } from './rpc/client-stream.js'
export { type Closable, closeOnSignal, type SignalOptions } from './rpc/close-on-signal.js'
export type { ClientFacts, ServerFacts, SessionFacts } from './rpc/facts.js'
export type { HandlerOptions } from './rpc/handler-queue.js'
export type { MessageSource } from './rpc/message-writer.js'
export type { Metadata } from './rpc/metadata.js'
export type { Ack, CallOptions, ClientOptions, CloseOptions, SendOptions, ServerOptions } from './rpc/options.js'
export { Server } from './rpc/server.js'
export type { PeerFacts, ServerCall } from './rpc/server-call.js'
export {
  clientStream,
  defineService,
  duplex,
  type MethodCodecs,
  type OneWayMethod,
  oneWay,
  type Service,
  serverStream,
  type UnaryOptions,
  unary,
} from './rpc/service.js'
export type { ServiceClient, ServiceHandlers, ServiceOptions } from './rpc/service-types.js'
export type { StreamCall } from './rpc/stream-call.js'
export type { TlsRotation } from './socket/tls-options.js'
