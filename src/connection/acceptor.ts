import type { TransportError } from '../base/errors.js'
import { formatAddress, parseAddress } from '../socket/address.js'
import type { ByteChannel } from '../socket/channel.js'
import { maxDescriptors } from '../socket/descriptors.js'
import type { Guest, Listener } from '../socket/listen.js'
import type { LinkOptions, SocketOptions } from '../socket/options.js'
import { Admission } from './admission.js'
import { Connection, type ConnectionOwner } from './connection.js'
import type { Environment } from './environment.js'
import { Guests } from './guests.js'
import type { Agreement, ServiceFingerprint } from './hello.js'
import type { Receiver } from './inbound.js'

/** Accepts connections on any number of addresses, as many as the limits allow. */
export class Acceptor {
  readonly #options: LinkOptions
  readonly #environment: Environment
  readonly #owner: ConnectionOwner
  readonly #services: () => readonly ServiceFingerprint[]
  readonly #admission: Admission
  readonly #guests: Guests
  readonly #listeners: Listener[] = []
  readonly #handshaking = new Set<Connection>()
  #closed: TransportError | null = null
  #onNoneLeft: () => void = () => {}

  constructor(
    options: SocketOptions,
    environment: Environment,
    owner: ConnectionOwner,
    services: () => readonly ServiceFingerprint[],
  ) {
    this.#options = { ...options, tls: environment.tls }
    this.#environment = environment
    this.#owner = owner
    this.#services = services
    this.#admission = new Admission(environment.limits, maxDescriptors())
    this.#guests = new Guests(environment, this.#admission)
  }

  /** Listens, and returns the address with the port that the system chose. */
  async listen(address: string): Promise<string> {
    const { counters, network } = this.#environment
    const listener = await network.listen(parseAddress(address), this.#options, {
      onChannel: (channel, guest) => this.#accept(channel, guest),
      onAcceptFailed: () => {
        counters.acceptsFailed += 1
      },
      guests: this.#guests,
    })
    if (this.#closed !== null) {
      await listener.close()
      throw this.#closed
    }
    this.#listeners.push(listener)
    return formatAddress(listener.address)
  }

  /**
   * Stops listening, and ends what is with who has not said HELLO; at once, where there is no `graceMs`. Who has had ours
   * may be calling already, and is told that none of that is run. Ready connections are their owner's to close.
   */
  async close(error: TransportError, graceMs: number): Promise<void> {
    this.#closed = error
    for (const connection of this.#handshaking) {
      if (graceMs === 0) connection.destroy(error)
      else {
        connection.leave(0, error)
        connection.end(error)
      }
    }
    const left = this.#guests.close()
    const gone = this.#handshaking.size === 0 ? null : new Promise<void>((resolve) => (this.#onNoneLeft = resolve))
    await Promise.all([left, gone, ...this.#listeners.splice(0).map((listener) => listener.close())])
  }

  #accept(channel: ByteChannel, guest?: Guest): void {
    if (guest !== undefined) {
      this.#greet(channel, guest.remoteHost, this.#guests.graduate(guest))
      return
    }
    const { counters, limits } = this.#environment
    const host = channel.facts.remoteHost
    const refusal = this.#admission.enter(host)
    if (refusal === null) {
      counters.connectionsOpened += 1
      this.#greet(channel, host, limits.handshakeMs)
      return
    }
    if (refusal.reason !== undefined) counters.failed(refusal.reason)
    channel.destroy()
  }

  /** Of a channel that is counted. */
  #greet(channel: ByteChannel, host: string, handshakeMs: number): void {
    const accepted = new Accepted(this, host)
    const connection = new Connection(channel, this.#environment, accepted, this.#services(), handshakeMs, false)
    this.#handshaking.add(connection)
  }

  /** Of a connection that was accepted: HELLO is done. `accepted` takes note of whom it is counted for. */
  onReady(connection: Connection, agreement: Agreement, accepted: Accepted): Receiver | null {
    this.#handshakeOver(connection, accepted.host)
    const refusal = this.#admission.identify(agreement.peerId)
    if (refusal !== null) {
      connection.fail(refusal)
      return null
    }
    // Counted from here on, also where the owner does not want it.
    accepted.peerId = agreement.peerId
    return this.#owner.onReady(connection, agreement)
  }

  /** Of a connection that was accepted: it takes nothing new. */
  onDraining(accepted: Accepted): void {
    if (accepted.peerId !== null) accepted.drained = this.#admission.drain(accepted.peerId)
  }

  /** Of a connection that was accepted: it is gone. */
  onGone(connection: Connection, error: TransportError, { host, peerId, drained }: Accepted): void {
    this.#handshakeOver(connection, host)
    this.#environment.counters.connectionsClosed += 1
    this.#admission.leave(peerId, drained)
    this.#owner.onGone(connection, error)
  }

  #handshakeOver(connection: Connection, host: string): void {
    if (!this.#handshaking.delete(connection)) return
    this.#admission.handshakeOver(host)
    if (this.#handshaking.size === 0) this.#onNoneLeft()
  }
}

/** What one connection is counted for. A class, because closures would be a twentieth of what an idle one costs. */
class Accepted implements ConnectionOwner {
  readonly host: string
  /** Null before HELLO. */
  peerId: string | null = null
  /** Its place with its peer is free for another. */
  drained = false
  readonly #acceptor: Acceptor

  constructor(acceptor: Acceptor, host: string) {
    this.#acceptor = acceptor
    this.host = host
  }

  onReady(connection: Connection, agreement: Agreement): Receiver | null {
    return this.#acceptor.onReady(connection, agreement, this)
  }

  onDraining(): void {
    this.#acceptor.onDraining(this)
  }

  onGone(connection: Connection, error: TransportError): void {
    this.#acceptor.onGone(connection, error, this)
  }
}
