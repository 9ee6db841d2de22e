import { failure } from '../../src/base/errors.js'
import {
  Client,
  clientStream,
  defineService,
  duplex,
  oneWay,
  Server,
  serverStream,
  TransportError,
  unary,
} from '../../src/index.js'
import { protobuf } from '../../src/protobuf.js'
import type { ByteChannel } from '../../src/socket/channel.js'
import type { Network } from '../../src/socket/network.js'
import { FEATURE } from '../../src/wire/hello.js'
import { preface } from '../../src/wire/preface.js'
import { shapes } from '../fixtures/proto/shapes.js'
import { helloFrame, methodFrame } from '../fixtures/raw-peer.js'
import { MemoryChannel } from '../support/memory-channel.js'
import { VirtualClock } from '../support/virtual-clock.js'
import { hold, pieces } from './broken.js'

/** Small, so that short inputs reach them. */
const LIMITS = { maxFrameBytes: 16 * 1024, maxMessageBytes: 64 * 1024, maxOpenCalls: 4, maxStreams: 3, maxMethods: 16 }
const FLOW = { streamWindowBytes: 1_024, laneWindowBytes: 1_024 }
const PEER_FLOW = { maxStreams: 4, streamWindowBytes: 256, laneWindowBytes: 256 }

const Fuzzed = defineService('bad', {
  tree: unary({ request: protobuf(shapes.Tree), response: protobuf(shapes.Tree) }),
  note: oneWay<unknown>(),
  feed: clientStream<unknown, number>(),
  sync: duplex<unknown, unknown>(),
  list: serverStream<unknown, unknown>(),
})

const NAMES = ['echo', 'hold', 'bad.tree', 'bad.bytes', 'bad.note', 'bad.wait', 'bad.feed', 'bad.sync', 'bad.list']

function serve(server: Server): void {
  server.handle('echo', (request) => request)
  server.handle(
    'hold',
    (_, call) => new Promise<void>((resolve) => call.signal.addEventListener('abort', () => resolve())),
  )
  server.receive('bad.bytes', () => {})
  server.implement(Fuzzed, {
    tree: (tree) => tree,
    note: () => {},
    feed: async (notes) => {
      let count = 0
      for await (const _ of notes) count += 1
      return count
    },
    sync: (wants) => wants,
    list: async function* (request) {
      yield request
      yield request
    },
  })
}

/** One connection that is made by hand. */
class Line implements Network {
  readonly channel = new MemoryChannel()
  onChannel: (channel: ByteChannel) => void = () => {}
  #dials = 0

  /** There is one connection: whoever dials again finds nobody. */
  dial(): Promise<ByteChannel> {
    this.#dials += 1
    if (this.#dials > 1) return Promise.reject(failure('connect-refused', 'nobody listens'))
    return Promise.resolve(this.channel)
  }

  resolve(): Promise<never> {
    return Promise.reject(failure('resolve-failed', 'nobody knows any name'))
  }

  listen(...[address, , { onChannel }]: Parameters<Network['listen']>): ReturnType<Network['listen']> {
    this.onChannel = onChannel
    return Promise.resolve({ address, close: () => Promise.resolve() })
  }
}

/** More than any promise of the library needs to have its say. */
const ROUNDS = 20

async function settle(clock: VirtualClock): Promise<void> {
  for (let round = 0; round < ROUNDS; round += 1) {
    await Promise.resolve()
    if (round % 5 === 4) clock.turn()
  }
}

/** Everything a client can have open, of which the peer may say what it likes. */
function busy(client: Client): Promise<unknown>[] {
  const service = client.use(Fuzzed)
  const reading = async (): Promise<void> => {
    for await (const _ of service.list(1));
  }
  const talking = async (): Promise<void> => {
    for await (const _ of service.sync([1, 2, 3]));
  }
  const all = [
    client.call('echo', { a: 1 }),
    service.tree({}),
    service.note('note'),
    reading(),
    service.feed([1, Buffer.alloc(600), 2]),
    talking(),
  ]
  return all.map((one) => {
    return one.then(
      () => null,
      (error: unknown) => {
        if (!(error instanceof TransportError)) throw error
      },
    )
  })
}

const FLOWING = helloFrame({ compressions: 1, features: FEATURE.FLOW | FEATURE.PARTS, flow: PEER_FLOW })
const PLAIN = helloFrame({ compressions: 1 })

/**
 * A whole session with a peer that says these bytes. The bits of the first byte: our end is a client; the peer has said
 * a HELLO; which one; it has introduced methods; it ends its half. The second says how the bytes are split.
 */
export async function fuzz(input: Uint8Array): Promise<void> {
  const [mode = 0, split = 0] = input
  const clock = new VirtualClock({ turns: 'manual' })
  const line = new Line()
  const options = { id: 'ours', clock, network: line, limits: LIMITS, flow: FLOW }
  const { channel } = line
  let end: Client | Server
  let calls: Promise<unknown>[] = []
  if ((mode & 1) === 1) {
    end = new Client('tcp://127.0.0.1:1', { ...options, pool: { max: 1 } })
    calls = busy(end)
    await settle(clock)
  } else {
    end = new Server(options)
    serve(end)
    await end.listen('tcp://127.0.0.1:1')
    line.onChannel(channel)
  }
  if ((mode & 2) !== 0) channel.say(preface(), (mode & 4) === 0 ? FLOWING : PLAIN)
  if ((mode & 10) === 10) channel.say(...NAMES.map((name, index) => methodFrame(index + 1, name)))
  await settle(clock)
  for (const piece of pieces(Buffer.from(input.subarray(2)), split)) {
    channel.say(piece)
    if (channel.ended || channel.destroyed) break
  }
  await settle(clock)
  if (!channel.destroyed) channel.flush()
  await settle(clock)
  if ((mode & 16) !== 0) channel.halfClose()
  await settle(clock)
  channel.cut(null)
  await finish(end, calls, clock)
}

async function finish(end: Client | Server, calls: readonly Promise<unknown>[], clock: VirtualClock): Promise<void> {
  let open = 1 + calls.length
  const done = (): void => {
    open -= 1
  }
  const closing = end.close({ graceMs: 0 }).then(done)
  const settled = calls.map((call) => call.then(done))
  for (let round = 0; round < 50 && open > 0; round += 1) {
    clock.advance(2_000)
    await settle(clock)
  }
  hold(open === 0, `${open} of a close and ${calls.length} calls never settled`)
  await closing
  await Promise.all(settled)
  await settle(clock)
  const { connections, buffers } = end.info()
  hold(connections.length === 0, 'a connection is left')
  hold(buffers.current === 0, `${buffers.current} bytes are left`)
  hold(clock.timers === 0, `${clock.timers} timers are left`)
  const { handlersStarted, handlersFinished, callsStarted, callsSucceeded, callsFailed } = end.metrics()
  hold(handlersStarted === handlersFinished, `${handlersStarted} handlers started, ${handlersFinished} finished`)
  hold(callsStarted === callsSucceeded + callsFailed, 'a call settled twice, or never')
}
