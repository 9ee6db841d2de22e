/** Whoever wants to know what becomes of a frame. */
export interface Ticket {
  /** The position in the stream of bytes behind the frame; Infinity while it has not left. */
  endPosition: number
  /** Nobody needs the frame any more: it is not sent, or taken back where a part of it was. */
  readonly withdrawn: boolean
  /** How many milliseconds are left of the call, for the frame to say; 0 for ever. */
  readonly leftMs: number
  /** The frame leaves now, whole or with its last part. Returns the id that it leaves under. */
  leave(): number
}

/** Whoever waits for the acknowledgement of a one-way message. */
export interface OneWayTicket extends Ticket {
  /** Its frame is begun. Returns the id that it leaves under, if it does so at once. */
  begin(): number
  /** It had to make room for another before it left. */
  onDropped(): void
}
