import { failure, TransportError } from '../base/errors.js'
import { WheelTimer } from '../base/timer-wheel.js'
import { type Address, formatAddress, parseAddress } from '../socket/address.js'
import type { ByteChannel } from '../socket/channel.js'
import type { LinkOptions, SocketOptions } from '../socket/options.js'
import { Connection, type ConnectionOwner } from './connection.js'
import type { ConnectionState } from './connection-state.js'
import type { Environment } from './environment.js'
import type { ServiceFingerprint } from './hello.js'

/** What an address owes to the name that it was found by. */
export interface FoundByName {
  /** Of the time for the first connection, what the look-up has used. */
  readonly spentMs: number
  /** Whom the certificate must be for. */
  readonly serverName: string | undefined
}

const NOT_LOOKED_UP: FoundByName = { spentMs: 0, serverName: undefined }

/** Makes connections to one address. One time limit covers name, TCP, TLS and HELLO. */
export class Dialer {
  readonly #address: Address
  readonly #options: LinkOptions
  readonly #environment: Environment
  /** Aborts of the attempts under way. */
  readonly #attempts = new Set<AbortController>()

  /** Of the time for the first connection, what the look-up of the name has used. */
  #spentMs: number

  /** Throws `address-malformed`. */
  constructor(address: string, options: SocketOptions, environment: Environment, found: FoundByName = NOT_LOOKED_UP) {
    this.#address = parseAddress(address)
    this.#options = { ...options, tls: environment.tls, serverName: found.serverName }
    this.#environment = environment
    this.#spentMs = found.spentMs
  }

  /** Resolves when HELLO is done. From then on the owner hears of the connection, before that only the promise does. */
  async dial(owner: ConnectionOwner, services: readonly ServiceFingerprint[]): Promise<Connection> {
    const { wheel, counters } = this.#environment
    const attempt = new AbortController()
    const limit = new WheelTimer(() => attempt.abort(this.#timeout()))
    counters.dialsStarted += 1
    this.#attempts.add(attempt)
    wheel.arm(limit, Math.max(1, this.#options.connectTimeoutMs - this.#spentMs))
    this.#spentMs = 0
    this.#tell('connecting', null)
    try {
      return await this.#open(owner, services, attempt.signal)
    } finally {
      wheel.disarm(limit)
      this.#attempts.delete(attempt)
    }
  }

  /** Gives every attempt up. */
  close(): void {
    for (const attempt of this.#attempts) attempt.abort(failure('closed', 'the attempt to connect was given up'))
  }

  async #open(
    owner: ConnectionOwner,
    services: readonly ServiceFingerprint[],
    signal: AbortSignal,
  ): Promise<Connection> {
    const channel = await this.#reach(signal)
    const { counters } = this.#environment
    counters.connectionsOpened += 1
    return new Promise((resolve, reject) => {
      let ready = false
      const giveUp = (): void => connection.destroy(signal.reason)
      const connection = new Connection(
        channel,
        this.#environment,
        {
          onReady: (opened, agreement) => {
            ready = true
            signal.removeEventListener('abort', giveUp)
            const receiver = owner.onReady(opened, agreement)
            resolve(opened)
            return receiver
          },
          onGone: (opened, error) => {
            counters.connectionsClosed += 1
            signal.removeEventListener('abort', giveUp)
            if (ready) owner.onGone(opened, error)
            else reject(error)
          },
        },
        services,
        0,
        true,
      )
      signal.addEventListener('abort', giveUp)
    })
  }

  async #reach(signal: AbortSignal): Promise<ByteChannel> {
    try {
      return await this.#environment.network.dial(this.#address, this.#options, signal)
    } catch (error) {
      this.#tell('closed', error as TransportError)
      // Who gave up has counted why.
      if (!signal.aborted && error instanceof TransportError && error.reason !== undefined)
        this.#environment.counters.failed(error.reason)
      throw error
    }
  }

  /** Of the attempt. What becomes of the connection it tells itself. */
  #tell(state: ConnectionState, reason: TransportError | null): void {
    const { changes } = this.#environment
    if (!changes.active) return
    changes.publish({ state, dialled: true, address: formatAddress(this.#address), connection: null, reason })
  }

  #timeout(): Error {
    const where = formatAddress(this.#address)
    const { connectTimeoutMs } = this.#options
    this.#environment.counters.failed('connect-timeout')
    return failure('connect-timeout', `${where} did not complete the connection within ${connectTimeoutMs} ms`, {
      details: { address: where, connectTimeoutMs },
    })
  }
}
