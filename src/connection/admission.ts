import { failure, type TransportError } from '../base/errors.js'
import type { Limits } from './limits.js'

/** Counts connections of one server, and says which one is too many. Arithmetic only. */
export class Admission {
  readonly #limits: Limits
  readonly #maxConnections: number
  readonly #handshakesByHost = new Map<string, number>()
  readonly #connectionsByPeer = new Map<string, number>()
  /** Those of them that take nothing new any more. */
  readonly #drainingByPeer = new Map<string, number>()
  #handshakes = 0
  #connections = 0

  /** `maxDescriptors` is the process's limit of open files, or Infinity where it is not known. */
  constructor(limits: Limits, maxDescriptors: number) {
    this.#limits = limits
    this.#maxConnections = Math.min(limits.maxConnections, Math.floor(maxDescriptors * DESCRIPTOR_SHARE))
  }

  get connections(): number {
    return this.#connections
  }

  /** A connection was accepted from this host. Returns why it must go, or null after counting it. */
  enter(host: string): TransportError | null {
    const { maxHandshakes, maxHandshakesPerAddress } = this.#limits
    if (this.#connections >= this.#maxConnections) {
      return failure('too-many-connections', `there are ${this.#connections} connections already`)
    }
    if (this.#handshakes >= maxHandshakes) {
      return failure('too-many-handshakes', `${this.#handshakes} connections have not said HELLO yet`)
    }
    const fromHost = this.#handshakesByHost.get(host) ?? 0
    if (fromHost >= maxHandshakesPerAddress) {
      return failure('too-many-handshakes-per-address', `${fromHost} connections from ${host} have not said HELLO yet`)
    }
    this.#connections += 1
    this.#handshakes += 1
    this.#handshakesByHost.set(host, fromHost + 1)
    return null
  }

  /** The handshake of a counted connection is over, well or not. */
  handshakeOver(host: string): void {
    this.#handshakes -= 1
    decrease(this.#handshakesByHost, host)
  }

  /** The peer has said who it is. Returns why it must go, or null after counting it. */
  identify(peerId: string): TransportError | null {
    const count = this.#connectionsByPeer.get(peerId) ?? 0
    if (count >= this.#limits.maxConnectionsPerPeer) {
      return failure('too-many-connections-per-peer', `there are ${count} connections with this peer id already`)
    }
    this.#connectionsByPeer.set(peerId, count + 1)
    return null
  }

  /**
   * An identified connection takes nothing new: the one that replaces it may come. Returns false where as many end slowly
   * already: then it keeps its place until it is gone.
   */
  drain(peerId: string): boolean {
    const draining = this.#drainingByPeer.get(peerId) ?? 0
    if (draining >= this.#limits.maxConnectionsPerPeer) return false
    this.#drainingByPeer.set(peerId, draining + 1)
    decrease(this.#connectionsByPeer, peerId)
    return true
  }

  /** A counted connection is gone; `peerId` is null when it was never identified, `drained` what `drain` returned. */
  leave(peerId: string | null, drained = false): void {
    this.#connections -= 1
    if (peerId !== null) decrease(drained ? this.#drainingByPeer : this.#connectionsByPeer, peerId)
  }
}

/** Files, listeners and the connections that we dial need descriptors too. */
const DESCRIPTOR_SHARE = 0.8

function decrease(counts: Map<string, number>, key: string): void {
  const count = (counts.get(key) ?? 0) - 1
  if (count > 0) counts.set(key, count)
  else counts.delete(key)
}
