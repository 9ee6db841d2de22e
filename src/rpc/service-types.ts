import type { BatchHandler } from './batch-handler.js'
import type { DuplexStream, ServerStream } from './client-stream.js'
import type { HandlerOptions } from './handler-queue.js'
import type { MessageSource } from './message-writer.js'
import type { CallOptions, SendOptions } from './options.js'
import type { ServerCall } from './server-call.js'
import type { Method, MethodKind, Methods } from './service.js'
import type { StreamCall } from './stream-call.js'

/** How a method of each kind is called. */
interface ClientFunctions<Request, Response> extends Record<MethodKind, unknown> {
  unary: (request: Request, options?: CallOptions) => Promise<Response>
  /** Leaving the loop over the stream cancels it. */
  serverStream: (request: Request, options?: CallOptions) => ServerStream<Response>
  /** Takes any iterable or async iterable, at the pace of the server. */
  clientStream: (requests: MessageSource<Request>, options?: CallOptions) => Promise<Response>
  /** Without an iterable, messages are written one by one. */
  duplex: (requests?: MessageSource<Request>, options?: CallOptions) => DuplexStream<Request, Response>
  oneWay: (message: Request, options?: SendOptions) => Promise<void>
}

/** What a streaming handler may return: what it streams, or nothing where it has used `call.write`. */
// biome-ignore lint/suspicious/noConfusingVoidType: a function without a `return` is one of those meant
type Stream<Response> = MessageSource<Response> | void
export type Streamed<Response> = Stream<Response> | PromiseLike<Stream<Response>>

/** How a method of each kind is served. */
interface HandlerFunctions<Request, Response> extends Record<MethodKind, unknown> {
  unary: (request: Request, call: ServerCall) => Response | PromiseLike<Response>
  serverStream: (request: Request, call: StreamCall<Response>) => Streamed<Response>
  clientStream: (
    requests: AsyncIterableIterator<Request, undefined>,
    call: ServerCall,
  ) => Response | PromiseLike<Response>
  duplex: (requests: AsyncIterableIterator<Request, undefined>, call: StreamCall<Response>) => Streamed<Response>
  oneWay: ((message: Request, call: ServerCall) => void | PromiseLike<void>) | BatchHandler<Request>
}

/** What `client.use` gives: every method of the contract as a function. */
export type ServiceClient<M extends Methods> = {
  readonly [K in keyof M as K extends string ? K : never]: M[K] extends Method<
    infer Request,
    infer Response,
    infer Kind
  >
    ? ClientFunctions<Request, Response>[Kind]
    : never
}

/** What `server.implement` takes: every method of the contract, as the user writes it. */
export type ServiceHandlers<M extends Methods> = {
  readonly [K in keyof M as K extends string ? K : never]: M[K] extends Method<
    infer Request,
    infer Response,
    infer Kind
  >
    ? HandlerFunctions<Request, Response>[Kind]
    : never
}

/** How much of each handler runs and waits, by the names of the methods. */
export type ServiceOptions<M extends Methods> = {
  readonly [K in keyof M as K extends string ? K : never]?: HandlerOptions
}
