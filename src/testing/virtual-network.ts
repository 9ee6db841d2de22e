import { failure } from '../base/errors.js'
import type { Random } from '../base/random.js'
import { type Address, formatAddress, parseAddress } from '../socket/address.js'
import type { ByteChannel } from '../socket/channel.js'
import type { ListenCallbacks, Listener } from '../socket/listen.js'
import type { Network } from '../socket/network.js'
import type { LinkOptions, SocketOptions } from '../socket/options.js'
import type { NameAnswer, NameQuery } from '../socket/resolve.js'
import { Link } from './link.js'
import { readSocketOptions } from './options.js'
import type { Life, Scheduler } from './scheduler.js'
import { type ConnectionSurroundings, type Side, VirtualConnection } from './virtual-connection.js'
import { type NameEntry, VirtualNames } from './virtual-names.js'

/**
 * The network as a program on one machine sees it. It is a `Network` that takes addresses as text as well, and has
 * defaults for what a program of its own has no wish about.
 */
export interface MachineNetwork extends Network {
  dial(address: Address | string, options?: Partial<LinkOptions>, signal?: AbortSignal): Promise<ByteChannel>
  listen(address: Address | string, options: Partial<LinkOptions>, callbacks: ListenCallbacks): Promise<Listener>
  resolve(query: NameQuery, signal?: AbortSignal): Promise<NameAnswer>
}

interface Listening {
  readonly life: Life
  readonly address: Address
  readonly callbacks: ListenCallbacks
  readonly options: SocketOptions
}

/** A dial of a life that is not settled. */
interface Attempt {
  readonly life: Life
  readonly address: Address
  readonly options: SocketOptions
  settled: boolean
  readonly resolve: (channel: ByteChannel) => void
  readonly reject: (error: unknown) => void
}

const FIRST_PORT = 20_000
/** A kernel asks again when nothing answers its SYN: after a second, two, four. */
const FIRST_SYN_MS = 1_000

/** Hosts, and the connections between them. Whatever happens to bytes is drawn from one `Random`, or told. */
export class VirtualNetwork implements ConnectionSurroundings {
  readonly #scheduler: Scheduler
  readonly #random: Random
  readonly #links = new Map<string, Link>()
  readonly #listeners = new Map<string, Listening>()
  readonly #connections = new Set<VirtualConnection>()
  readonly #attempts = new Set<Attempt>()
  /** Hosts that fell silent, and were not started again. */
  readonly #dark = new Set<string>()
  readonly #names: VirtualNames
  #lastPort = FIRST_PORT
  #lastId = 0

  constructor(scheduler: Scheduler, random: Random) {
    this.#scheduler = scheduler
    this.#random = random
    this.#names = new VirtualNames(scheduler)
  }

  /** What `dns+tcp://` names lead to; a test sets and changes it. Looking up a name that is not in it fails. */
  get names(): Map<string, NameEntry> {
    return this.#names.entries
  }

