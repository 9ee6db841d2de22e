import { once } from 'node:events'
import { Socket } from 'node:net'
import { expect, test } from 'vitest'
import { failure, type TransportError } from '../../src/base/errors.js'
import { group, type InputOf } from '../../src/base/options.js'
import { systemRandom } from '../../src/base/random.js'
import { Acceptor } from '../../src/connection/acceptor.js'
import type { Connection, ConnectionOwner } from '../../src/connection/connection.js'
import { Dialer } from '../../src/connection/dialer.js'
import { createEnvironment, type Environment } from '../../src/connection/environment.js'
import type { Agreement } from '../../src/connection/hello.js'
import type { Receiver } from '../../src/connection/inbound.js'
import { connectionRules } from '../../src/connection/options.js'
import { CountingClock } from '../fixtures/counting-clock.js'
import { RawPeer, RawServer } from '../fixtures/raw-peer.js'
import { openSilentPort } from '../fixtures/silent-port.js'
import { turn, until } from '../fixtures/stage.js'

const rules = group(connectionRules)
export type Options = InputOf<typeof rules>

const COUNTED = /^(TCP|Pipe)(SocketWrap|ServerWrap|ConnectWrap)$/

function handles(): number {
  return process.getActiveResourcesInfo().filter((name) => COUNTED.test(name)).length
}

const DEAF: Receiver = {
  onMethod: () => {},
  onCall: () => {},
  onAnswer: () => {},
  onOneWay: () => {},
  onAck: () => false,
  onNack: () => false,
  onError: () => {},
  onCancel: () => {},
  onStreamOpen: () => {},
  onGoAway: () => {},
  onTurnEnd: () => {},
  onDrained: () => {},
  onClosed: () => {},
}

/** Who gets connections: takes down what it hears of them. */
export class Owner implements ConnectionOwner {
  readonly ready: Connection[] = []
  readonly gone: { readonly connection: Connection; readonly error: TransportError }[] = []
  /** Takes no peer at all. */
  refuses = false

  onReady(connection: Connection, _agreement: Agreement): Receiver | null {
    if (this.refuses) {
      connection.destroy(failure('closed', 'nobody is wanted'))
      return null
    }
    this.ready.push(connection)
    return DEAF
  }

  onGone(connection: Connection, error: TransportError): void {
    this.gone.push({ connection, error })
  }
}

/** Dialers, acceptors and raw peers of one test, over real sockets and in real time. */
export class Ports {
  readonly #handlesBefore = handles()
  readonly #environments: { readonly environment: Environment; readonly clock: CountingClock }[] = []
  readonly #closers: (() => void | Promise<void>)[] = []
  readonly #owners: Owner[] = []

  #environment(options: Options): { environment: Environment; options: ReturnType<typeof rules.parse> } {
    const parsed = rules.parse({ heartbeat: { intervalMs: 0 }, ...options }, '')
    const clock = new CountingClock()
    const environment = createEnvironment({ clock, random: systemRandom, ...parsed, peerId: 'ours' })
    this.#environments.push({ environment, clock })
    return { environment, options: parsed }
  }

  dialer(address: string, given: Options = {}): { dialer: Dialer; owner: Owner; environment: Environment } {
    const { environment, options } = this.#environment(given)
    const dialer = new Dialer(address, options.socket, environment)
    const owner = this.#owner()
    this.#closers.push(() => dialer.close())
    return { dialer, owner, environment }
  }

  async acceptor(given: Options = {}): Promise<Accepting> {
    const { environment, options } = this.#environment(given)
    const owner = this.#owner()
    const acceptor = new Acceptor(options.socket, environment, owner, () => [])
    this.#closers.push(() => acceptor.close(failure('closed', 'the test is over'), 0))
    return { acceptor, owner, environment, address: await acceptor.listen('tcp://127.0.0.1:0') }
  }

  async rawServer(): Promise<RawServer> {
    const server = await RawServer.listen()
    this.#closers.push(() => server.close())
    return server
  }

  async rawPeer(address: string): Promise<RawPeer> {
    const peer = await RawPeer.dial(address)
    this.#closers.push(() => peer.destroy())
    return peer
  }

  /** A raw connection from another address of this machine. */
  async rawPeerFrom(localAddress: string, address: string): Promise<RawPeer> {
    const peer = new RawPeer(new Socket())
    this.#closers.push(() => peer.destroy())
    peer.socket.connect({ host: '127.0.0.1', port: Number(address.split(':').at(-1)), localAddress })
    await once(peer.socket, 'connect')
    return peer
  }

  /** An address that answers nothing at all. */
  async silentAddress(): Promise<string> {
    const silent = await openSilentPort()
    this.#closers.push(() => silent.close())
    return silent.address
  }

  async close(): Promise<void> {
    for (const close of this.#closers) await close()
    for (const { ready } of this.#owners) for (const connection of ready) connection.destroy(failure('closed', 'over'))
    await until(() => this.#owners.every(({ ready, gone }) => gone.length >= ready.length))
    for (let turns = 0; turns < 1_000 && handles() > this.#handlesBefore; turns += 1) await turn()
    expect(handles()).toBe(this.#handlesBefore)
    for (const { environment, clock } of this.#environments) {
      const { wheel, ledger } = environment
      expect({ armed: wheel.armed, timers: clock.timers, held: ledger.current }).toEqual({
        armed: 0,
        timers: 0,
        held: 0,
      })
    }
  }

  #owner(): Owner {
    const owner = new Owner()
    this.#owners.push(owner)
    return owner
  }
}

export interface Accepting {
  readonly acceptor: Acceptor
  readonly owner: Owner
  readonly environment: Environment
  readonly address: string
}

/** A test with ports of its own. */
export const it = test.extend<{ ports: Ports }>({
  // biome-ignore lint/correctness/noEmptyPattern: the shape that vitest asks for
  ports: async ({}, use) => {
    const ports = new Ports()
    await use(ports)
    await ports.close()
  },
})
