import { expect } from 'vitest'
import { failure, type TransportError } from '../../src/base/errors.js'
import { group, type InputOf } from '../../src/base/options.js'
import { seededRandom } from '../../src/base/random.js'
import type { Codec } from '../../src/codec/codec.js'
import { msgpack } from '../../src/codec/msgpack.js'
import { Connection } from '../../src/connection/connection.js'
import { createEnvironment, type Environment } from '../../src/connection/environment.js'
import { connectionRules } from '../../src/connection/options.js'
import {
  type CallOptions,
  clientStream,
  defineService,
  duplex,
  oneWay,
  type ServiceHandlers,
  serverStream,
  unary,
} from '../../src/index.js'
import { watchSignal } from '../../src/rpc/abort.js'
import { PendingCall } from '../../src/rpc/pending-call.js'
import { Registry } from '../../src/rpc/registry.js'
import type { Session } from '../../src/rpc/session.js'
import { SessionMaker } from '../../src/rpc/session-maker.js'
import { StreamOpener } from '../../src/rpc/stream-opener.js'
import { parseAddress } from '../../src/socket/address.js'
import type { ByteChannel } from '../../src/socket/channel.js'
import { type MemoryChannelOptions, memoryChannelPair } from '../../src/socket/memory-channel.js'
import { systemNetwork } from '../../src/socket/network.js'
import { TlsMaterial } from '../../src/socket/tls-material.js'
import { Authority } from '../fixtures/certificates.mjs'
import { turn, until } from '../fixtures/stage.js'
import { VirtualClock } from '../support/virtual-clock.js'

const rules = group(connectionRules)
export type EndOptions = InputOf<typeof rules>

const NORMAL = 1
const PATIENT_MS = 3_600_000
const packed = msgpack<unknown>()

/** What a codec of a user makes of these: an error that is none of ours, with a text that no peer may see. */
export const UNREADABLE = 'unreadable'
export const UNENCODABLE = 'unencodable'
export const SECRET = 'the text of a codec of the user'

const flaky: Codec<unknown> = {
  name: 'msgpack',
  schema: '',
  encode(value, out) {
    if (value === UNENCODABLE) throw new Error(SECRET)
    packed.encode(value, out)
  },
  decode(...bytes) {
    const value = packed.decode(...bytes)
    if (value === UNREADABLE) throw new Error(SECRET)
    return value
  },
}

const codecs = { request: flaky, response: flaky }

/** A method of every shape. */
export const Shapes = defineService('shapes', {
  unary: unary<unknown, unknown>(codecs),
  serverStream: serverStream<unknown, unknown>(codecs),
  clientStream: clientStream<unknown, unknown>(codecs),
  duplex: duplex<unknown, unknown>(codecs),
  oneWay: oneWay<unknown>(codecs),
  unserved: serverStream<unknown, unknown>(codecs),
})

export type Handlers = Omit<ServiceHandlers<typeof Shapes>, 'unserved'>

/** One of the two ends of a connection: it calls the other, and serves it. */
export class End {
  readonly environment: Environment
  readonly connection: Connection
  readonly channel: ByteChannel
  readonly streams: StreamOpener
  readonly #maker: SessionMaker
  #session: Session | null = null

  constructor(channel: ByteChannel, clock: VirtualClock, handlers: Handlers, options: EndOptions, dialled: boolean) {
    const peerId = dialled ? 'near' : 'far'
    const random = seededRandom(1)
    const nothing = (): void => {}
    const registry = new Registry()
    for (const shape of ['unary', 'serverStream', 'clientStream', 'duplex', 'oneWay'] as const) {
      registry.add(Shapes[shape], (value, call) => (handlers[shape] as (...given: unknown[]) => unknown)(value, call))
    }
    // Tests move time by minutes at once: only those of the heartbeat leave the peer the time to answer.
    const parsed = rules.parse({ heartbeat: { intervalMs: 0 }, ...options }, '')
    this.environment = createEnvironment({ clock, random, ...parsed, peerId })
    this.#maker = new SessionMaker(this.environment, registry, {
      onLeaving: nothing,
      onRoom: nothing,
      onFault: nothing,
    })
    this.channel = channel
    this.connection = new Connection(channel, this.environment, this.#maker, registry.services, 0, dialled)
    this.streams = new StreamOpener(this.environment, {
      metadata: () => null,
      keptBack: () => null,
      onStreamFailed: nothing,
      readyForStream: () => this.session,
      whenReady: () => Promise.reject(failure('misuse', 'there is one connection, and it is ready')),
    })
  }

  get ready(): boolean {
    return this.connection.state === 'ready'
  }

  get gone(): boolean {
    return this.connection.state === 'closed'
  }

  get session(): Session {
    if (this.#session === null) throw new Error('the connection is not ready')
    return this.#session
  }

  /** It is ready. */
  take(): void {
    this.#session = this.#maker.of(this.connection)
  }

  call(value: unknown, { timeoutMs = PATIENT_MS, signal }: CallOptions = {}): Promise<unknown> {
    const { counters, turns } = this.environment
    counters.callsStarted += 1
    return new Promise((resolve, reject) => {
      const pending = new PendingCall(Shapes.unary, turns.current(), timeoutMs, counters, resolve, reject)
      if (signal !== undefined && !watchSignal(pending, signal)) return
      this.session.caller.call(pending, value, NORMAL, null, timeoutMs)
    })
  }

  send(value: unknown): void {
    this.session.caller.send(Shapes.oneWay, value, NORMAL, null, false)
  }

  /** Every call has had its outcome, and every handler has settled. */
  get quiet(): boolean {
    const { handlersStarted, handlersFinished } = this.environment.counters
    const { openCalls, runningHandlers } = this.session.info()
    const open = openCalls + runningHandlers + this.connection.openStreams
    return open === 0 && handlersStarted === handlersFinished
  }

  /** Settled once each; and nothing is queued, grown, or counted as open. */
  expectQuiet(): void {
    const { callsStarted, callsSucceeded, callsFailed } = this.environment.counters
    expect(callsSucceeded + callsFailed).toBe(callsStarted)
    expect(this.session.info()).toMatchObject({ openCalls: 0, runningHandlers: 0 })
    const { openStreams, flow, streams } = this.connection
    expect({ openStreams, ours: streams?.ours, theirs: streams?.theirs }).toEqual({
      openStreams: 0,
      ours: 0,
      theirs: 0,
    })
    if (this.ready) expect(flow?.budget.left).toBe(this.environment.flow.windowBudgetBytes)
  }

  /** Not a timer, not a buffer. */
  expectNothingLeft(): void {
    const { wheel, chunks, carries, ledger } = this.environment
    const left = { armed: wheel.armed, chunks: chunks.borrowed, carries: carries.borrowed, held: ledger.current }
    expect(left).toEqual({ armed: 0, chunks: 0, carries: 0, held: 0 })
  }
}

