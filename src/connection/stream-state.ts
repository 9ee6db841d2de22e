/** Where a stream stands, seen from one end. Only these, and only forwards. */
export type StreamState =
  /** Both sides may send. */
  | 'open'
  /** We have ended our half. */
  | 'local-ended'
  /** The peer has ended its half; of streams that the peer opened. */
  | 'remote-ended'
  /** Its opener has given it up; whoever serves it has not settled. */
  | 'reset'
  /** Whoever serves it has settled: nothing follows. */
  | 'closed'

export type StreamEvent =
  /** Of the opener: our STREAM_END. */
  | 'end-sent'
  /** Of the server: the opener's STREAM_END. */
  | 'end-received'
  /** The opener's STREAM_RESET, sent or received. */
  | 'reset'
  /** The server's STREAM_END, sent or received; or the connection is closed. */
  | 'settled'

const TRANSITIONS: Readonly<Record<StreamState, Readonly<Partial<Record<StreamEvent, StreamState>>>>> = {
  open: { 'end-sent': 'local-ended', 'end-received': 'remote-ended', reset: 'reset', settled: 'closed' },
  'local-ended': { reset: 'reset', settled: 'closed' },
  'remote-ended': { reset: 'reset', settled: 'closed' },
  reset: { settled: 'closed' },
  closed: {},
}

/** The state after an event, or null where the event is not allowed. */
export function nextStreamState(state: StreamState, event: StreamEvent): StreamState | null {
  return TRANSITIONS[state][event] ?? null
}
