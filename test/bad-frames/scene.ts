import { expect } from 'vitest'
import type { Reason } from '../../src/base/errors.js'
import { type Client, type Metrics, TransportError } from '../../src/index.js'
import { FLAG, KIND } from '../../src/wire/frame.js'
import { FEATURE, type HelloFields } from '../../src/wire/hello.js'
import { frame, MSGPACK, methodFrame, packed, type RawPeer, type RawServer, u32 } from '../fixtures/raw-peer.js'
import { type Stage, until } from '../fixtures/stage.js'
import { VirtualClock } from '../support/virtual-clock.js'
import type { BadFrame, Role } from './bad-frame.js'
import type { Link } from './link.js'
import { Bad, FLOW, LIMITS, METHODS, type MethodName, type Target } from './target.js'

const NULL = packed(null)

/** What the hostile peer says of itself where a case says nothing else. */
const HELLO: Partial<HelloFields> = {
  compressions: 1,
  features: FEATURE.FLOW | FEATURE.PARTS,
  flow: { maxStreams: 16, streamWindowBytes: 64 * 1024, laneWindowBytes: 64 * 1024 },
}

interface CallParts {
  readonly id?: number
  readonly flags?: number
  readonly timeoutMs?: number
}

interface OwnClient {
  readonly client: Client
  readonly raw: RawServer
  readonly clock: VirtualClock
}

/** One connection between an end of ours and a hostile peer, and what a case needs to say something on it. */
export class Scene {
  readonly role: Role
  /** What came of our own calls and streams, in the order in which they settled: null where all went well. */
  readonly outcomes: (unknown | null)[] = []
  peer: RawPeer
  readonly #target: Target
  readonly #client: Client | null
  readonly #raw: RawServer | null
  readonly #clock: VirtualClock
  readonly #streams: { cancel(): void }[] = []
  #lastId = 0
  #introduced: boolean

  private constructor(target: Target, peer: RawPeer, own: OwnClient | null, greeted: boolean) {
    this.role = own === null ? 'server' : 'client'
    this.#target = target
    // Else what it says in two writes waits for an acknowledgement of the first: 40 ms.
    peer.socket.setNoDelay(true)
    this.peer = peer
    this.#client = own?.client ?? null
    this.#raw = own?.raw ?? null
    this.#clock = own?.clock ?? new VirtualClock()
    this.#introduced = greeted
  }

  static async open(stage: Stage, link: Link, target: Target, role: Role, hello: BadFrame['hello']): Promise<Scene> {
    const scene =
      role === 'server'
        ? new Scene(target, await link.dial(stage, target.address), null, hello !== null)
        : await Scene.#dialled(stage, link, target, hello)
    if (hello !== null) {
      scene.peer.hello({ ...HELLO, ...hello })
      await scene.peer.nextOf(KIND.HELLO)
      scene.peer.write(...Object.values(METHODS).map(([number, name]) => methodFrame(number, name)))
      if (role === 'client') await scene.client.connect()
    }
    return scene
  }

