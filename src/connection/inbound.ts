import type { StatusCode, TransportError } from '../base/errors.js'
import type { Fault } from '../wire/fault.js'

const NOTHING = Buffer.alloc(0)

/**
 * One message on its way up. There is one of these per connection, filled anew for each message: whoever receives it
 * takes what it needs before returning. The payload is `bytes[start, end)`; it is borrowed unless `owned`.
 */
export class InboundMessage {
  /** Of a one-way message: 0 where nobody asks for an acknowledgement. */
  id = 0
  /** The method's number on this connection. */
  method = 0
  /** Number of the codec that made the payload. */
  codec = 0
  lane = 0
  /** Milliseconds that the caller still waits; 0 for ever. */
  timeoutMs = 0
  /** How long it is known to have waited on this side before it was read. */
  waitedMs = 0
  /** The metadata block, or an empty range. Always borrowed. */
  metadataBytes: Buffer = NOTHING
  metadataStart = 0
  metadataEnd = 0
  bytes: Buffer = NOTHING
  start = 0
  end = 0
  owned = false
  /** What it takes of the credit of its lane or stream; given back when whoever reads it is done. */
  cost = 0
}

/** What a ready connection hands to the floor above. Called from the read path: must not throw. */
export interface Receiver {
  /** The peer will call the method of this name by this number. */
  onMethod(number: number, name: string): void
  onCall(message: InboundMessage): void
  onAnswer(message: InboundMessage): void
  onError(id: number, code: StatusCode, fault: Fault): void
  onOneWay(message: InboundMessage): void
  /** The peer acknowledges messages of ours, see `ACK`. Returns false where they do not wait for that. */
  onAck(stage: number, first: number, last: number): boolean
  /** It refuses one, or its handler failed. */
  onNack(id: number, error: TransportError): boolean
  /** The peer opens a stream, whose id is admitted. */
  onStreamOpen(message: InboundMessage): void
  onCancel(id: number, code: StatusCode): void
  /** The peer takes no calls with an id above `lastAcceptedId`, and runs none of them. */
  onGoAway(lastAcceptedId: number, error: TransportError): void
  /** All frames of this turn were handed up. */
  onTurnEnd(): void
  /** The socket took everything that waited. */
  onDrained(): void
  /** The last call. `handedBytes` is how much of what was written ever reached the socket. */
  onClosed(error: TransportError, handedBytes: number): void
}
