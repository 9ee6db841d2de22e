import { expect } from 'vitest'
import type { LimitName } from '../../src/connection/limits.js'
import {
  type Client,
  type ClientOptions,
  type Codec,
  clientStream,
  defineService,
  type MessageSource,
  type Metrics,
  oneWay,
  type Server,
  TransportError,
  unary,
} from '../../src/index.js'
import { protobuf } from '../../src/protobuf.js'
import { FLAG, KIND } from '../../src/wire/frame.js'
import type { HelloFields } from '../../src/wire/hello.js'
import { shapes } from '../fixtures/proto/shapes.js'
import {
  type Frame,
  faultOf,
  frame,
  MSGPACK,
  methodFrame,
  packed,
  type RawPeer,
  type RawServer,
  u32,
} from '../fixtures/raw-peer.js'
import { type Stage, turn, until } from '../fixtures/stage.js'
import { VirtualClock } from '../support/virtual-clock.js'

export const KiB = 1024
export const MiB = 1024 * KiB
export const PROTOBUF = 2

/** Which end of ours holds the limit: the other one is hostile. `own`: the limit is on what our own user does. */
export type Role = 'server' | 'client' | 'own'

/** One way to reach a limit. */
export interface Case {
  readonly role: Role
  /** What is small here: the limit of the row, and what else must give way for it to be reached. */
  readonly limits: Partial<Record<LimitName, number>>
  readonly options?: Omit<ClientOptions, 'limits' | 'clock'>
  readonly hello?: Partial<HelloFields>
  /** No connection is made before: the case makes its own. */
  readonly bare?: boolean
  /** The counter, where it is not the row's; null for what our own user is told, which is nobody's to count. */
  readonly metric?: string | null
  /** As much as the limit allows. Nothing is counted. */
  readonly at: (subject: Subject) => Promise<void>
  /** One more. It is counted, and has the consequence that is checked here. */
  readonly past: (subject: Subject) => Promise<void>
}

export type Table = Partial<Record<LimitName, readonly Case[]>>

/** A contract with every codec that has limits, and a way to do things in a handler. */
const Shapes = defineService('shapes', {
  tree: unary({ request: protobuf(shapes.Tree), response: protobuf(shapes.Tree) }),
  note: oneWay<unknown>(),
  feed: clientStream<unknown, number>(),
})

const METHODS = { take: 1, tree: 2, note: 3, give: 4, hold: 5, nobody: 6, feed: 7 } as const

/** An end of ours under a limit, and the hostile peer that it talks to. */
export class Subject {
  readonly stage: Stage
  readonly role: Role
  readonly clock: VirtualClock
  /** What the handler `give` returns. */
  gift: unknown = null
  /** Runs in the handler `note`. */
  onNote: (note: unknown) => unknown = () => {}
  /** Runs when an answer of `tick` is decoded. */
  onDecode: () => void = () => {}
  readonly held: (() => void)[] = []
  address = ''
  #raw: RawServer | null = null
  readonly #end: { server: Server } | { client: Client }
  #peer: RawPeer | null = null
  #lastId = 0

  private constructor(stage: Stage, role: Role, end: { server: Server } | { client: Client }, clock: VirtualClock) {
    this.stage = stage
    this.role = role
    this.#end = end
    this.clock = clock
  }

  static async create(stage: Stage, { role, limits, options, hello, bare }: Case): Promise<Subject> {
    const clock = new VirtualClock()
    const all = { ...options, limits, clock }
    if (role === 'server') {
      const server = stage.server(all)
      const subject = new Subject(stage, role, { server }, clock)
      subject.#serve(server)
      subject.address = (await server.listen('tcp://127.0.0.1:0')).address
      if (bare !== true) await subject.greet(hello)
      return subject
    }
    const raw = await stage.rawServer()
    const client = stage.client(raw.address, all)
    const subject = new Subject(stage, role, { client }, clock)
    client.use(Shapes)
    subject.address = raw.address
    subject.#raw = raw
    subject.#peer = await raw.accept()
    if (bare === true) return subject
    subject.peer.hello({ compressions: 1, ...hello })
    await subject.peer.nextOf(KIND.HELLO)
    await client.connect()
    return subject
  }

  get peer(): RawPeer {
    if (this.#peer === null) throw new Error('there is no peer')
    return this.#peer
  }

  get client(): Client {
    if ('client' in this.#end) return this.#end.client
    throw new Error('the subject is a server')
  }

  metrics(): Metrics {
    return 'client' in this.#end ? this.#end.client.metrics() : this.#end.server.metrics()
  }

  /** The connections of our end. */
  connections() {
    const { connections } = 'client' in this.#end ? this.#end.client.info() : this.#end.server.info()
    return connections
  }

  get queuedBytes(): number {
    return this.connections()[0]?.queuedBytes ?? 0
  }

  /** Another connection to our server, without a word. */
  dial(): Promise<RawPeer> {
    return this.stage.dial(this.address)
  }

  /** A connection to our server with both HELLOs, and the names of its methods. */
  async greet(hello: Partial<HelloFields> = {}): Promise<RawPeer> {
    const peer = await this.dial()
    peer.hello({ compressions: 1, ...hello })
    await peer.nextOf(KIND.HELLO)
    const names = ['take', 'shapes.tree', 'shapes.note', 'give', 'hold', 'nobody', 'shapes.feed']
    peer.write(...names.map((name, index) => methodFrame(index + 1, name)))
    if (this.#peer === null) {
      this.#peer = peer
      // The answer says that the names have arrived, so that what is counted from here on is the test's.
      peer.write(this.call('take'))
      await peer.nextOf(KIND.ANSWER)
    }
    return peer
  }

  /** A fresh connection without a word: the hostile peer dials our server, or has our client dial it again. */
  async reconnect(): Promise<RawPeer> {
    if (this.#raw === null) {
      this.#peer = await this.dial()
      return this.#peer
    }
    let next: RawPeer | null = null
    void this.#raw.accept().then((peer) => {
      next = peer
    })
    this.peer.destroy()
    await until(() => {
      this.clock.advance(50)
      return next !== null
    })
    this.#peer = next
    return this.peer
  }

