import { describe, expect, it } from 'vitest'
import { AgedLanes, type Job } from '../../src/rpc/aged-lanes.js'
import { Backlog } from '../../src/rpc/backlog.js'
import { newEnvironment } from '../connection/bench.js'

const BOUNDS = { maxMessages: 1_000, maxBytes: 1_000_000, overflow: 'reject' } as const
const OPTIONS = { maxWaitMs: 5_000, intervalMs: 100, maxLoopDelayMs: 0 }

describe('calls that wait for the processor', () => {
  it('run one of each connection in turn, also where one has given up all of its calls again and again', () => {
    const { clock, environment } = newEnvironment()
    const backlog = new Backlog(environment, OPTIONS)
    const ran: string[] = []
    const queueOf = (): AgedLanes => new AgedLanes(BOUNDS, OPTIONS.intervalMs)
    const offer = (queue: AgedLanes, name: string): Job => {
      const start = (): void => void ran.push(name)
      const job: Job = { lane: 1, bytes: 1, aging: null, stale: false, waits: false, start, drop: () => {} }
      expect(backlog.offer(queue, job)).toBe('accepted')
      return job
    }
    const [fickle, modest] = [queueOf(), queueOf()]
    for (let times = 0; times < 100; times += 1) fickle.withdraw(offer(fickle, 'given up'))
    for (const name of ['a', 'b', 'c']) offer(fickle, name)
    for (const name of ['x', 'y', 'z']) offer(modest, name)
    clock.turn()
    expect(ran).toEqual(['a', 'x', 'b', 'y', 'c', 'z'])
    // Both lines are empty, and a call that comes now gets a place in them again.
    offer(fickle, 'd')
    clock.turn()
    expect(ran.at(-1)).toBe('d')
    clock.turn()
    expect(backlog.active).toBe(false)
    backlog.close()
  })
})