  static async #dialled(stage: Stage, link: Link, target: Target, hello: BadFrame['hello']): Promise<Scene> {
    const raw = await link.listen(stage)
    const clock = new VirtualClock()
    const client = stage.client(raw.address, { ...link.client, limits: LIMITS, flow: FLOW, pool: { max: 1 }, clock })
    client.use(Bad)
    const accepted = raw.accept()
    const connecting = client.connect()
    const scene = new Scene(target, await accepted, { client, raw, clock }, hello !== null)
    // Told where the connection comes to nothing.
    connecting.catch((error: unknown) => scene.outcomes.push(error))
    return scene
  }

  get client(): Client {
    if (this.#client === null) throw new Error('the end of ours is a server')
    return this.#client
  }

  metrics(): Metrics {
    return this.#client === null ? this.#target.metrics() : this.#client.metrics()
  }

  failures(): Readonly<Record<Reason, number>> {
    return this.metrics().failures
  }

  /** The next id of a call that the hostile peer makes. */
  nextId(): number {
    this.#lastId += 1
    return this.#lastId
  }

  /** The id of the nth stream that the hostile peer opens; the first is 0. */
  theirs(nth = 0): number {
    return (this.role === 'server' ? 1 : 2) + 2 * nth
  }

  /** The id of the nth stream that our end opens. */
  ours(nth = 0): number {
    return (this.role === 'server' ? 2 : 1) + 2 * nth
  }

  /** A CALL of the hostile peer. */
  call(method: MethodName, payload = NULL, { id = this.nextId(), flags = MSGPACK, timeoutMs = 0 }: CallParts = {}) {
    return frame(KIND.CALL, { flags, aux: METHODS[method][0], id, body: Buffer.concat([u32(timeoutMs), payload]) })
  }

  /** A payload for our end: in a call of the hostile peer, or in its answer to a call of ours. */
  async deliver(payload: Buffer, flags = MSGPACK): Promise<Buffer> {
    const codec = flags & FLAG.CODEC_MASK
    const method = codec === 2 ? 'tree' : codec === 0 ? 'bytes' : 'echo'
    if (this.role === 'server') return this.call(method, payload, { flags })
    return frame(KIND.ANSWER, { flags, id: await this.pending(method), body: payload })
  }

  /** A call of our client that waits for its answer. Returns its id. */
  async pending(method: 'echo' | 'tree' | 'bytes' = 'echo'): Promise<number> {
    const value = method === 'tree' ? {} : method === 'bytes' ? Buffer.of(1) : null
    this.#note(this.client.call(METHODS[method][1], value))
    return (await this.peer.nextOf(KIND.CALL)).id
  }

  /** A server stream that our client opened, and of which it reads nothing. Returns its id. */
  async reading(): Promise<number> {
    const stream = this.client.use(Bad).list(null)
    const { id } = await this.peer.nextOf(KIND.STREAM_OPEN)
    this.#streams.push(stream)
    return id
  }

  /** The same, and it reads to the end. */
  async draining(): Promise<number> {
    const stream = this.client.use(Bad).list(null)
    this.#note(
      (async () => {
        for await (const _ of stream);
      })(),
    )
    return (await this.peer.nextOf(KIND.STREAM_OPEN)).id
  }

  /** Gives up what the case left open, and what our end opened for it. */
  finish(): void {
    for (const stream of this.#streams) stream.cancel()
  }

  /** The next call on this connection goes through. */
  async alive(): Promise<void> {
    const { peer } = this
    if (this.role === 'client') {
      const before = this.outcomes.length
      const id = await this.pending()
      peer.write(frame(KIND.ANSWER, { flags: MSGPACK, id, body: NULL }))
      await until(() => this.outcomes.length > before)
      expect(this.outcomes[before]).toBeNull()
      return
    }
    if (!this.#introduced) peer.write(methodFrame(1, 'echo'))
    this.#introduced = true
    const id = this.nextId()
    peer.write(this.call('echo', packed('alive'), { id }))
    for (let next = await peer.nextOf(KIND.ANSWER); next.id !== id; ) next = await peer.nextOf(KIND.ANSWER)
  }

  /** The next call of our client goes through on another connection. */
  async aliveElsewhere(): Promise<void> {
    if (this.#raw === null) throw new Error('the end of ours is a server')
    let next: RawPeer | null = null
    void this.#raw.accept().then((peer) => {
      next = peer
    })
    await until(() => this.client.info().connections.every(({ state }) => state !== 'ready'))
    const call = this.client.call('echo', null)
    this.#note(call)
    this.peer.socket.end()
    await until(() => {
      this.#clock.advance(50)
      return next !== null
    })
    if (next !== null) this.peer = next
    this.peer.hello(HELLO)
    const { id } = await this.peer.nextOf(KIND.CALL)
    this.peer.write(frame(KIND.ANSWER, { flags: MSGPACK, id, body: NULL }))
    expect(await call).toBeNull()
  }

  #note(outcome: Promise<unknown>): void {
    outcome.then(
      () => this.outcomes.push(null),
      (error: unknown) => {
        if (!(error instanceof TransportError)) throw error
        this.outcomes.push(error)
      },
    )
  }
}
