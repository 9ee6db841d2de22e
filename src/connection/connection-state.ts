/** Where a connection stands. Only these, and only forwards. */
export type ConnectionState = 'connecting' | 'ready' | 'draining' | 'closed'

export type ConnectionEvent =
  /** Both HELLOs are exchanged. */
  | 'agreed'
  /** One side said GO_AWAY: open calls go on, no new ones begin. */
  | 'leave'
  /** The channel is gone, or given up. */
  | 'end'

const TRANSITIONS: Readonly<Record<ConnectionState, Readonly<Partial<Record<ConnectionEvent, ConnectionState>>>>> = {
  connecting: { agreed: 'ready', leave: 'closed', end: 'closed' },
  ready: { leave: 'draining', end: 'closed' },
  draining: { leave: 'draining', end: 'closed' },
  closed: { end: 'closed', leave: 'closed' },
}

/** The state after an event, or null where the event is not allowed. */
export function transition(state: ConnectionState, event: ConnectionEvent): ConnectionState | null {
  return TRANSITIONS[state][event] ?? null
}
