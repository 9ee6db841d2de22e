import type { Address } from './address.js'
import type { ByteChannel } from './channel.js'
import { dial } from './dial.js'
import { type ListenCallbacks, type Listener, listen } from './listen.js'
import type { SocketOptions } from './options.js'

/** Where connections come from. The simulator hands in a network of its own. */
export interface Network {
  /** Settles once: with a channel, or with a coded error. Aborting the signal ends the attempt with its reason. */
  dial(address: Address, options: SocketOptions, signal: AbortSignal): Promise<ByteChannel>
  listen(address: Address, options: SocketOptions, callbacks: ListenCallbacks): Promise<Listener>
}

export const systemNetwork: Network = { dial, listen }
