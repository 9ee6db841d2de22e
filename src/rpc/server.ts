import { type Metrics, snapshot } from '../base/counters.js'
import { failure } from '../base/errors.js'
import { wrongArgument } from '../base/options.js'
import { Acceptor } from '../connection/acceptor.js'
import type { ConnectionChange } from '../connection/connection-change.js'
import { createEnvironment, type Environment } from '../connection/environment.js'
import type { TlsRotation } from '../connection/options.js'
import type { BatchHandler } from './batch-handler.js'
import type { ServerFacts } from './facts.js'
import type { HandlerOptions } from './handler-queue.js'
import { type CloseOptions, closeRules, type ServerOptions, serverRules } from './options.js'
import { Registry } from './registry.js'
import type { ServerCall } from './server-call.js'
import { looseMethod, type Methods, type Service } from './service.js'
import type { ServiceHandlers, ServiceOptions } from './service-types.js'
import { SessionMaker } from './session-maker.js'

/** Serves methods at one or more addresses. Handlers and services can be added while it listens. */
export class Server {
  readonly #environment: Environment
  readonly #registry: Registry
  readonly #sessions: SessionMaker
  readonly #acceptor: Acceptor
  #closing: Promise<void> | null = null

  constructor(options: ServerOptions = {}) {
    const parsed = serverRules.parse(options, '')
    this.#environment = createEnvironment({ ...parsed, peerId: parsed.id })
    this.#registry = new Registry(parsed.overload, parsed.passDeadlines)
    const nothing = (): void => {}
    const owner = { onLeaving: nothing, onRoom: nothing, onFault: nothing }
    this.#sessions = new SessionMaker(this.#environment, this.#registry, owner, parsed.overload)
    this.#acceptor = new Acceptor(parsed.socket, this.#environment, this.#sessions, () => this.#registry.services)
  }

  /** Serves calls of this name: msgpack both ways. What the handler returns, or resolves with, is the answer. */
  handle(name: string, handler: (request: unknown, call: ServerCall) => unknown, options?: HandlerOptions): void {
    this.#registry.add(looseMethod(name, 'unary'), handler, options)
  }

  /** Serves messages of this name that have no answer. */
  receive(
    name: string,
    handler: ((message: unknown, call: ServerCall) => unknown) | BatchHandler<unknown>,
    options?: HandlerOptions,
  ): void {
    this.#registry.add(looseMethod(name, 'oneWay'), handler, options)
  }

  /** Serves every method of a contract. `options` bound how much of each handler runs and waits. */
  implement<M extends Methods>(service: Service<M>, handlers: ServiceHandlers<M>, options?: ServiceOptions<M>): void {
    this.#registry.addService(service, handlers, options)
  }

  /** Listens at `tcp://host:port`, `tls://host:port` or `unix:/path`. Port 0 lets the system choose; the answer has the choice. */
  async listen(address: string): Promise<{ readonly address: string }> {
    if (this.#closing !== null) throw failure('closed', 'the server is closed')
    return { address: await this.#acceptor.listen(address) }
  }

  /**
   * Puts new certificates, keys and authorities in place of those of `tls`; what is left out stays. In force for the next
   * connection; those that there are go on.
   */
  rotate(tls: TlsRotation): void {
    this.#environment.tls.rotate(tls, this.#environment.peerId)
  }

  info(): ServerFacts {
    return {
      connections: this.#sessions.all().map((session) => session.info()),
      buffers: this.#environment.ledger.facts(),
    }
  }

  metrics(): Metrics {
    return snapshot(this.#environment.counters)
  }

  /** Hears of every connection that changes its state, and why, until the function returned is called. */
  watch(listener: (change: ConnectionChange) => void): () => void {
    if (typeof listener !== 'function') throw wrongArgument('the listener of watch', 'a function', listener)
    return this.#environment.changes.subscribe(listener)
  }

  /** Accepts nothing new, lets running handlers end within `graceMs` (10 s), then closes every connection. */
  async close(options: CloseOptions = {}): Promise<void> {
    const { graceMs } = closeRules.parse(options, 'close')
    // A second call may be in more of a hurry.
    if (this.#closing !== null) {
      for (const session of this.#sessions.all()) void session.close(graceMs)
      void this.#sessions.whenServed(graceMs)
    }
    this.#closing ??= this.#close(graceMs)
    await this.#closing
  }

  async #close(graceMs: number): Promise<void> {
    const listening = this.#acceptor.close(failure('closed', 'the server is closing'), graceMs)
    const served = this.#sessions.whenServed(graceMs)
    await Promise.all(this.#sessions.all().map((session) => session.close(graceMs)))
    await Promise.all([listening, served])
  }
}
