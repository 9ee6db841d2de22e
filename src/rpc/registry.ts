import { failure } from '../base/errors.js'
import type { ServiceFingerprint } from '../connection/hello.js'
import type { ServerCall } from './server-call.js'
import { type AnyMethod, type Methods, type Service, serviceFacts } from './service.js'
import type { ServiceHandlers } from './service-types.js'

export type Handler = (value: unknown, call: ServerCall) => unknown

/** A method that this side serves. */
export interface Registration {
  readonly method: AnyMethod
  readonly handler: Handler
}

/** What this side serves, by the names that travel. Can grow while connections are open. */
export class Registry {
  readonly #byName = new Map<string, Registration>()
  readonly #services: ServiceFingerprint[] = []

  get services(): readonly ServiceFingerprint[] {
    return this.#services
  }

  find(name: string): Registration | undefined {
    return this.#byName.get(name)
  }

  add(method: AnyMethod, handler: Handler): void {
    if (typeof handler !== 'function') throw failure('misuse', `the handler of ${method.name} is not a function`)
    this.#checkFree(method)
    this.#byName.set(method.name, { method, handler })
  }

  addService<M extends Methods>(service: Service<M>, handlers: ServiceHandlers<M>): void {
    const { name, fingerprint } = serviceFacts(service)
    const entries = Object.entries<AnyMethod>(service)
    const missing = entries.find(([short]) => typeof handlers[short] !== 'function')
    if (missing !== undefined) throw failure('misuse', `the service ${name} has no handler for ${missing[0]}`)
    // All or nothing: a service that is half there would answer for the other half that nobody handles it.
    for (const [, method] of entries) this.#checkFree(method)
    for (const [short, method] of entries) {
      const handler = handlers[short] as Handler
      this.add(method, handler.bind(handlers))
    }
    this.#services.push({ name, fingerprint })
  }

  #checkFree({ name }: AnyMethod): void {
    if (this.#byName.has(name)) throw failure('name-taken', `${name} has a handler already`)
  }
}