export type Link = 'memory' | 'tcp' | 'tls'

/** Both ends of one connection, in one process and on one clock that stands still until the test moves it. */
export class TwoEnds {
  readonly clock: VirtualClock
  /** Dialled. */
  readonly near: End
  /** Accepted. */
  readonly far: End
  readonly #release: () => Promise<void>

  private constructor(clock: VirtualClock, near: End, far: End, release: () => Promise<void>) {
    this.clock = clock
    this.near = near
    this.far = far
    this.#release = release
  }

  static async make(
    link: Link,
    handlers: { readonly near: Handlers; readonly far: Handlers },
    options: EndOptions = {},
    memory: MemoryChannelOptions = {},
  ): Promise<TwoEnds> {
    const clock = new VirtualClock()
    const [channels, release] = link === 'memory' ? [memoryChannelPair(clock, memory), noop] : await socketPair(link)
    const near = new End(channels[0], clock, handlers.near, options, true)
    const far = new End(channels[1], clock, handlers.far, options, false)
    await until(() => near.ready && far.ready)
    for (const end of [near, far]) end.take()
    return new TwoEnds(clock, near, far, release)
  }

  /** Lets everything arrive that is on its way. */
  async settle(): Promise<void> {
    for (let turns = 0; turns < 20; turns += 1) await turn()
  }

  /** The connection is lost, for both. */
  cut(): void {
    this.near.channel.destroy()
    this.far.channel.destroy()
  }

  /** Waits until all is over on both sides, closes, and checks that nothing is left of anything. */
  async end(): Promise<void> {
    const { near, far } = this
    await until(() => near.quiet && far.quiet)
    await this.settle()
    for (const end of [near, far]) end.expectQuiet()
    const closing = [near.session.close(1_000), far.session.close(1_000)]
    await Promise.all(closing)
    await until(() => near.gone && far.gone)
    await this.#release()
    await turn()
    for (const end of [near, far]) end.expectNothingLeft()
    expect(this.clock.timers).toBe(0)
  }
}

async function noop(): Promise<void> {}

let material: TlsMaterial | undefined

/** Each end has to prove that it is `near` or `far`. One for all tests of a file. */
async function tlsMaterial(): Promise<TlsMaterial> {
  if (material !== undefined) return material
  const root = await Authority.make('root')
  material = new TlsMaterial({ ...(await root.issue({ dns: ['near', 'far'], ip: ['127.0.0.1'] })), ca: root.pem })
  return material
}

async function socketPair(link: 'tcp' | 'tls'): Promise<[[ByteChannel, ByteChannel], () => Promise<void>]> {
  const { socket } = rules.parse({}, '')
  const options = link === 'tls' ? { ...socket, tls: await tlsMaterial() } : socket
  const accepted: ByteChannel[] = []
  const listener = await systemNetwork.listen(parseAddress(`${link}://127.0.0.1:0`), options, {
    onChannel: (channel) => accepted.push(channel),
    onAcceptFailed: (error) => expect.unreachable(error.message),
  })
  const dialled = await systemNetwork.dial(listener.address, options, new AbortController().signal)
  await until(() => accepted.length === 1)
  return [[dialled, accepted[0] as ByteChannel], () => listener.close()]
}

/** The outcome of a promise: its value, or why it has none. */
export async function outcomeOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    return await promise
  } catch (error) {
    return error
  }
}

/** What a test compares of an error. */
export function briefly(outcome: unknown): unknown {
  if (!(outcome instanceof Error)) return outcome
  const { code, processed, reason, message } = outcome as TransportError
  return code === undefined ? message : { code, processed, reason }
}
