import type { Address } from './address.js'
import type { ByteChannel } from './channel.js'
import { dial } from './dial.js'
import { type ListenCallbacks, type Listener, listen } from './listen.js'
import type { LinkOptions } from './options.js'
import { type NameAnswer, type NameQuery, resolve } from './resolve.js'
import { dialTls } from './tls-dial.js'
import { listenTls } from './tls-listen.js'

/** Where connections come from. The simulator hands in a network of its own. */
export interface Network {
  /** Settles once: with a channel, or with a coded error. Aborting the signal ends the attempt with its reason. */
  dial(address: Address, options: LinkOptions, signal: AbortSignal): Promise<ByteChannel>
  listen(address: Address, options: LinkOptions, callbacks: ListenCallbacks): Promise<Listener>
  /** Settles once: with at least one record, or with a coded error. Aborting the signal ends the attempt. */
  resolve(query: NameQuery, signal: AbortSignal): Promise<NameAnswer>
}

export const systemNetwork: Network = {
  async dial(address, options, signal) {
    return address.kind === 'tls' ? dialTls(address, options, signal) : dial(address, options, signal)
  },
  async listen(address, options, callbacks) {
    return address.kind === 'tls' ? listenTls(address, options, callbacks) : listen(address, options, callbacks)
  },
  resolve,
}