  /** The next id of a call that the hostile client makes. */
  nextId(): number {
    this.#lastId += 1
    return this.#lastId
  }

  /** A CALL of one of our server's methods. */
  call(method: keyof typeof METHODS, body: Buffer = packed(null), flags = MSGPACK, timeoutMs = 0): Buffer {
    const id = this.nextId()
    return frame(KIND.CALL, { flags, aux: METHODS[method], id, body: Buffer.concat([u32(timeoutMs), body]) })
  }

  /** A STREAM_OPEN of our server's `feed`. */
  feed(id: number): Buffer {
    return frame(KIND.STREAM_OPEN, { flags: MSGPACK, aux: METHODS.feed, id, body: u32(0) })
  }

  /** A stream that our client feeds from a source, and what became of it. */
  feeding(source: MessageSource<unknown>): Promise<unknown> {
    const answer = this.client.use(Shapes).feed(source)
    return answer.catch((error: unknown) => (error instanceof TransportError ? error.reason : error))
  }

  note(body: Buffer, flags = MSGPACK): Buffer {
    return frame(KIND.ONE_WAY, { flags, aux: METHODS.note, body })
  }

  /** Has our end decode a payload: of a call, or of an answer. Tells the reason for which it was refused, or null. */
  async deliver(payload: Buffer, flags = MSGPACK): Promise<string | null> {
    const method = (flags & FLAG.CODEC_MASK) === PROTOBUF ? 'tree' : 'take'
    if (this.role === 'server') {
      this.peer.write(this.call(method, payload, flags))
      const answer = await this.#reply()
      return answer.kind === KIND.ANSWER ? null : faultOf(answer).reason
    }
    const call = this.client.call(method === 'tree' ? 'shapes.tree' : 'take', method === 'tree' ? {} : null)
    const outcome = call.then(
      () => null,
      (error: unknown) => (error instanceof TransportError ? (error.reason ?? error.code) : String(error)),
    )
    const { id } = await this.peer.nextOf(KIND.CALL)
    this.peer.write(frame(KIND.ANSWER, { flags, id, body: payload }))
    return outcome
  }

  /** Has our client get so many answers in one write. */
  async tick(count: number): Promise<void> {
    const decoding: Codec<null> = {
      name: 'raw',
      schema: 'tick',
      encode: () => {},
      decode: () => {
        this.onDecode()
        return null
      },
    }
    const ticking = this.client.use(defineService('ticking', { tick: unary({ response: decoding }) }))
    const calls = Array.from({ length: count }, () => ticking.tick(null))
    const frames: Buffer[] = []
    while (frames.length < count) frames.push(frame(KIND.ANSWER, { id: (await this.peer.nextOf(KIND.CALL)).id }))
    this.peer.write(...frames)
    await Promise.all(calls)
  }

  /** The connection goes on: a ping comes back. */
  async alive(peer = this.peer): Promise<void> {
    peer.write(frame(KIND.PING, { id: 77 }))
    const pong = await peer.nextOf(KIND.PONG)
    expect(pong.id).toBe(77)
  }

  /** The connection is ended by name, and the peer is told. */
  async cut(reason: string, peer = this.peer): Promise<void> {
    const notice = await peer.nextOf(KIND.GO_AWAY)
    expect(faultOf(notice).reason).toBe(reason)
    peer.socket.end()
    await this.gone(peer)
  }

  /** The connection is gone. */
  async gone(peer = this.peer): Promise<void> {
    peer.socket.resume()
    await until(() => peer.gone)
  }

  /** Lets a few turns pass, in which nothing more comes. */
  async settle(): Promise<void> {
    for (let turns = 0; turns < 5; turns += 1) await turn()
  }

  async #reply(): Promise<Frame> {
    for (;;) {
      const next = await this.peer.next()
      if (next.kind === KIND.ANSWER || next.kind === KIND.ERROR || next.kind === KIND.GO_AWAY) return next
    }
  }

  #serve(server: Server): void {
    server.handle('take', () => null)
    server.handle('give', () => this.gift)
    server.handle('hold', () => new Promise<void>((resolve) => this.held.push(resolve)))
    server.implement(Shapes, {
      tree: (tree) => tree,
      note: (note) => this.onNote(note) as Promise<void>,
      feed: async (notes) => {
        let count = 0
        for await (const _ of notes) count += 1
        return count
      },
    })
  }
}

/** The same case on both ends. */
export function both(one: Omit<Case, 'role'>): readonly Case[] {
  return [
    { ...one, role: 'server' },
    { ...one, role: 'client' },
  ]
}
