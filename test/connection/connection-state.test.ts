import { describe, expect, it } from 'vitest'
import { type ConnectionEvent, type ConnectionState, transition } from '../../src/connection/connection-state.js'

const STATES: readonly ConnectionState[] = ['connecting', 'ready', 'draining', 'closed']
const EVENTS: readonly ConnectionEvent[] = ['agreed', 'leave', 'end']

describe('the state of a connection', () => {
  it.each<[ConnectionState, ConnectionEvent, ConnectionState | null]>([
    ['connecting', 'agreed', 'ready'],
    ['connecting', 'leave', 'closed'],
    ['connecting', 'end', 'closed'],
    ['ready', 'agreed', null],
    ['ready', 'leave', 'draining'],
    ['ready', 'end', 'closed'],
    ['draining', 'agreed', null],
    ['draining', 'leave', 'draining'],
    ['draining', 'end', 'closed'],
    ['closed', 'agreed', null],
    ['closed', 'leave', 'closed'],
    ['closed', 'end', 'closed'],
  ])('%s, on %s, becomes %s', (state, event, next) => {
    expect(transition(state, event)).toBe(next)
  })

  it('never goes back', () => {
    for (const state of STATES) {
      for (const event of EVENTS) {
        const next = transition(state, event)
        if (next !== null) expect(STATES.indexOf(next)).toBeGreaterThanOrEqual(STATES.indexOf(state))
      }
    }
  })

  it('can end from everywhere', () => {
    expect(STATES.map((state) => transition(state, 'end'))).toEqual(STATES.map(() => 'closed'))
  })
})
