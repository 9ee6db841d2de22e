import type { ByteWriter } from '../memory/byte-writer.js'
import type { OneWayTicket } from './ticket.js'

/** What a sender wants after its turn. */
export const SENDER = {
  /** Nothing more to send, or not allowed to: it comes back by itself. */
  DONE: 0,
  /** The next turn of its lane, before any other. */
  STAY: 1,
  /** Another turn, after the others of its lane. */
  ROTATE: 2,
} as const

export type SenderTurn = (typeof SENDER)[keyof typeof SENDER]

/** Something that waits to send: a frame, the one-way messages of a lane, a stream. Sends one thing a turn. */
export interface Sender {
  readonly lane: number
  /** Bytes of ours that it holds as long as it waits; 0 where it keeps its own account. */
  readonly bytes: number
  send(writes: Writes): SenderTurn
}

/** The write loop, as far as a sender is concerned. */
export interface Writes {
  readonly out: ByteWriter
  /** A frame of more bytes travels in parts; 0 where the peer takes none. */
  readonly wholeFrameBytes: number
  readonly maxFrameBytes: number
  /** The stream position behind the last closed frame. */
  readonly endPosition: number
  /** Frames written or held since the beginning. */
  readonly frames: number
  beginControl(kind: number, flags: number, aux: number, id: number): void
  /** Of a held frame that wrote itself. */
  heldFrameEnded(): void
  beginOneWay(flags: number, method: number, ticket: OneWayTicket | null): void
  endOneWay(ticket: OneWayTicket | null): void
  /** Waits for the socket, or sends at once while it has room. */
  enqueue(sender: Sender): void
}
