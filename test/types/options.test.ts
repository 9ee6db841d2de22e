import { expectTypeOf, it } from 'vitest'
import {
  type CallOptions,
  Client,
  type ClientOptions,
  type CloseOptions,
  type Metrics,
  type Origin,
  type Priority,
  type Processed,
  type Reason,
  Server,
  type ServerOptions,
  type StatusCode,
  TransportError,
} from '../../src/index.js'

it('a priority is one of four', () => {
  expectTypeOf<Priority>().toEqualTypeOf<'high' | 'normal' | 'low' | 'bulk'>()
  expectTypeOf<CallOptions['priority']>().toEqualTypeOf<Priority | undefined>()
})

it('an error says what is known of it', () => {
  const error = new TransportError('x', { code: 'NOT_FOUND', origin: 'user' })
  expectTypeOf(error.code).toEqualTypeOf<StatusCode>()
  expectTypeOf(error.origin).toEqualTypeOf<Origin>()
  expectTypeOf(error.processed).toEqualTypeOf<Processed>()
  expectTypeOf<Processed>().toEqualTypeOf<'no' | 'maybe' | 'yes'>()
  expectTypeOf(error.retryable).toBeBoolean()
  expectTypeOf(error.reason).toEqualTypeOf<Reason | undefined>()
})

it('metrics are numbers, one for each reason', () => {
  expectTypeOf<Metrics['callsStarted']>().toBeNumber()
  expectTypeOf<keyof Metrics['failures']>().toEqualTypeOf<Reason>()
})

it('options are the same on both sides, but for those that only a client has', () => {
  expectTypeOf<ClientOptions>().toExtend<ServerOptions>()
  expectTypeOf<Exclude<keyof ClientOptions, keyof ServerOptions>>().toEqualTypeOf<
    'pool' | 'timeoutMs' | 'retry' | 'throttle'
  >()
  expectTypeOf<CloseOptions>().toEqualTypeOf<{ readonly graceMs?: number }>()
})

export const right: readonly ClientOptions[] = [
  {},
  { timeoutMs: 5, pool: { min: 1, max: 2, idleTimeoutMs: 10 } },
  { socket: { noDelay: false, keepAliveMs: 0, sendBufferBytes: 65_536, receiveBufferBytes: 65_536 } },
  { compression: { algorithm: 'none', thresholdBytes: 0, mode: 'always' }, batch: { maxDelayMs: 1 } },
  { limits: { maxFrameBytes: 1_024 }, id: 'me', pool: undefined },
]

export function wrongUse(server: Server, client: Client): void {
  // @ts-expect-error: no such option
  new Client('unix:/x', { timeoutMS: 5 })
  // @ts-expect-error: no such group
  new Server({ sockets: {} })
  // @ts-expect-error: only clients have a pool
  new Server({ pool: { max: 2 } })
  // @ts-expect-error: no such option in the group
  new Client('unix:/x', { pool: { maximum: 2 } })
  // @ts-expect-error: no such limit
  new Server({ limits: { maxFrameByte: 1 } })
  // @ts-expect-error: a number
  new Server({ limits: { maxFrameBytes: '1' } })
  // @ts-expect-error: no such algorithm
  new Server({ compression: { algorithm: 'zstd' } })
  // @ts-expect-error: true or false
  new Server({ socket: { noDelay: 'yes' } })
  // @ts-expect-error: an address is text
  new Client(7000)
  // @ts-expect-error: a client needs an address
  new Client()
  // @ts-expect-error: one of four priorities
  void client.call('x', 1, { priority: 'urgent' })
  // @ts-expect-error: no such option of a call
  void client.call('x', 1, { timeout: 5 })
  // @ts-expect-error: metadata is text
  void client.call('x', 1, { metadata: { count: 1 } })
  // @ts-expect-error: a batch is many
  void client.sendBatch('x', 1)
  // @ts-expect-error: no such option of close
  void server.close({ grace: 1 })
  // @ts-expect-error: no such status
  new TransportError('x', { code: 'NOT_THERE', origin: 'user' })
  // @ts-expect-error: what is known of an error does not change
  new TransportError('x', { code: 'NOT_FOUND', origin: 'user' }).code = 'INTERNAL'
}
