import { describe, expect, it } from 'vitest'
import { failure, type TransportError } from '../../src/base/errors.js'
import { createEnvironment, type Environment } from '../../src/connection/environment.js'
import { clientRules } from '../../src/rpc/options.js'
import { type Waiter, WaitingCalls } from '../../src/rpc/waiting-calls.js'
import { turn } from '../fixtures/stage.js'
import { VirtualClock } from '../support/virtual-clock.js'

class Call implements Waiter {
  settled = false
  error: TransportError | null = null
  readonly name: string
  readonly expiresAt: number
  readonly timeoutMs: number

  constructor(name: string, expiresAt: number, timeoutMs: number) {
    this.name = name
    this.expiresAt = expiresAt
    this.timeoutMs = timeoutMs
  }

  fail(error: TransportError): void {
    if (this.settled) throw new Error(`${this.name} is settled twice`)
    this.settled = true
    this.error = error
  }
}

function queue(maxQueuedCalls: number): {
  clock: VirtualClock
  environment: Environment
  waiting: WaitingCalls
  add: (name: string, timeoutMs?: number) => Call
} {
  const clock = new VirtualClock()
  const options = clientRules.parse({ clock, limits: { maxQueuedCalls } }, '')
  const environment = createEnvironment({ ...options, peerId: 'test' })
  const waiting = new WaitingCalls(environment)
  const add = (name: string, timeoutMs = 1_000): Call => {
    const call = new Call(name, clock.now() + timeoutMs, timeoutMs)
    waiting.add({ waiter: call, start: () => {} })
    return call
  }
  return { clock, environment, waiting, add }
}

function names(waiting: WaitingCalls): string[] {
  const found: string[] = []
  for (let next = waiting.next(); next !== undefined; next = waiting.next()) found.push((next.waiter as Call).name)
  return found
}

describe('calls that wait for a connection', () => {
  it('leave in the order in which they came', () => {
    const { waiting, add } = queue(100)
    for (const name of ['first', 'second', 'third']) add(name)
    expect(names(waiting)).toEqual(['first', 'second', 'third'])
  })

  it('are as many as the limit; one more is refused, was not processed, and is counted', () => {
    const { waiting, add, environment } = queue(3)
    const accepted = ['a', 'b', 'c'].map((name) => add(name))
    expect(accepted.map(({ settled }) => settled)).toEqual([false, false, false])
    const refused = add('d')
    expect(refused.error).toMatchObject({ reason: 'queue-full', code: 'RESOURCE_EXHAUSTED', processed: 'no' })
    expect(environment.counters.failures['queue-full']).toBe(1)
    expect(names(waiting)).toEqual(['a', 'b', 'c'])
  })

  it('fail with the deadline when it passes, and were not processed', async () => {
    const { clock, waiting, add } = queue(10)
    const soon = add('soon', 50)
    const later = add('later', 500)
    await turn()
    clock.advance(60)
    expect(soon.error).toMatchObject({ reason: 'deadline', code: 'DEADLINE_EXCEEDED', processed: 'no' })
    expect(later.settled).toBe(false)
    expect(names(waiting)).toEqual(['later'])
  })

  it('do not take up places after they are settled', async () => {
    const { clock, waiting, add } = queue(3)
    add('long', 10_000)
    add('short', 10)
    add('short too', 10)
    await turn()
    clock.advance(20)
    expect(waiting.length).toBe(1)
    expect([add('x'), add('y')].map(({ settled }) => settled)).toEqual([false, false])
    expect(names(waiting)).toEqual(['long', 'x', 'y'])
  })

  it('make room when the queue is full of calls that were given up', () => {
    const { waiting, add } = queue(3)
    const given = ['a', 'b', 'c'].map((name) => add(name))
    const [a, b] = given
    a?.fail(failure('cancelled', 'by the caller'))
    b?.fail(failure('cancelled', 'by the caller'))
    expect(add('d').settled).toBe(false)
    expect(names(waiting)).toEqual(['c', 'd'])
  })

  it('skip those that were given up meanwhile', () => {
    const { waiting, add } = queue(10)
    const first = add('first')
    add('second')
    first.fail(failure('cancelled', 'by the caller'))
    expect(names(waiting)).toEqual(['second'])
  })

  it('all fail together when there is nothing to wait for', () => {
    const { clock, waiting, add } = queue(10)
    const calls = ['a', 'b', 'c'].map((name) => add(name))
    waiting.failAll(failure('connect-refused', 'nobody there'))
    expect(calls.map(({ error }) => error?.reason)).toEqual(['connect-refused', 'connect-refused', 'connect-refused'])
    expect([waiting.length, clock.timers]).toEqual([0, 0])
  })

  it('leave no timer behind', async () => {
    const { clock, waiting, add } = queue(10)
    add('one', 5_000)
    await turn()
    expect(clock.timers).toBe(1)
    names(waiting)
    expect(clock.timers).toBe(0)
  })

  it('fail when their time is over, also where they had spent some of it before they waited', async () => {
    const { clock, waiting } = queue(10)
    clock.advance(5_000)
    const moved = new Call('moved', clock.now() + 100, 1_000)
    waiting.add({ waiter: moved, start: () => {} })
    await turn()
    clock.advance(99)
    expect(moved.settled).toBe(false)
    clock.advance(4)
    expect(moved.error).toMatchObject({ reason: 'deadline', processed: 'no' })
    expect(clock.timers).toBe(0)
  })
})
