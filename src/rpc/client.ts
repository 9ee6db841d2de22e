import { type Metrics, snapshot } from '../base/counters.js'
import { failure } from '../base/errors.js'
import { wrongArgument } from '../base/options.js'
import type { ConnectionChange } from '../connection/connection-change.js'
import type { ConnectionState } from '../connection/connection-state.js'
import { createEnvironment, type Environment } from '../connection/environment.js'
import type { ServiceFingerprint } from '../connection/hello.js'
import type { TlsRotation } from '../connection/options.js'
import { AckedSender } from './acked-sender.js'
import { ClientLease } from './client-lease.js'
import type { ClientFacts } from './facts.js'
import type { MessageSource } from './message-writer.js'
import { OneWaySender } from './one-way-sender.js'
import {
  addressList,
  type CallOptions,
  type ClientOptions,
  type CloseOptions,
  clientRules,
  closeRules,
  NO_OPTIONS,
  type SendOptions,
} from './options.js'
import { Outbound } from './outbound.js'
import { type AnyMethod, looseMethod, type MethodKind, type Methods, type Service, serviceFacts } from './service.js'
import type { ServiceClient } from './service-types.js'
import { StreamOpener } from './stream-opener.js'

/** Calls the services at one address, or at any of a list, over pooled connections. Connects by itself. */
export class Client {
  readonly #environment: Environment
  readonly #outbound: Outbound
  readonly #oneWays: OneWaySender
  readonly #streams: StreamOpener
  readonly #services: ServiceFingerprint[] = []
  readonly #methods = new Map<string, AnyMethod>()

