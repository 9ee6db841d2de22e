import { failure, type TransportError } from '../base/errors.js'
import {
  decodeHello,
  encodeHello,
  FEATURE,
  type FlowFields,
  type HelloFields,
  type ServiceFingerprint,
} from '../wire/hello.js'
import { judgePreface, PREFACE_BYTES } from '../wire/preface.js'
import type { Environment } from './environment.js'

export type { ServiceFingerprint } from '../wire/hello.js'

/** Bit n for codec number n: raw, msgpack, protobuf. */
const CODECS = 0b111
/** Bit n for compression number n: LZ4. */
const LZ4 = 0b1
const FEATURES = FEATURE.ACKS | FEATURE.FLOW | FEATURE.PARTS

/** What both sides have agreed on, and what the peer said of itself. */
export interface Agreement {
  readonly peerId: string
  /** Both sides compress, and read compressed bodies. */
  readonly compression: boolean
  /** What the peer accepts. */
  readonly maxFrameBytes: number
  readonly maxMessageBytes: number
  readonly maxOpenCalls: number
  readonly maxMethods: number
  readonly services: readonly ServiceFingerprint[]
  /** What the peer lets us send before it grants more; null where it knows neither streams nor credit. */
  readonly flow: FlowFields | null
  /** The peer takes messages in parts. */
  readonly parts: boolean
  /** The peer acknowledges one-way messages that ask for it. */
  readonly acks: boolean
}

/** Our HELLO, as the bodies of one or more frames. All but the last are marked as going on. */
export function ourHello(environment: Environment, services: readonly ServiceFingerprint[]): Buffer[] {
  const { limits, compression, flow, peerId } = environment
  return encodeHello(
    {
      peerId,
      codecs: CODECS,
      compressions: compression.algorithm === 'lz4' ? LZ4 : 0,
      features: FEATURES,
      maxFrameBytes: limits.maxFrameBytes,
      maxMessageBytes: limits.maxMessageBytes,
      maxOpenCalls: limits.maxOpenCalls,
      maxMethods: limits.maxMethods,
      services,
      flow: {
        maxStreams: limits.maxStreams,
        streamWindowBytes: flow.streamWindowBytes,
        laneWindowBytes: flow.laneWindowBytes,
      },
    },
    HELLO_BODY_BYTES,
  )
}

/** Fits the least `limits.maxHelloFrameBytes` that makes sense: a peer with the default of 4 KiB always takes it. */
const HELLO_BODY_BYTES = 4_000

/** Gathers the peer's preface and HELLO. */
export class Handshake {
  readonly #environment: Environment
  #head = Buffer.alloc(0)
  /** The bodies so far, one behind the other: many small frames must cost no more than few large ones. */
  #gathered = Buffer.alloc(0)
  #bytes = 0
  #greeted = false

  constructor(environment: Environment) {
    this.#environment = environment
  }

  /** The preface is here and good: frames follow. */
  get greeted(): boolean {
    return this.#greeted
  }

  /** Takes the preface from the front of `bytes`. Returns how many bytes it took, or what is wrong. */
  greet(bytes: Uint8Array): number | TransportError {
    const missing = PREFACE_BYTES - this.#head.length
    const head = Buffer.concat([this.#head, bytes.subarray(0, missing)])
    const had = this.#head.length
    this.#head = head
    // A stranger is named by more than eight bytes, where they are there.
    const judged = judgePreface(had === 0 ? bytes.subarray(0, Math.max(PREFACE_BYTES, 32)) : head)
    if (judged instanceof Error) return judged
    this.#greeted = judged !== null
    return head.length - had
  }

  /** Takes one HELLO body. Returns the agreement when `more` says that it was the last. Throws what is wrong. */
  take(body: Buffer, more: boolean): Agreement | null {
    const { maxHelloBytes } = this.#environment.limits
    const end = this.#bytes + body.length
    if (end > maxHelloBytes) throw failure('hello-too-large', `the HELLO of the peer is over ${maxHelloBytes} bytes`)
    if (end > this.#gathered.length) {
      const grown = Buffer.alloc(Math.min(maxHelloBytes, Math.max(end, this.#gathered.length * 2)))
      this.#gathered.copy(grown)
      this.#gathered = grown
    }
    body.copy(this.#gathered, this.#bytes)
    this.#bytes = end
    return more ? null : agree(this.#environment, decodeHello(this.#gathered.subarray(0, end)))
  }
}

function agree(environment: Environment, hello: HelloFields): Agreement {
  return {
    peerId: hello.peerId,
    compression: environment.compression.algorithm === 'lz4' && (hello.compressions & LZ4) !== 0,
    maxFrameBytes: hello.maxFrameBytes,
    maxMessageBytes: hello.maxMessageBytes,
    maxOpenCalls: hello.maxOpenCalls,
    maxMethods: hello.maxMethods,
    services: hello.services,
    flow: hello.flow,
    parts: (hello.features & FEATURE.PARTS) !== 0,
    acks: (hello.features & FEATURE.ACKS) !== 0,
  }
}
