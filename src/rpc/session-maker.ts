import { failure } from '../base/errors.js'
import { WheelTimer } from '../base/timer-wheel.js'
import type { Connection, ConnectionOwner } from '../connection/connection.js'
import type { Environment } from '../connection/environment.js'
import type { Agreement } from '../connection/hello.js'
import { Backlog } from './backlog.js'
import { type OverloadOptions, overloadRules } from './load-shedding.js'
import type { Registry } from './registry.js'
import { Session, type SessionOwner } from './session.js'

/** Makes a session of every connection that gets ready. */
export class SessionMaker implements ConnectionOwner {
  readonly #environment: Environment
  readonly #registry: Registry
  readonly #owner: SessionOwner
  readonly #sessions = new Map<Connection, Session>()
  /** Whose connection is gone, and whose handlers are not done. */
  readonly #finishing = new Set<Session>()
  /** Of who waits for them: the end of that. */
  #grace: WheelTimer | null = null
  #graceEndsAt = Number.POSITIVE_INFINITY
  #served: Promise<void> | null = null
  #setServed: () => void = () => {}
  readonly #backlog: Backlog

  constructor(
    environment: Environment,
    registry: Registry,
    owner: SessionOwner,
    overload: OverloadOptions = overloadRules.parse(undefined, 'overload'),
  ) {
    this.#backlog = new Backlog(environment, overload)
    this.#environment = environment
    this.#registry = registry
    this.#owner = owner
  }

  /** The session on a ready connection. */
  of(connection: Connection): Session {
    const session = this.#sessions.get(connection)
    if (session === undefined) throw failure('connection-lost', 'the connection was lost as soon as it was ready')
    return session
  }

  /** Sessions whose connection is not gone. */
  all(): Session[] {
    return [...this.#sessions.values()]
  }

  /**
   * Resolves when no handler runs or waits any more, also of connections that are gone: a peer that has nothing open leaves
   * as soon as we do, whatever it has sent before. At the latest after `graceMs`; who calls again may be in more of a hurry.
   */
  whenServed(graceMs: number): Promise<void> {
    const { clock, wheel } = this.#environment
    const endsAt = clock.now() + graceMs
    this.#grace ??= new WheelTimer(() => this.#setServed())
    if (endsAt < this.#graceEndsAt) {
      this.#graceEndsAt = endsAt
      wheel.arm(this.#grace, graceMs)
    }
    const served = this.#served ?? new Promise<void>((resolve) => (this.#setServed = resolve))
    this.#served = served
    this.#lookIfServed()
    return served
  }

  onReady(connection: Connection, agreement: Agreement): Session {
    const session = new Session(connection, agreement, this.#environment, this.#registry, this.#owner, this.#backlog)
    this.#sessions.set(connection, session)
    return session
  }

  onGone(connection: Connection): void {
    const session = this.#sessions.get(connection)
    if (session === undefined) return
    this.#sessions.delete(connection)
    if (this.#sessions.size === 0) this.#backlog.close()
    if (session.serving > 0) this.#finishing.add(session)
    session.onGone(() => {
      this.#finishing.delete(session)
      this.#lookIfServed()
    })
  }

  #lookIfServed(): void {
    if (this.#grace === null || this.#sessions.size > 0 || this.#finishing.size > 0) return
    this.#environment.wheel.disarm(this.#grace)
    this.#setServed()
  }
}
