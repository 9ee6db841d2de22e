import { failure } from '../base/errors.js'
import { hint, wrongArgument } from '../base/options.js'
import type { ServiceFingerprint } from '../connection/hello.js'
import { following } from './ambient-call.js'
import { BatchHandler } from './batch-handler.js'
import { type HandlerOptions, HandlerQueue, handlerRules } from './handler-queue.js'
import { type OverloadOptions, overloadRules } from './load-shedding.js'
import type { ServerCall } from './server-call.js'
import { type AnyMethod, type Methods, type Service, serviceFacts } from './service.js'
import type { ServiceHandlers, ServiceOptions } from './service-types.js'

export type AnyHandler = Handler | BatchHandler<unknown>
export type Handler = (value: unknown, call: ServerCall) => unknown

/** A method that this side serves. */
export interface Registration {
  readonly method: AnyMethod
  readonly handler: Handler
  /** Null where nothing bounds how much of it runs but the limits of each connection. */
  readonly queue: HandlerQueue | null
  /** The handler takes all messages of a turn at once. */
  readonly batch: boolean
}

/** What this side serves, by the names that travel. Can grow while connections are open. */
export class Registry {
  readonly #byName = new Map<string, Registration>()
  readonly #services: ServiceFingerprint[] = []
  readonly #intervalMs: number
  readonly #passDeadlines: boolean

  /** `passDeadlines`: what a handler calls ends with the call it serves. */
  constructor(
    { intervalMs }: Pick<OverloadOptions, 'intervalMs'> = overloadRules.parse(undefined, 'overload'),
    passDeadlines = false,
  ) {
    this.#intervalMs = intervalMs
    this.#passDeadlines = passDeadlines
  }

  get services(): readonly ServiceFingerprint[] {
    return this.#services
  }

  /** Some method is a stream or takes one-way messages: what cannot just be refused and made elsewhere. */
  get beyondCalls(): boolean {
    return [...this.#byName.values()].some(({ method }) => method.kind !== 'unary')
  }

  find(name: string): Registration | undefined {
    return this.#byName.get(name)
  }

  /** `options` bound how much of the handler runs and waits. Throws what is wrong with them. */
  add(method: AnyMethod, handler: AnyHandler, options?: HandlerOptions): void {
    this.#checkFree(method)
    this.#byName.set(method.name, this.#registrationOf(method, handler, options))
  }

  addService<M extends Methods>(
    service: Service<M>,
    handlers: ServiceHandlers<M>,
    options: ServiceOptions<M> = {},
  ): void {
    const { name, fingerprint } = serviceFacts(service)
    if (typeof handlers !== 'object' || handlers === null)
      throw failure('misuse', `the service ${name} needs an object of handlers`)
    if (typeof options !== 'object' || options === null)
      throw wrongArgument(`the options of the service ${name}`, 'an object', options)
    const entries = Object.entries<AnyMethod>(service)
    const own: Readonly<Record<string, unknown>> = handlers
    const bounds: Readonly<Record<string, HandlerOptions | undefined>> = options
    const known = entries.map(([short]) => short)
    const unknown = (short: string): boolean => !known.includes(short)
    const bound = Object.keys(bounds).find(unknown)
    if (bound !== undefined)
      throw failure('option-unknown', `the service ${name} has no method ${bound}${hint(bound, known)}`)
    const handled = handlerNames(own).find(unknown)
    if (handled !== undefined)
      throw failure('misuse', `the service ${name} has no method ${handled} to handle${hint(handled, known)}`)
    // All or nothing: a service that is half there would answer for the other half that nobody handles it.
    const registrations = entries.map(([short, method]) => {
      this.#checkFree(method)
      // What every object inherits is no handler; what a class gives its instances is.
      const handler = own[short] === Reflect.get(Object.prototype, short) ? undefined : own[short]
      if (handler === undefined) throw failure('misuse', `the service ${name} has no handler for ${short}`)
      const called = typeof handler === 'function' ? handler.bind(handlers) : handler
      return this.#registrationOf(
        method,
        called as AnyHandler,
        Object.hasOwn(bounds, short) ? bounds[short] : undefined,
      )
    })
    for (const registration of registrations) this.#byName.set(registration.method.name, registration)
    this.#services.push({ name, fingerprint })
  }

  #checkFree({ name }: AnyMethod): void {
    if (this.#byName.has(name)) throw failure('name-taken', `${name} has a handler already`)
  }

  #registrationOf(method: AnyMethod, handler: AnyHandler, options: HandlerOptions | undefined): Registration {
    const bounds = options === undefined ? null : handlerRules.parse(options, method.name)
    const queue = bounds === null ? null : new HandlerQueue(bounds, method.kind, this.#intervalMs)
    const wrap = (plain: Handler): Handler => (this.#passDeadlines ? following(plain) : plain)
    if (typeof handler === 'function') return { method, handler: wrap(handler), queue, batch: false }
    if (!(handler instanceof BatchHandler)) throw failure('misuse', `the handler of ${method.name} is not a function`)
    if (method.kind !== 'oneWay')
      throw failure('misuse', `${method.name} is ${method.kind}: onBatch is for one-way messages`)
    return { method, handler: wrap(handler.handle as Handler), queue, batch: true }
  }
}

/** The handlers in a literal, which is written for this. An instance or a module may have functions of its own. */
function handlerNames(handlers: Readonly<Record<string, unknown>>): string[] {
  const prototype: unknown = Object.getPrototypeOf(handlers)
  if (prototype === null || Object.getPrototypeOf(prototype) !== null) return []
  return Object.keys(handlers).filter((name) => {
    const value = handlers[name]
    return typeof value === 'function' || value instanceof BatchHandler
  })
}
