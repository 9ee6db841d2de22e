import { expect } from 'vitest'
import {
  type Client,
  clientStream,
  defineService,
  duplex,
  type Metrics,
  oneWay,
  raw,
  type Server,
  type ServerCall,
  serverStream,
  unary,
} from '../../src/index.js'
import { protobuf } from '../../src/protobuf.js'
import { shapes } from '../fixtures/proto/shapes.js'
import { Stage, until } from '../fixtures/stage.js'
import { VirtualClock } from '../support/virtual-clock.js'
import type { Link } from './link.js'

/** Small, so that the cases at a limit and past it are small, too. */
export const LIMITS = {
  maxFrameBytes: 64 * 1024,
  maxMessageBytes: 128 * 1024,
  maxOpenCalls: 8,
  maxStreams: 4,
  maxMethods: 16,
  cancelBurst: 750,
  msgpackNodes: 1_000,
  msgpackKeys: 100,
} as const

export const FLOW = { streamWindowBytes: 2_048, laneWindowBytes: 4_096 } as const

/** A method of every shape and codec. */
export const Bad = defineService('bad', {
  tree: unary({ request: protobuf(shapes.Tree), response: protobuf(shapes.Tree) }),
  bytes: unary({ request: raw(), response: raw() }),
  note: oneWay<unknown>(),
  wait: oneWay<unknown>(),
  feed: clientStream<unknown, number>(),
  sync: duplex<unknown, unknown>(),
  list: serverStream<unknown, unknown>(),
})

/** The names that the hostile peer introduces, by their numbers. */
export const METHODS = {
  echo: [1, 'echo'],
  hold: [2, 'hold'],
  tree: [3, 'bad.tree'],
  bytes: [4, 'bad.bytes'],
  note: [5, 'bad.note'],
  wait: [6, 'bad.wait'],
  feed: [7, 'bad.feed'],
  sync: [8, 'bad.sync'],
  list: [9, 'bad.list'],
  nobody: [10, 'nobody'],
} as const

export type MethodName = keyof typeof METHODS

/** Resolves when nobody waits for the handler any more. */
function abandoned(call: ServerCall): Promise<void> {
  return new Promise((resolve) => call.signal.addEventListener('abort', () => resolve()))
}

function serve(server: Server): void {
  server.handle('echo', (request) => request)
  server.handle('hold', (_, call) => abandoned(call))
  server.implement(Bad, {
    tree: (tree) => tree,
    bytes: (bytes) => bytes,
    note: () => {},
    wait: (_, call) => abandoned(call),
    feed: async (notes) => {
      let count = 0
      for await (const _ of notes) count += 1
      return count
    },
    // It answers at the end alone: what is sent to it before waits for no answer.
    sync: async function* (wants, call) {
      call.trailers = { said: 'all' }
      for await (const want of wants) yield want
    },
    list: async function* (request, call) {
      yield request
      await abandoned(call)
    },
  })
}

/** The server that the cases attack one after the other, and a client of it in good faith. */
export class Target {
  readonly server: Server
  readonly address: string
  readonly #stage: Stage
  readonly #friend: Client

  private constructor(stage: Stage, server: Server, address: string, link: Link) {
    this.#stage = stage
    this.server = server
    this.address = address
    this.#friend = stage.client(address, { ...link.client, clock: new VirtualClock() })
  }

  static async start(link: Link): Promise<Target> {
    const stage = new Stage()
    const options = { ...link.server, limits: LIMITS, flow: FLOW, clock: new VirtualClock() }
    const { server, address } = await stage.listening(options, link.address)
    serve(server)
    const target = new Target(stage, server, address, link)
    await target.check()
    return target
  }

  metrics(): Metrics {
    return this.server.metrics()
  }

  /** Nobody is left but the friend, who noticed nothing. */
  async check(): Promise<void> {
    expect(await this.#friend.call('echo', 'still there')).toBe('still there')
    await until(() => this.server.info().connections.length === 1)
    const { connections, buffers } = this.server.info()
    expect(connections).toMatchObject([{ openCalls: 0, runningHandlers: 0, queuedBytes: 0 }])
    expect(buffers.current).toBe(0)
    expect(this.#friend.metrics()).toMatchObject({ dialsStarted: 1, callsFailed: 0 })
  }

  async close(): Promise<void> {
    await this.#stage.end()
  }
}
