// Hot path: `findOf`, `metadata` and `deadline` run for every call and message received.
import { failure, TransportError } from '../base/errors.js'
import { STATUS } from '../base/status.js'
import type { Connection } from '../connection/connection.js'
import type { Environment } from '../connection/environment.js'
import type { Agreement } from '../connection/hello.js'
import type { InboundMessage } from '../connection/inbound.js'
import type { Backlog } from './backlog.js'
import { IntroducedMethods } from './introduced-methods.js'
import { decodeMetadata, type Metadata, NO_METADATA } from './metadata.js'
import { MAX_TIMEOUT_MS } from './options.js'
import type { Registration, Registry } from './registry.js'
import type { PeerFacts } from './server-call.js'
import type { MethodKind } from './service.js'

const UNKNOWN_TIME = -1

/** Where the bytes of a request are. */
export type Payload = Pick<InboundMessage, 'bytes' | 'start' | 'end' | 'owned'>

/** What all that the peer asks for on one connection goes through first: who serves it, and what it says. */
export class Reception {
  readonly peer: PeerFacts
  readonly #connection: Connection
  readonly #environment: Environment
  readonly #methods: IntroducedMethods
  /** The time, read once a turn: a turn is at most `limits.maxTurnMs` long. */
  #turnNow = UNKNOWN_TIME
  /** Handlers that had started when it was read. */
  #handlersBefore = 0
  readonly #backlog: Pick<Backlog, 'noteTurn'>

  constructor(
    connection: Connection,
    agreement: Agreement,
    environment: Environment,
    registry: Registry,
    backlog: Pick<Backlog, 'noteTurn'>,
  ) {
    this.#backlog = backlog
    this.#connection = connection
    this.#environment = environment
    this.#methods = new IntroducedMethods(registry, agreement, environment.limits.maxMethods)
    const { remote, peerProven } = connection.info()
    this.peer = { id: agreement.peerId, proven: peerProven, address: remote }
  }

  onMethod(number: number, name: string): void {
    const error = this.#methods.add(number, name)
    if (error !== null) this.#connection.fail(error)
  }

  onTurnEnd(): void {
    if (this.#turnNow === UNKNOWN_TIME) return
    const { clock, counters } = this.#environment
    this.#backlog.noteTurn(clock.now() - this.#turnNow, counters.handlersStarted - this.#handlersBefore)
    this.#turnNow = UNKNOWN_TIME
  }

  /** Who serves the message. Throws why nobody does. */
  find({ method: number, codec }: InboundMessage): Registration {
    const found = this.#methods.find(number)
    if (found === null) throw failure('frame-malformed', `method number ${number} was never introduced`)
    if (found instanceof TransportError) throw found
    const { method } = found
    if (codec === method.requestCodec) return found
    throw failure('codec-not-agreed', `${method.name} takes ${method.request.name}, got codec number ${codec}`)
  }

  /** The same for messages of one shape. */
  findOf(message: InboundMessage, kind: MethodKind): Registration {
    const found = this.find(message)
    const { method } = found
    if (method.kind === kind) return found
    throw failure('method-unknown', `${method.name} is ${method.kind}, not ${kind}`)
  }

  /** The request. Throws what is wrong with its bytes. */
  decode({ method }: Registration, { bytes, start, end, owned }: Payload): unknown {
    return method.request.decode(bytes, start, end, owned, this.#environment.limits)
  }

  metadata({ metadataBytes, metadataStart, metadataEnd }: InboundMessage): Metadata {
    if (metadataEnd === 0) return NO_METADATA
    return decodeMetadata(metadataBytes, metadataStart, metadataEnd, this.#environment.limits)
  }

  /** When the caller waits no more, on the clock. */
  deadline({ timeoutMs, waitedMs }: InboundMessage): number {
    return timeoutMs === 0 ? Number.POSITIVE_INFINITY : this.now() + Math.min(timeoutMs, MAX_TIMEOUT_MS) - waitedMs
  }

  now(): number {
    if (this.#turnNow === UNKNOWN_TIME) {
      this.#turnNow = this.#environment.clock.now()
      this.#handlersBefore = this.#environment.counters.handlersStarted
    }
    return this.#turnNow
  }

  /** Counts an error that the peer caused. */
  account(error: TransportError): void {
    if (error.reason !== undefined) this.#environment.counters.failed(error.reason)
    this.#connection.strike()
  }
}

/** Users choose code and message by throwing a `TransportError` of origin `user`; anything else stays here. */
export function handlerError(error: unknown): TransportError {
  try {
    if (error instanceof TransportError && error.origin === 'user' && Object.hasOwn(STATUS, error.code)) return error
  } catch {
    // A proxy that cannot be looked at.
  }
  return failure('handler-failed', 'the handler failed')
}

/** A promise of the value, or null for a value that is there. A thenable is adopted, so that it settles once. */
export function promiseOf(value: unknown): Promise<unknown> | null {
  if (typeof value !== 'object' || value === null) return null
  return typeof (value as { then?: unknown }).then === 'function' ? Promise.resolve(value) : null
}
