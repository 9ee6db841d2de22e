import type { ChannelFacts } from '../socket/channel.js'
import type { ConnectionState } from './connection-state.js'

/** What is in force on a connection. */
export interface ConnectionFacts extends ChannelFacts {
  readonly state: ConnectionState
  readonly peerId: string | null
  readonly compression: boolean
  readonly peerLimits: {
    readonly maxFrameBytes: number
    readonly maxMessageBytes: number
    readonly maxOpenCalls: number
  } | null
  readonly queuedBytes: number
}