  constructor(addresses: string | readonly string[], options: ClientOptions = {}) {
    const list = addressList(addresses)
    const parsed = clientRules.parse(options, '')
    this.#environment = createEnvironment({ ...parsed, peerId: parsed.id })
    this.#outbound = new Outbound(this.#environment, list, parsed, this.#services)
    const acked = new AckedSender(this.#environment, this.#outbound, parsed.timeoutMs)
    this.#oneWays = new OneWaySender(this.#environment, this.#outbound, acked)
    this.#streams = new StreamOpener(this.#environment, this.#outbound)
  }

  /** Calls a method by name, `service.method` or bare: in msgpack, or as the contract in use says. */
  async call<Response = unknown>(name: string, request: unknown, options: CallOptions = NO_OPTIONS): Promise<Response> {
    return (await this.#outbound.call(this.#method(name, 'unary'), request, options)) as Response
  }

  /**
   * Sends a message that has no answer. Resolves when our bounded queue has it, or one that waits there was merged with
   * it, or as `options.ack` says.
   */
  async send(name: string, message: unknown, options: SendOptions = NO_OPTIONS): Promise<void> {
    await this.#oneWays.send(this.#method(name, 'oneWay'), message, options)
  }

  /**
   * The same where there is room now. Returns false, at once, for a message that is not kept: counted as dropped by a
   * full mailbox whose `overflow` is `drop-newest`, else as refused.
   */
  trySend(name: string, message: unknown, options: SendOptions = NO_OPTIONS): boolean {
    return this.#oneWays.trySend(this.#method(name, 'oneWay'), message, options)
  }

  /**
   * Sends many messages of one method, in order. Resolves when our bounded queue has them all, or as for `send`. What
   * `messages` throw it rejects with as it is. An error of ours says in `details.accepted` how many were accepted before
   * it, or dropped as `mailbox.overflow` says; with `ack`, how many were acknowledged.
   */
  async sendBatch(name: string, messages: Iterable<unknown>, options: SendOptions = NO_OPTIONS): Promise<void> {
    await this.#oneWays.sendBatch(this.#method(name, 'oneWay'), messages, options)
  }

  /** The methods of a contract as functions. */
  use<M extends Methods>(service: Service<M>): ServiceClient<M> {
    const facts = serviceFacts(service)
    const known = this.#services.find(({ name }) => name === facts.name)
    if (known !== undefined && known.fingerprint !== facts.fingerprint) {
      throw failure('contract-mismatch', `another contract of the name ${facts.name} is in use already`, {
        origin: 'user',
      })
    }
    if (known === undefined) this.#services.push(facts)
    const functions = Object.entries<AnyMethod>(service).map(([short, method]) => {
      this.#methods.set(method.name, method)
      return [short, this.#functionOf(method)] as const
    })
    return Object.freeze(Object.fromEntries(functions)) as ServiceClient<M>
  }

  /**
   * Resolves when a connection is ready; rejects when dialling fails, or when the peer has another contract for a
   * service in use. Calls connect by themselves: this is for who wants to know before the first.
   */
  connect(): Promise<void> {
    return this.#outbound.connect(this.#services)
  }

  /**
   * A connection for one's own use: nobody else's calls travel on it until it is given back. Waits for one to be made,
   * where `pool.max` allows; rejects with `pool-exhausted`, or with why none can be had.
   */
  async lease(): Promise<ClientLease> {
    const lease = await this.#outbound.lease()
    return new ClientLease(lease, (name, request, options) => {
      return this.#outbound.call(this.#method(name, 'unary'), request, options, lease.member)
    })
  }

  /**
   * Puts new certificates, keys and authorities in place of those of `tls`; what is left out stays. In force for the next
   * connection; those that there are go on.
   */
  rotate(tls: TlsRotation): void {
    this.#environment.tls.rotate(tls, this.#environment.peerId)
  }

  info(): ClientFacts {
    return { ...this.#outbound.info(), buffers: this.#environment.ledger.facts() }
  }

  metrics(): Metrics {
    return snapshot(this.#environment.counters)
  }

  /**
   * `connecting` until there is a connection, and again when there is none; a client without calls and with `pool.min`
   * 0 stays there. `draining` after `close` was called.
   */
  get state(): ConnectionState {
    return this.#outbound.state
  }

  /** Hears of every connection that changes its state, and why, until the function returned is called. */
  watch(listener: (change: ConnectionChange) => void): () => void {
    if (typeof listener !== 'function') throw wrongArgument('the listener of watch', 'a function', listener)
    return this.#environment.changes.subscribe(listener)
  }

  /** Begins nothing new, lets open calls end within `graceMs` (10 s), then closes every connection. */
  async close(options: CloseOptions = {}): Promise<void> {
    const { graceMs } = closeRules.parse(options, 'close')
    this.#oneWays.flush()
    await this.#outbound.close(graceMs)
  }

  #functionOf(method: AnyMethod): unknown {
    const outbound = this.#outbound
    const oneWays = this.#oneWays
    const streams = this.#streams
    // Not `async`, which would cost a second promise per call; what is wrong with the options still comes as a rejection.
    switch (method.kind) {
      case 'unary':
        return (request: unknown, options: CallOptions = NO_OPTIONS) => {
          try {
            return outbound.call(method, request, options)
          } catch (error) {
            return Promise.reject(error)
          }
        }
      case 'oneWay':
        return (message: unknown, options: SendOptions = NO_OPTIONS) => {
          try {
            return oneWays.send(method, message, options)
          } catch (error) {
            return Promise.reject(error)
          }
        }
      case 'serverStream':
        return (request: unknown, options: CallOptions = NO_OPTIONS) => streams.serverStream(method, request, options)
      case 'clientStream':
        return async (source: MessageSource<unknown>, options: CallOptions = NO_OPTIONS) =>
          streams.clientStream(method, source, options)
      case 'duplex':
        return (source?: MessageSource<unknown>, options: CallOptions = NO_OPTIONS) =>
          streams.duplex(method, source, options)
    }
  }

  #method(name: string, kind: MethodKind): AnyMethod {
    const known = this.#methods.get(name)
    if (known === undefined) {
      const { maxMethods } = this.#environment.limits
      if (this.#methods.size >= maxMethods) {
        throw failure('too-many-methods', `this client has used ${maxMethods} method names already`, {
          origin: 'local',
        })
      }
      const method = looseMethod(name, kind)
      this.#methods.set(name, method)
      return method
    }
    if (known.kind !== kind) throw failure('method-unknown', `${name} is ${known.kind}, not ${kind}`)
    return known
  }
}
