import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { failure, type Processed, REASONS, type Reason, TransportError } from '../../src/base/errors.js'
import { furthest, moreTelling, neverLeft, pauseMs, type Remedy, remedyFor, saysOverload } from '../../src/rpc/retry.js'

const PROCESSED: readonly Processed[] = ['no', 'maybe', 'yes']
const reasons = Object.keys(REASONS) as Reason[]

/** As a peer said it, or as it happened between us and the peer. */
function error(reason: Reason, processed: Processed, origin: 'peer' | 'network' | 'local' | 'user'): TransportError {
  return new TransportError('', { code: REASONS[reason][0], origin, reason, processed })
}

/** What is done about each reason that a peer or the network gives, when the handler did not run, and when it may have. */
const REPEATED: Partial<Record<Reason, readonly [refused: Remedy, idempotent: Remedy]>> = {
  closed: ['move', 'retry'],
  'going-away': ['move', 'retry'],
  'connection-lost': ['retry', 'retry'],
  'heartbeat-timeout': ['retry', 'retry'],
  'write-stalled': ['retry', 'retry'],
  'frame-stalled': ['retry', 'retry'],
  // Also of a connection that was ready: a record that does not decrypt.
  'tls-failed': ['retry', 'retry'],
  overloaded: ['retry', 'retry'],
  'queue-full': ['retry', 'retry'],
  'too-many-open-calls': ['retry', 'retry'],
  'answers-unread': ['retry', 'retry'],
  'listen-failed': ['retry', 'retry'],
}

describe('a call that failed', () => {
  it.for(reasons)('with %s of the peer is repeated only as the table says', (reason) => {
    const [refused, idempotent] = REPEATED[reason] ?? ['none', 'none']
    const found = (processed: Processed, twice: boolean): Remedy => remedyFor(error(reason, processed, 'peer'), twice)
    expect([found('no', false), found('no', true)]).toEqual([refused, refused])
    expect([found('maybe', false), found('yes', false)]).toEqual(['none', 'none'])
    expect([found('maybe', true), found('yes', true)]).toEqual([idempotent, idempotent])
  })

  it.for(reasons)('with %s of our own is never repeated', (reason) => {
    for (const origin of ['local', 'user'] as const) {
      for (const processed of PROCESSED) {
        for (const twice of [true, false]) expect(remedyFor(error(reason, processed, origin), twice)).toBe('none')
      }
    }
  })

  it('on the way is repeated where it was not sent, or where it may run twice', () => {
    const lost = (processed: Processed, twice: boolean): Remedy =>
      remedyFor(error('connection-lost', processed, 'network'), twice)
    expect([lost('no', false), lost('maybe', false), lost('maybe', true)]).toEqual(['retry', 'none', 'retry'])
  })

  it('exceeded its deadline by no reason but its own, or that of a stream, which is never made again', () => {
    expect(reasons.filter((reason) => REASONS[reason][0] === 'DEADLINE_EXCEEDED')).toEqual(['stream-idle', 'deadline'])
  })

  it('has never left where our side of a lost connection says so, whatever a peer says', () => {
    for (const reason of ['connection-lost', 'heartbeat-timeout', 'write-stalled'] as const) {
      expect([failure(reason, ''), failure(reason, '', { processed: 'maybe' })].map(neverLeft)).toEqual([true, false])
      expect(neverLeft(error(reason, 'no', 'peer'))).toBe(false)
    }
  })

  it.for([
    ['UNAVAILABLE', 'retry'],
    ['RESOURCE_EXHAUSTED', 'retry'],
    ['ABORTED', 'none'],
    ['INTERNAL', 'none'],
    ['DEADLINE_EXCEEDED', 'none'],
    ['CANCELLED', 'none'],
  ] as const)('because its handler chose %s is repeated only where that may pass (%s)', ([code, remedy]) => {
    const chosen = new TransportError('', { code, origin: 'peer', processed: 'yes' })
    expect([remedyFor(chosen, true), remedyFor(chosen, false)]).toEqual([remedy, 'none'])
  })

  it('says overload only where the server refused it for that', () => {
    expect(saysOverload(error('overloaded', 'no', 'peer'))).toBe(true)
    expect(saysOverload(error('queue-full', 'no', 'peer'))).toBe(true)
    expect(saysOverload(error('queue-full', 'no', 'local'))).toBe(false)
    expect(saysOverload(error('overloaded', 'yes', 'peer'))).toBe(false)
    expect(saysOverload(error('too-many-open-calls', 'no', 'peer'))).toBe(false)
  })

  it('in two attempts is told by the one that says more of what became of it, or else by the later', () => {
    const [no, maybe, yes] = PROCESSED.map((processed) => error('connection-lost', processed, 'network'))
    const later = error('overloaded', 'no', 'peer')
    if (no === undefined || maybe === undefined || yes === undefined) throw new Error('there are three')
    expect([moreTelling(no, maybe), moreTelling(maybe, no), moreTelling(maybe, yes)]).toEqual([maybe, maybe, yes])
    expect(moreTelling(no, later)).toBe(later)
  })

  it('counts as processed as far as any of its attempts was', () => {
    expect([furthest('no', 'no'), furthest('maybe', 'no'), furthest('no', 'yes'), furthest('yes', 'maybe')]).toEqual([
      'no',
      'maybe',
      'yes',
      'yes',
    ])
  })
})

describe('the pause before an attempt', () => {
  const options = { minBackoffMs: 10, maxBackoffMs: 100 }

  it('doubles up to the most, half of it by chance', () => {
    expect([2, 3, 4, 5, 6, 7].map((attempt) => pauseMs(attempt, options, 0, 1))).toEqual([10, 20, 40, 80, 100, 100])
    expect(pauseMs(3, options, 0, 0)).toBe(10)
  })

  it('is never shorter than the server wants, nor longer than the most without its wish', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 10 }),
        fc.nat(10_000),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (n, after, chance) => {
          const pause = pauseMs(n, options, after, chance)
          expect(pause).toBeGreaterThanOrEqual(after)
          expect(pause).toBeLessThanOrEqual(Math.max(after, options.maxBackoffMs))
          expect(pause).toBeGreaterThanOrEqual(options.minBackoffMs / 2)
        },
      ),
    )
  })
})
