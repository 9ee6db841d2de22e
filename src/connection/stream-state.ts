/** Where a stream stands, seen from one end. Only these, and only forwards. */
export type StreamState =
  /** Both sides may send. */
  | 'open'
  /** Its opener has ended its half. */
  | 'half-ended'
  /** Its opener has given it up; whoever serves it has not settled. */
  | 'reset'
  /** Whoever serves it has settled, or the connection is closed: nothing follows. */
  | 'closed'

export type StreamEvent =
  /** The opener's STREAM_END. */
  | 'end'
  /** The opener's STREAM_RESET. */
  | 'reset'
  /** The server's STREAM_END; or the connection is closed. */
  | 'settle'

const TRANSITIONS: Readonly<Record<StreamState, Readonly<Partial<Record<StreamEvent, StreamState>>>>> = {
  open: { end: 'half-ended', reset: 'reset', settle: 'closed' },
  'half-ended': { reset: 'reset', settle: 'closed' },
  reset: { settle: 'closed' },
  closed: {},
}

/** The state after an event, or null where the event is not allowed. */
export function nextStreamState(state: StreamState, event: StreamEvent): StreamState | null {
  return TRANSITIONS[state][event] ?? null
}
