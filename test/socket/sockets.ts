import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { TransportError } from '../../src/base/errors.js'
import type { InputOf } from '../../src/base/options.js'
import { type Address, parseAddress } from '../../src/socket/address.js'
import type { ByteChannel, ChannelReceiver } from '../../src/socket/channel.js'
import { dial } from '../../src/socket/dial.js'
import { type Listener, listen } from '../../src/socket/listen.js'
import { type SocketOptions, socketRules } from '../../src/socket/options.js'
import { until } from '../fixtures/stage.js'

export type GivenOptions = InputOf<typeof socketRules>

export function socketOptions(given: GivenOptions = {}): SocketOptions {
  return socketRules.parse(given, 'socket')
}

/** Bytes in which every misplaced one shows: the period is prime, and no buffer's size. */
export function pattern(length: number, offset = 0): Buffer {
  const bytes = Buffer.alloc(length)
  for (let at = 0; at < length; at += 1) bytes[at] = (at + offset) % 251
  return bytes
}

/** One end of a connection, and all that it heard. */
export class End implements ChannelReceiver {
  readonly channel: ByteChannel
  readonly chunks: Buffer[] = []
  readonly events: string[] = []
  /** Whether each write that was handed back had failed. */
  readonly written: boolean[] = []
  closed: { readonly error: TransportError | null } | null = null
  length = 0
  /** Where the next bytes are to go. */
  target: Buffer | null = null
  /** Called with bytes that came, in place of keeping them. */
  read: ((bytes: Buffer, length: number) => void) | null = null

  constructor(channel: ByteChannel) {
    this.channel = channel
    channel.receive(this)
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks)
  }

  destination(): Buffer | null {
    return this.target
  }

  onBytes(bytes: Buffer, length: number): void {
    this.#open()
    this.length += length
    if (this.read === null) this.chunks.push(Buffer.from(bytes.subarray(0, length)))
    else this.read(bytes, length)
  }

  onWritten(failed = false): void {
    this.#open()
    this.written.push(failed)
  }

  onEnd(): void {
    this.#open()
    this.events.push('end')
  }

  onClosed(error: TransportError | null): void {
    this.#open()
    this.events.push('closed')
    this.closed = { error }
  }

  #open(): void {
    if (this.closed !== null) throw new Error('heard of something after the last call')
  }
}

export interface Pair {
  /** The end that dialled. */
  readonly near: End
  /** The end that was accepted. */
  readonly far: End
  readonly listener: Listener
}

/** Listeners and channels of one test. Ends them all, and looks whether they are gone. */
export class Sockets {
  readonly #listeners: Listener[] = []
  readonly #ends: End[] = []
  readonly #folders: string[] = []

  /** A path in a folder of the test's own. */
  path(): string {
    const folder = mkdtempSync(join(tmpdir(), 'alys-'))
    this.#folders.push(folder)
    return join(folder, 'socket')
  }

  /** An address of the kind that the system or this test chooses anew. */
  fresh(kind: Address['kind']): Address {
    return kind === 'unix' ? { kind, path: this.path() } : parseAddress('tcp://127.0.0.1:0')
  }

  async listen(
    address: Address,
    given: GivenOptions = {},
    onChannel: (channel: ByteChannel) => void = (channel) => this.end(channel),
  ): Promise<Listener> {
    const options = socketOptions(given)
    const onAcceptFailed = (error: Error): void => expect.fail(`accepting failed: ${error.message}`)
    const listener = await listen(address, options, { onChannel, onAcceptFailed })
    this.#listeners.push(listener)
    return listener
  }

  async dial(address: Address, given: GivenOptions = {}): Promise<End> {
    return this.end(await dial(address, socketOptions(given), new AbortController().signal))
  }

  /** Two ends of a new connection. */
  async pair(kind: Address['kind'] = 'tcp', given: GivenOptions = {}): Promise<Pair> {
    let far: End | null = null
    const listener = await this.listen(this.fresh(kind), given, (channel) => {
      far = this.end(channel)
    })
    const near = await this.dial(listener.address, given)
    await until(() => far !== null)
    return { near, far: far as unknown as End, listener }
  }

  end(channel: ByteChannel): End {
    const end = new End(channel)
    this.#ends.push(end)
    return end
  }

  async close(): Promise<void> {
    for (const { channel } of this.#ends) channel.destroy()
    await Promise.all(this.#listeners.map((listener) => listener.close()))
    await until(() => this.#ends.every(({ closed }) => closed !== null))
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
