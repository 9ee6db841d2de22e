import { expectTypeOf, it } from 'vitest'
import {
  type CallOptions,
  type Client,
  defineService,
  oneWay,
  raw,
  type SendOptions,
  type Server,
  type ServerCall,
  type Service,
  type ServiceClient,
  type ServiceHandlers,
  unary,
} from '../../src/index.js'
import { protobuf } from '../../src/protobuf.js'
import { chain } from '../fixtures/proto/chain.js'

interface Transaction {
  readonly hash: Uint8Array
  readonly amount: number
}
interface Receipt {
  readonly block: number
}

const Chain = defineService('chain', {
  submit: unary<Transaction, Receipt>(),
  announce: oneWay<Uint8Array[]>(),
  bytes: unary({ request: raw(), response: raw() }),
  store: unary({ request: protobuf(chain.Block), response: protobuf(chain.TransactionRecord) }),
  mixed: unary<Transaction, Uint8Array>({ response: raw() }),
  notice: oneWay({ request: raw() }),
})

// Only looked at by the compiler: nothing here is called.
declare const client: Client
declare const server: Server
declare const tx: Transaction

type Functions = ServiceClient<typeof Chain>
type Handlers = ServiceHandlers<typeof Chain>

it('a client of a contract has its methods, with their requests and replies', () => {
  expectTypeOf<ReturnType<typeof client.use<typeof Chain>>>().toEqualTypeOf<Functions>()
  expectTypeOf<Functions['submit']>().toEqualTypeOf<(request: Transaction, options?: CallOptions) => Promise<Receipt>>()
  expectTypeOf<Functions['bytes']>().parameter(0).toEqualTypeOf<Uint8Array>()
  expectTypeOf<Functions['bytes']>().returns.resolves.toEqualTypeOf<Uint8Array>()
  expectTypeOf<Functions['store']>().parameter(0).toEqualTypeOf<chain.Block.$Properties>()
  expectTypeOf<Functions['store']>().returns.resolves.toEqualTypeOf<chain.TransactionRecord.$Properties>()
  expectTypeOf<Functions['mixed']>().returns.resolves.toEqualTypeOf<Uint8Array>()
})

it('a message without an answer has none', () => {
  expectTypeOf<Functions['announce']>().toEqualTypeOf<(message: Uint8Array[], options?: SendOptions) => Promise<void>>()
  expectTypeOf<Functions['notice']>().returns.resolves.toBeVoid()
  expectTypeOf<Handlers['announce']>().returns.toEqualTypeOf<void | PromiseLike<void>>()
})

it('handlers get the request and the call, and return the reply or a promise of it', () => {
  expectTypeOf<Handlers['submit']>().parameter(0).toEqualTypeOf<Transaction>()
  expectTypeOf<Handlers['submit']>().parameter(1).toEqualTypeOf<ServerCall>()
  expectTypeOf<Handlers['submit']>().returns.toEqualTypeOf<Receipt | PromiseLike<Receipt>>()
  expectTypeOf<ServerCall['signal']>().toEqualTypeOf<AbortSignal>()
  expectTypeOf<ServerCall['deadline']>().toEqualTypeOf<Date | undefined>()
  expectTypeOf<ServerCall['remainingMs']>().toBeNumber()
  expectTypeOf<ServerCall['metadata']>().toEqualTypeOf<Readonly<Record<string, string>>>()
  expectTypeOf<ServerCall['peer']['id']>().toBeString()
})

it('a contract keeps its type when it is handed on', () => {
  expectTypeOf(Chain).toExtend<Service>()
  const handOn = <S extends typeof Chain>(service: S): S => service
  expectTypeOf(handOn(Chain).submit.kind).toEqualTypeOf<'unary'>()
  expectTypeOf(Chain.announce.kind).toEqualTypeOf<'oneWay'>()
})

it('a loose call is of the type that is asked for, and unknown where none is', () => {
  expectTypeOf<typeof client.call<Receipt>>().returns.resolves.toEqualTypeOf<Receipt>()
  expectTypeOf<Client['call']>().returns.resolves.toBeUnknown()
  expectTypeOf<Client['send']>().returns.resolves.toBeVoid()
  expectTypeOf<Client['sendBatch']>().parameter(1).toEqualTypeOf<Iterable<unknown>>()
})

export async function rightUse(): Promise<void> {
  const functions = client.use(Chain)
  const receipt = await functions.submit(tx, { timeoutMs: 500, priority: 'high', metadata: { a: 'b' } })
  receipt.block.toFixed()
  await functions.announce([tx.hash], { priority: 'bulk' })
  server.implement(Chain, {
    submit: async (request, call) => ({ block: request.amount + call.remainingMs }),
    announce: (hashes) => void hashes.length,
    bytes: (bytes) => bytes.subarray(1),
    store: () => chain.TransactionRecord.create(),
    mixed: () => new Uint8Array(1),
    notice: async () => {},
  })
  server.handle('echo', (request, call) => [request, call.peer.id])
}

export async function wrongUse(): Promise<void> {
  const functions = client.use(Chain)
  // @ts-expect-error: no such method
  functions.submitted
  // @ts-expect-error: a request of another type
  await functions.submit({ hash: 'text', amount: 1 })
  // @ts-expect-error: a request with a field missing
  await functions.submit({ hash: tx.hash })
  // @ts-expect-error: no request
  await functions.submit()
  const receipt = await functions.submit(tx)
  // @ts-expect-error: no such field in the reply
  receipt.height
  // @ts-expect-error: a message has no reply
  const nothing: number = await functions.announce([])
  // @ts-expect-error: a message is accepted or processed
  await functions.announce([], { ack: 'read' })
  // @ts-expect-error: raw takes bytes
  await functions.bytes('text')
  // @ts-expect-error: a contract cannot be changed
  functions.submit = () => Promise.reject(nothing)
  // @ts-expect-error: what is used is a contract
  client.use({ submit: unary() })
}

export function wrongHandlers(): void {
  const Small = defineService('small', { get: unary<number, string>(), tell: oneWay<number>() })
  server.implement(Small, { get: (n) => n.toFixed(), tell: () => {} })
  // @ts-expect-error: a handler is missing
  server.implement(Small, { get: (n: number) => n.toFixed() })
  // @ts-expect-error: a handler too many, misspelt
  server.implement(Small, { get: (n: number) => n.toFixed(), tell: () => {}, tel: () => {} })
  // @ts-expect-error: a reply of another type
  server.implement(Small, { get: (n) => n, tell: () => {} })
  // @ts-expect-error: a promise of a reply of another type
  server.implement(Small, { get: async (n) => n, tell: () => {} })
  // @ts-expect-error: a handler for another request
  server.implement(Small, { get: (n: string) => n, tell: () => {} })
  // @ts-expect-error: the answer of a message
  server.implement(Small, { get: (n) => n.toFixed(), tell: (n: number): Promise<number> => Promise.resolve(n) })
  // @ts-expect-error: the type of a raw method is bytes
  unary<string, string>({ request: raw() })
  // @ts-expect-error: a message has no codec of its answer
  oneWay({ response: raw() })
  // @ts-expect-error: a method is made by unary or oneWay
  defineService('small', { get: () => {} })
}
