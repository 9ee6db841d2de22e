import { describe, expect, test } from 'vitest'
import { nextStreamState, type StreamEvent, type StreamState } from '../../src/connection/stream-state.js'

const EVENTS: readonly StreamEvent[] = ['end', 'reset', 'settle']

/** Each state, and what becomes of it at each of the events above; null where the event is not allowed. */
const TABLE: readonly (readonly [StreamState, readonly (StreamState | null)[]])[] = [
  ['open', ['half-ended', 'reset', 'closed']],
  ['half-ended', [null, 'reset', 'closed']],
  ['reset', [null, null, 'closed']],
  ['closed', [null, null, null]],
]

describe('a stream', () => {
  const rows = TABLE.flatMap(([state, next]) =>
    EVENTS.map((event, index) => [state, event, next[index] ?? null] as const),
  )

  test.each(rows)('that is %s becomes, at %s, %s', (state, event, next) => {
    expect(nextStreamState(state, event)).toBe(next)
  })

  test('only moves forwards: no events lead back to a state that was left', () => {
    const visit = (state: StreamState, before: readonly StreamState[]): void => {
      expect(before).not.toContain(state)
      for (const event of EVENTS) {
        const next = nextStreamState(state, event)
        if (next !== null) visit(next, [...before, state])
      }
    }
    visit('open', [])
  })

  test('can be settled from every state but the last', () => {
    for (const [state] of TABLE) expect(nextStreamState(state, 'settle')).toBe(state === 'closed' ? null : 'closed')
  })
})
