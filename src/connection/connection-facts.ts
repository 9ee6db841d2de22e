import { failure, type TransportError } from '../base/errors.js'
import type { ChannelFacts } from '../socket/channel.js'
import type { ConnectionState } from './connection-state.js'

/** What is in force on a connection. */
export interface ConnectionFacts extends ChannelFacts {
  readonly state: ConnectionState
  readonly peerId: string | null
  /** The certificate of the peer has this id among its names. Else the id is a claim. */
  readonly peerProven: boolean
  readonly compression: boolean
  readonly peerLimits: {
    readonly maxFrameBytes: number
    readonly maxMessageBytes: number
    readonly maxOpenCalls: number
  } | null
  readonly queuedBytes: number
}

/** Whether the certificate of the peer proves its id. */
export function proves({ tls }: ChannelFacts, peerId: string): boolean {
  return tls?.peerNames.includes(peerId) === true
}

/** Why a peer with this id must go, or null. */
export function judgeIdentity(facts: ChannelFacts, peerId: string): TransportError | null {
  if (facts.tls?.mutual !== true || proves(facts, peerId)) return null
  return failure('identity-mismatch', 'the peer id of the HELLO is not a name of the certificate')
}
