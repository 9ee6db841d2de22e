import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.js'
import { parseAddress } from '../../src/socket/address.js'
import type { ByteChannel } from '../../src/socket/channel.js'
import { dial } from '../../src/socket/dial.js'
import { type Listener, listen } from '../../src/socket/listen.js'
import { type MemoryChannelOptions, memoryChannelPair } from '../../src/socket/memory-channel.js'
import { type SocketOptions, socketRules } from '../../src/socket/options.js'
import { dialTls } from '../../src/socket/tls-dial.js'
import { listenTls } from '../../src/socket/tls-listen.js'
import { TlsMaterial } from '../../src/socket/tls-material.js'
import { Authority } from '../fixtures/certificates.mjs'
import { turn, until } from '../fixtures/stage.js'
import { End } from './end.js'

/** Resources of this process that a test must not leave behind. */
const COUNTED = /^(TCP|Pipe)(SocketWrap|ServerWrap|Wrap|ConnectWrap)$/

export function openHandles(): string[] {
  return process.getActiveResourcesInfo().filter((name) => COUNTED.test(name))
}

/** Handles are gone a few turns after they were closed; what is there after a thousand stays. */
export async function noMoreHandlesThan(before: readonly string[]): Promise<void> {
  for (let turns = 0; turns < 1_000 && openHandles().length > before.length; turns += 1) await turn()
  expect(openHandles().toSorted()).toEqual(before.toSorted())
}

export function socketOptions(options: Partial<SocketOptions> = {}): SocketOptions {
  return socketRules.parse(options, 'socket')
}

/** An attempt that nobody gives up. */
export const PATIENT = new AbortController().signal

let material: TlsMaterial | undefined

/** One for all tests of a file. */
async function tlsMaterial(): Promise<TlsMaterial> {
  if (material !== undefined) return material
  const authority = await Authority.make('root')
  material = new TlsMaterial({ ...(await authority.issue({ dns: ['node'], ip: ['127.0.0.1'] })), ca: authority.pem })
  return material
}

/** The two ends of one channel. `near` dialled. */
export interface Pair {
  readonly near: End
  readonly far: End
}

/** Channels and listeners of one test. Closes them at its end, and sees that no handle is left. */
export class Sockets {
  readonly #before = openHandles()
  readonly #ends: End[] = []
  readonly #listeners: Listener[] = []
  readonly #folders: string[] = []

  /** A path for a unix socket. */
  path(): string {
    const folder = mkdtempSync(join(tmpdir(), 'alys-'))
    this.#folders.push(folder)
    return join(folder, 'socket')
  }

  /** Listens, and hands out the ends of what it accepts, in order. */
  async listen(
    address = 'tcp://127.0.0.1:0',
    options: Partial<SocketOptions> = {},
  ): Promise<{ readonly listener: Listener; readonly accepted: End[] }> {
    const accepted: End[] = []
    const listener = await listen(parseAddress(address), socketOptions(options), {
      onChannel: (channel) => accepted.push(this.end(channel)),
      onAcceptFailed: (error) => expect.unreachable(error.message),
    })
    this.#listeners.push(listener)
    return { listener, accepted }
  }

  /** Both ends of a socket. */
  async pair(address: string, near: Partial<SocketOptions> = {}, far: Partial<SocketOptions> = {}): Promise<Pair> {
    const { listener, accepted } = await this.listen(address, far)
    return this.dialled(listener, accepted, near)
  }

  /** Dials a listener of ours that nobody has dialled before. */
  async dialled(listener: Listener, accepted: readonly End[], near: Partial<SocketOptions> = {}): Promise<Pair> {
    const dialled = this.end(await dial(listener.address, socketOptions(near), PATIENT))
    await until(() => accepted.length === 1)
    return { near: dialled, far: accepted[0] as End }
  }

  tcp(near: Partial<SocketOptions> = {}, far: Partial<SocketOptions> = {}): Promise<Pair> {
    return this.pair('tcp://127.0.0.1:0', near, far)
  }

  unix(): Promise<Pair> {
    return this.pair(`unix:${this.path()}`)
  }

  /** Both ends of a connection over TLS, in which both have shown a certificate. */
  async tls(): Promise<Pair> {
    const material = await tlsMaterial()
    const accepted: End[] = []
    const options = { ...socketOptions(), tls: material }
    const listener = await listenTls({ kind: 'tls', host: '127.0.0.1', port: 0 }, options, {
      onChannel: (channel) => accepted.push(this.end(channel)),
      onAcceptFailed: (error) => expect.unreachable(error.message),
    })
    this.#listeners.push(listener)
    const { address } = listener
    if (address.kind !== 'tls') throw new Error('it listens somewhere else')
    const near = this.end(await dialTls(address, options, PATIENT))
    await until(() => accepted.length === 1)
    return { near, far: accepted[0] as End }
  }

  memory(options: MemoryChannelOptions = {}): Pair {
    const [near, far] = memoryChannelPair(systemClock, options)
    return { near: this.end(near), far: this.end(far) }
  }

  /** Takes a channel in, to be closed with the rest. */
  end(channel: ByteChannel): End {
    const end = new End(channel)
    this.#ends.push(end)
    return end
  }

  /** Takes a listener in, to be closed with the rest. */
  keep(listener: Listener): void {
    this.#listeners.push(listener)
  }

  async close(): Promise<void> {
    for (const end of this.#ends) end.destroy()
    await Promise.all(this.#listeners.map((listener) => listener.close()))
    await until(() => this.#ends.every(({ closed }) => closed))
    // Whatever would come too late has time to come.
    for (let turns = 0; turns < 3; turns += 1) await turn()
    expect(this.#ends.flatMap(({ wrongs }) => wrongs)).toEqual([])
    for (const { handedBack, writes } of this.#ends) expect(handedBack).toBe(writes)
    await noMoreHandlesThan(this.#before)
    for (const folder of this.#folders) rmSync(folder, { recursive: true })
  }
}

/** A test with sockets of its own. */
export const it = test.extend<{ sockets: Sockets }>({
  // biome-ignore lint/correctness/noEmptyPattern: the shape that vitest asks for
  sockets: async ({}, use) => {
    const sockets = new Sockets()
    await use(sockets)
    await sockets.close()
  },
})

/** Bytes of which each says where in the stream it was. */
export function stream(bytes: number): Buffer {
  const out = Buffer.allocUnsafe(bytes)
  for (let at = 0; at < bytes; at += 1) out[at] = (at ^ (at >>> 8) ^ (at >>> 16)) & 0xff
  return out
}
