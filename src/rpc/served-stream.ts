import { failure, processed, type TransportError } from '../base/errors.js'
import type { Environment } from '../connection/environment.js'
import type { InboundMessage } from '../connection/inbound.js'
import type { Stream, StreamSink } from '../connection/stream.js'
import { opaque } from './codec-error.js'
import { InboundMessages, type InboundOwner } from './inbound-messages.js'
import { isSource, MessageWriter } from './message-writer.js'
import { encodeMetadata } from './metadata.js'
import { handlerError } from './reception.js'
import type { Registration } from './registry.js'
import type { StreamCall } from './stream-call.js'

const NOTHING = Buffer.alloc(0)

/** What a stream tells whoever holds it. */
export interface ServedStreamOwner {
  onSettled(stream: ServedStream): void
  /** The peer sent what cannot be read. */
  account(error: TransportError): void
}

/** One stream that the peer opened, from the start of its handler until that has settled. */
export class ServedStream implements StreamSink, InboundOwner {
  readonly call: StreamCall<unknown>
  readonly #environment: Environment
  readonly #registration: Registration
  readonly #owner: ServedStreamOwner
  readonly #requests: InboundMessages<unknown>
  #stream: Stream | null = null
  /** Of the last message that could not be read. */
  #unreadable: TransportError | null = null
  #writer: MessageWriter<unknown> | null = null
  #began = false
  #settled = false

  constructor(
    registration: Registration,
    call: StreamCall<unknown>,
    environment: Environment,
    owner: ServedStreamOwner,
  ) {
    this.call = call
    this.#environment = environment
    this.#registration = registration
    this.#owner = owner
    this.#requests = new InboundMessages(registration.method.request, environment, this)
  }

  get hungry(): boolean {
    return this.#requests.awaited
  }

  /** Takes the stream over. */
  attach(stream: Stream): void {
    const writer = new MessageWriter(stream, this.#registration.method.response)
    this.#stream = stream
    this.#writer = writer
    this.#requests.ahead = stream.decodedAhead
    this.call.writeWith = (message) => writer.write(message)
  }

  /** Runs the handler, on the request of a server stream. Settles once, and never rejects. */
  async run(request: unknown): Promise<void> {
    const { counters } = this.#environment
    const { method, handler } = this.#registration
    this.#began = true
    counters.handlersStarted += 1
    let error: TransportError | null = null
    try {
      const input = method.kind === 'serverStream' ? request : this.#requests
      const result = await handler(input, this.call)
      if (method.kind === 'clientStream') await this.#writer?.write(result)
      else if (isSource(result)) await this.#writer?.pump(result)
      else if (result !== undefined && result !== null) throw notMessages(method.name)
    } catch (thrown) {
      error = this.#judge(thrown)
    }
    counters.handlersFinished += 1
    this.#settle(error === null ? null : processed(error, 'yes'))
    this.#registration.queue?.settled()
  }

  /** Ends it before its handler ran. */
  end(error: TransportError): void {
    this.#settle(processed(error, 'no'))
  }

  /** The opener waits no more. */
  giveUp(error: TransportError): void {
    this.#stream?.giveUp(error)
  }

  onData(message: InboundMessage): void {
    this.#requests.push(message)
  }

  onEnd(): void {
    this.#requests.end()
  }

  onOver(error: TransportError | null): void {
    const why = error ?? failure('cancelled', 'the stream is over')
    this.call.abort(why)
    this.#requests.abort(why)
    this.#writer?.close(why)
    // One that waits for its handler gives its place back: what it waits behind may never settle.
    if (!this.#began) this.end(why)
  }

  onRoom(refusal: Error | null): void {
    this.#writer?.onRoom(refusal)
  }

  onTaken(cost: number): void {
    this.#stream?.consume(cost)
  }

  onUnreadable(error: TransportError): TransportError {
    this.#unreadable = error
    this.#owner.account(opaque(error))
    return error
  }

  /** The handler wants no more requests: what still comes is dropped, and credit holds the opener back. */
  onLeft(): void {}

  #judge(thrown: unknown): TransportError {
    const { counters } = this.#environment
    // What the handler made of the end of its stream is not its failure.
    if (this.call.abandoned !== null) return this.call.abandoned
    // Counted when it was found.
    if (this.#unreadable !== null && thrown === this.#unreadable) return opaque(thrown)
    const refused = this.#writer?.refused(thrown) === true
    const error = opaque(refused ? thrown : handlerError(thrown))
    // What was too large, or found no room, was counted by who refused it.
    if (error.reason !== undefined && (!refused || error.reason === 'encode-failed')) counters.failed(error.reason)
    return error
  }

  #settle(failed: TransportError | null): void {
    if (this.#settled) return
    this.#settled = true
    let error = failed ?? this.call.abandoned
    let metadata: Buffer = NOTHING
    try {
      const { trailers } = this.call
      if (error === null && Object.keys(trailers).length > 0) {
        metadata = encodeMetadata(trailers, this.#environment.limits)
      }
    } catch (unusable) {
      // Only a handler sets them, and it has run.
      error = processed(opaque(unusable), 'yes')
    }
    this.#requests.settle()
    this.#writer?.close(null)
    this.#stream?.settle(error, metadata)
    this.#owner.onSettled(this)
  }
}

function notMessages(name: string): Error {
  return failure('misuse', `the handler of ${name} is to return an iterable of messages, or nothing after writing them`)
}
