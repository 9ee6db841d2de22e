import type { ByteChannel, ChannelReceiver } from '../../src/socket/channel.js'
import type { Network } from '../../src/testing.js'

export interface Listening {
  /** A connection of this machine is over. */
  onOver(): void
  /** It dials. */
  onDial(): void
}

/** A network that also tells us when its connections end or are gone: what is due by then is judged at once. */
export function tapped(network: Network, { onOver, onDial }: Listening): Network {
  return {
    dial: async (address, options, signal) => {
      onDial()
      return tap(await network.dial(address, options, signal), onOver)
    },
    listen: (address, options, callbacks) => {
      return network.listen(address, options, {
        ...callbacks,
        onChannel: (channel) => callbacks.onChannel(tap(channel, onOver)),
      })
    },
    resolve: (query, signal) => network.resolve(query, signal),
  }
}

function tap(channel: ByteChannel, onOver: () => void): ByteChannel {
  const receive = channel.receive.bind(channel)
  channel.receive = (receiver: ChannelReceiver) =>
    receive({
      onBytes: (bytes, length) => receiver.onBytes(bytes, length),
      destination: () => receiver.destination(),
      onWritten: (failed) => receiver.onWritten(failed),
      onEnd: () => {
        onOver()
        receiver.onEnd()
      },
      onClosed: (error) => {
        onOver()
        receiver.onClosed(error)
      },
    })
  return channel
}