  /** Connections of which at least one end is open. */
  get connections(): readonly VirtualConnection[] {
    return [...this.#connections]
  }

  get connectionCount(): number {
    return this.#connections.size
  }

  get listenerCount(): number {
    return this.#listeners.size
  }

  /** The way between two hosts, in one direction. */
  link(from: string, to: string): Link {
    const key = `${from} ${to}`
    const known = this.#links.get(key)
    if (known !== undefined) return known
    const link = new Link(from, to, this.#random)
    this.#links.set(key, link)
    return link
  }

  /** Every link is up and perfect again. */
  heal(): void {
    for (const link of this.#links.values()) link.heal()
  }

  /** The network as a program on one machine sees it. */
  of(life: Life): MachineNetwork {
    return {
      dial: (address, options, signal = patient()) => this.#dial(life, address, options, signal),
      listen: async (address, options, callbacks) =>
        this.#listen(life, placeable(address), readSocketOptions(options), callbacks),
      resolve: (query, signal = patient()) => this.#names.resolve(life, query, signal),
    }
  }

  hasPower(host: string): boolean {
    return !this.#dark.has(host)
  }

  onClosed(connection: VirtualConnection): void {
    this.#connections.delete(connection)
  }

  /** Of the simulation: a machine starts. */
  onBoot(host: string): void {
    this.#dark.delete(host)
    for (const connection of this.connections) connection.findOut()
  }

  /** Of the simulation: a machine is gone; silently, as without power, or with its kernel still there to say so. */
  onCrash(life: Life, silent: boolean): void {
    if (silent) this.#dark.add(life.host)
    for (const [key, listening] of this.#listeners) if (listening.life === life) this.#listeners.delete(key)
    for (const attempt of this.#attempts) if (attempt.life === life) this.#settle(attempt)
    for (const connection of this.connections) connection.onCrash(life, silent)
  }

  #listen(life: Life, asked: Address, options: SocketOptions, callbacks: ListenCallbacks): Listener {
    const address = asked.kind === 'tcp' && asked.port === 0 ? { ...asked, port: this.#nextPort() } : asked
    const key = placeOf(life.host, address)
    if (this.#listeners.has(key)) {
      const where = formatAddress(address)
      throw failure('address-in-use', `somebody listens at ${where} already`, { details: { address: where } })
    }
    const listening = { life, address, callbacks, options }
    this.#listeners.set(key, listening)
    return {
      address,
      close: async () => {
        if (this.#listeners.get(key) === listening) this.#listeners.delete(key)
      },
    }
  }

  #dial(life: Life, asked: Address | string, wishes: unknown, signal: AbortSignal): Promise<ByteChannel> {
    return new Promise((resolve, reject) => {
      const address = placeable(asked)
      const options = readSocketOptions(wishes)
      if (signal.aborted) {
        reject(signal.reason)
        return
      }
      const onAbort = (): void => {
        this.#settle(attempt)
        reject(signal.reason)
      }
      const attempt: Attempt = {
        life,
        address,
        options,
        settled: false,
        resolve: (channel) => {
          signal.removeEventListener('abort', onAbort)
          resolve(channel)
        },
        reject: (error) => {
          signal.removeEventListener('abort', onAbort)
          reject(error)
        },
      }
      signal.addEventListener('abort', onAbort)
      this.#attempts.add(attempt)
      this.#scheduler.note(life.host, `dials ${formatAddress(address)}`)
      this.#sendSyn(attempt, FIRST_SYN_MS)
    })
  }

  #sendSyn(attempt: Attempt, againMs: number): void {
    if (attempt.settled) return
    const { there, back } = this.#way(attempt)
    const delayMs = there.delayMs() + there.conditions.dialDelayMs
    this.#scheduler.schedule(null, delayMs, () => {
      const host = hostOf(attempt)
      if (attempt.settled) return
      if (there.up && this.hasPower(host)) this.#onSyn(attempt, there, back)
      else this.#scheduler.schedule(attempt.life, againMs, () => this.#sendSyn(attempt, againMs * 2))
    })
  }

  /** At the kernel of the host that is dialled. */
  #onSyn(attempt: Attempt, there: Link, back: Link): void {
    const listening = this.#listeners.get(placeOf(hostOf(attempt), attempt.address))
    if (listening === undefined || there.conditions.dials === 'refused') {
      this.#later(attempt, back, () => attempt.reject(refused(attempt.address)))
      return
    }
    this.#lastId += 1
    const { life, options } = listening
    const from = `tcp://${attempt.life.host}:${this.#nextPort()}`
    const sides: [Side, Side] = [
      { life: attempt.life, address: from, keepAliveMs: attempt.options.keepAliveMs },
      { life, address: formatAddress(listening.address), keepAliveMs: options.keepAliveMs },
    ]
    const connection = new VirtualConnection(this.#lastId, sides, [there, back], this.#scheduler, this)
    this.#connections.add(connection)
    if (there.conditions.dials === 'reset') connection.reset()
    this.#scheduler.schedule(life, 0, () => {
      // It may have stopped listening after its kernel took the connection.
      if (this.#listeners.get(placeOf(life.host, listening.address)) !== listening) connection.accepted.destroy()
      this.#scheduler.note(life.host, 'accepts', connection.id)
      listening.callbacks.onChannel(connection.accepted)
    })
    this.#later(
      attempt,
      back,
      () => {
        this.#scheduler.note(attempt.life.host, 'is connected', connection.id)
        attempt.resolve(connection.dialled)
      },
      () => connection.dialled.vanish(false),
    )
  }

  /** The answer of the kernel reaches who dialled; where it is lost on the way, nothing does. */
  #later(attempt: Attempt, back: Link, tell: () => void, giveUp: () => void = () => {}): void {
    this.#scheduler.schedule(attempt.life.alive ? attempt.life : null, back.delayMs(), () => {
      if (attempt.settled) giveUp()
      else if (back.up) {
        this.#settle(attempt)
        tell()
      } else this.#scheduler.schedule(attempt.life, FIRST_SYN_MS, () => this.#later(attempt, back, tell, giveUp))
    })
  }

  #settle(attempt: Attempt): void {
    attempt.settled = true
    this.#attempts.delete(attempt)
  }

  #way({ life, address }: Attempt): { readonly there: Link; readonly back: Link } {
    const host = address.kind === 'unix' ? life.host : address.host
    return { there: this.link(life.host, host), back: this.link(host, life.host) }
  }

  #nextPort(): number {
    this.#lastPort += 1
    return this.#lastPort
  }
}

/** Of an attempt that nobody gives up. One each: what listens to a signal is kept by it. */
function patient(): AbortSignal {
  return new AbortController().signal
}

/** An address that is somewhere here. There are no certificates: as plain TCP, `tls://` would seem to have been tested. */
function placeable(asked: Address | string): Address {
  const address = typeof asked === 'string' ? parseAddress(asked) : asked
  if (address.kind !== 'tls') return address
  const where = formatAddress(address)
  throw failure('misuse', `TLS is not simulated: there is no ${where} here, use tcp://`, {
    details: { address: where },
  })
}

/** Where an address is: unix sockets are on the machine of who names them. */
function placeOf(host: string, address: Address): string {
  return address.kind === 'unix' ? `${host} ${address.path}` : `${address.host} ${address.port}`
}

function hostOf({ life, address }: Attempt): string {
  return address.kind === 'unix' ? life.host : address.host
}

function refused(address: Address): Error {
  const where = formatAddress(address)
  const details = { address: where, systemCode: 'ECONNREFUSED' }
  return failure('connect-refused', `nobody listens at ${where}`, { details })
}
