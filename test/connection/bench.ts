import { expect } from 'vitest'
import type { TransportError } from '../../src/base/errors.js'
import { group, type InputOf } from '../../src/base/options.js'
import { seededRandom } from '../../src/base/random.js'
import { CompressionPolicy } from '../../src/compression/policy.js'
import { Connection, type ConnectionOwner } from '../../src/connection/connection.js'
import { createEnvironment, type Environment } from '../../src/connection/environment.js'
import type { InboundMessage, Receiver } from '../../src/connection/inbound.js'
import { connectionRules } from '../../src/connection/options.js'
import { WriteLoop } from '../../src/connection/write-loop.js'
import { HEADER_BYTES, LENGTH_BYTES } from '../../src/wire/frame.js'
import type { HelloFields } from '../../src/wire/hello.js'
import { PREFACE_BYTES, preface } from '../../src/wire/preface.js'
import { type Frame, helloFrame } from '../fixtures/raw-peer.js'
import { MemoryChannel } from '../support/memory-channel.js'
import { VirtualClock } from '../support/virtual-clock.js'

const rules = group(connectionRules)
export type Options = InputOf<typeof rules>

/** A clock that only the test moves, turns included, and all that connections share. */
export function newEnvironment(options: Options = {}): { clock: VirtualClock; environment: Environment } {
  const clock = new VirtualClock({ turns: 'manual' })
  const random = seededRandom(1)
  // An idle connection has no timer but this: whoever tests it asks for it.
  const parsed = rules.parse({ heartbeat: { intervalMs: 0 }, ...options }, '')
  return { clock, environment: createEnvironment({ clock, random, ...parsed, peerId: 'us' }) }
}

/** Nothing is armed, lent or accounted for any more. */
export function expectNothingLeft({ wheel, chunks, carries, ledger }: Environment, clock: VirtualClock): void {
  expect({
    armed: wheel.armed,
    timers: clock.timers,
    chunks: chunks.borrowed,
    carries: carries.borrowed,
    held: ledger.current,
  }).toEqual({ armed: 0, timers: 0, chunks: 0, carries: 0, held: 0 })
}

/** Cuts bytes into frames, all of them whole. */
export function framesOf(bytes: Buffer): Frame[] {
  const frames: Frame[] = []
  let at = 0
  while (at < bytes.length) {
    const end = at + LENGTH_BYTES + bytes.readUInt32LE(at)
    if (end > bytes.length) throw new Error(`a frame of ${end - at} bytes ends after ${bytes.length - at}`)
    frames.push({
      kind: bytes.readUInt8(at + 4),
      flags: bytes.readUInt8(at + 5),
      aux: bytes.readUInt16LE(at + 6),
      id: bytes.readUInt32LE(at + 8),
      body: bytes.subarray(at + HEADER_BYTES, end),
    })
    at = end
  }
  return frames
}

/** A write loop on a channel of its own, and what it tells its owner. */
export class Writing {
  readonly channel = new MemoryChannel()
  readonly told: string[] = []
  readonly clock: VirtualClock
  readonly environment: Environment
  readonly loop: WriteLoop

  constructor(options: Options = {}) {
    const { clock, environment } = newEnvironment(options)
    this.clock = clock
    this.environment = environment
    const { compression, counters } = environment
    const policy =
      compression.algorithm === 'none' ? null : new CompressionPolicy({ ...compression, mode: 'always' }, counters)
    const owner = {
      onDrained: () => this.told.push('drained'),
      onStalled: () => this.told.push('stalled'),
      onControlFlood: () => this.told.push('flood'),
    }
    this.loop = new WriteLoop(this.channel, owner, environment, policy)
    this.loop.maxFrameBytes = environment.limits.maxFrameBytes
    this.channel.receive({
      onBytes: () => {},
      destination: () => null,
      onWritten: (failed = false) => this.loop.onWritten(failed),
      onEnd: () => {},
      onClosed: () => {},
    })
  }

  get frames(): Frame[] {
    return framesOf(this.channel.bytes)
  }

  oneWay(body: Uint8Array, flags = 0, method = 7): void {
    this.loop.beginOneWay(flags, method)
    this.loop.out.put(body)
    this.loop.endOneWay()
  }

  call(id: number, body: Uint8Array): void {
    this.loop.beginCall(0, 7, id, 0)
    this.loop.out.put(body)
    this.loop.endMessage()
  }

  answer(id: number, body: Uint8Array): void {
    this.loop.beginAnswer(0, id)
    this.loop.out.put(body)
    this.loop.endMessage()
  }

  /** Closes, and checks that nothing is left. */
  end(): void {
    this.loop.close()
    this.channel.cut(null)
    this.clock.turn()
    expectNothingLeft(this.environment, this.clock)
  }
}

export type Heard = readonly [what: string, ...details: unknown[]]

function messageOf({ id, method, bytes, start, end }: InboundMessage): readonly [number, number, string] {
  return [id, method, bytes.toString('latin1', start, end)]
}

/** A connection whose other end is the test, and all that its owner and its receiver hear, in order. */
export class Talk {
  readonly channel = new MemoryChannel()
  readonly heard: Heard[] = []
  readonly errors: TransportError[] = []
  readonly clock: VirtualClock
  readonly environment: Environment
  readonly connection: Connection
  /** Runs for every message, after it was noted. */
  onMessage: (message: InboundMessage) => void = () => {}

  /** `dialled`: our streams have odd ids. */
  constructor(options: Options = {}, handshakeMs = 5_000, dialled = true) {
    const { clock, environment } = newEnvironment(options)
    this.clock = clock
    this.environment = environment
    const hear = (...what: Heard): void => void this.heard.push(what)
    const message = (what: string, one: InboundMessage): void => {
      hear(what, ...messageOf(one))
      this.onMessage(one)
    }
    const receiver: Receiver = {
      onMethod: (number, name) => hear('method', number, name),
      onCall: (one) => message('call', one),
      onAnswer: (one) => message('answer', one),
      onOneWay: (one) => message('one-way', one),
      onAck: (stage, first, last) => {
        hear('ack', stage, first, last)
        return last < 1_000
      },
      onNack: (id, error) => {
        hear('nack', id, error.code)
        return id < 1_000
      },
      onStreamOpen: (one) => message('stream-open', one),
      onError: (id, code) => hear('error', id, code),
      onCancel: (id, code) => hear('cancel', id, code),
      onGoAway: (lastAcceptedId, error) => hear('go-away', lastAcceptedId, error.reason),
      onTurnEnd: () => {},
      onDrained: () => hear('drained'),
      onClosed: (error, handedBytes) => {
        this.errors.push(error)
        hear('closed', error.reason, handedBytes)
      },
    }
    const owner: ConnectionOwner = {
      onReady: (_, agreement) => {
        hear('ready', agreement.peerId)
        return receiver
      },
      onGone: (_, error) => {
        this.errors.push(error)
        hear('gone', error.reason)
      },
    }
    this.connection = new Connection(this.channel, environment, owner, [], handshakeMs, dialled)
  }

  /** A connection that is ready, with its own HELLO out of the way. */
  static ready(options: Options = {}, hello: Partial<HelloFields> = {}, handshakeMs = 5_000, dialled = true): Talk {
    const talk = new Talk(options, handshakeMs, dialled)
    talk.channel.say(preface(), helloFrame(hello))
    talk.pass()
    talk.channel.writes.length = 0
    talk.heard.length = 0
    return talk
  }

  /** What was sent since the connection was ready; before that, what follows the preface. */
  get sent(): Frame[] {
    const { bytes } = this.channel
    return framesOf(bytes.subarray(0, 4).toString() === 'ALYS' ? bytes.subarray(PREFACE_BYTES) : bytes)
  }

  /** Ends this turn; the channel takes what was written, unless it is full. */
  pass(): void {
    this.clock.turn()
    if (!this.channel.full) this.channel.flush()
  }

  get reason(): string | undefined {
    return this.errors[0]?.reason
  }

  /** Closes, and checks that nothing is left and that the last call was the last. */
  end(): void {
    this.channel.cut(null)
    this.clock.turn()
    expect(this.heard.at(-1)?.[0]).toBe('gone')
    expect(this.heard.filter(([what]) => what === 'gone')).toHaveLength(1)
    expect(this.heard.filter(([what]) => what === 'closed').length).toBeLessThan(2)
    expectNothingLeft(this.environment, this.clock)
  }
}
