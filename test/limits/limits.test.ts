import { describe, expect } from 'vitest'
import { LIMITS, type LimitName } from '../../src/connection/limits.js'
import type { Metrics } from '../../src/index.js'
import { it } from '../fixtures/stage.js'
import { callLimits } from './call-limits.js'
import { flowLimits } from './flow-limits.js'
import { frameLimits } from './frame-limits.js'
import { handshakeLimits } from './handshake-limits.js'
import { type Case, Subject, type Table } from './subject.js'
import { valueLimits } from './value-limits.js'

const TABLES: readonly Table[] = [handshakeLimits, frameLimits, valueLimits, callLimits, flowLimits]

const table = new Map(TABLES.flatMap((one) => Object.entries(one))) as Map<LimitName, readonly Case[]>

/** The counter at a path such as `failures.queue-full`. */
function read(metrics: Metrics, path: string): number {
  const [first, second] = path.split('.')
  const value =
    second === undefined ? Reflect.get(metrics, path) : Reflect.get(Reflect.get(metrics, first ?? ''), second)
  if (typeof value !== 'number') throw new Error(`there is no metric ${path}`)
  return value
}

describe('the table of limits', () => {
  it('has a case for every limit', () => {
    expect([...table.keys()].sort()).toEqual(Object.keys(LIMITS).sort())
    expect(TABLES.reduce((sum, one) => sum + Object.keys(one).length, 0)).toBe(table.size)
  })

  it('says of every limit which counter tells that it was reached', ({ stage }) => {
    const metrics = stage.server().metrics()
    for (const { metric } of Object.values(LIMITS)) expect(read(metrics, metric)).toBe(0)
  })

  it('has defaults within its own ranges', () => {
    for (const { default: value, min, max } of Object.values(LIMITS)) {
      expect(value).toBeGreaterThanOrEqual(min)
      expect(value).toBeLessThanOrEqual(max)
    }
  })
})

for (const [name, cases] of table) {
  describe(`limits.${name}`, () => {
    it.for(cases.map((one, index) => [one.role, index] as const))(
      'lets through what it allows, and not one more (%s)',
      async ([_, index], { stage }) => {
        const one = cases[index] as Case
        const subject = await Subject.create(stage, one)
        const metric = one.metric === undefined ? LIMITS[name].metric : one.metric
        const count = (): number => (metric === null ? 0 : read(subject.metrics(), metric))
        const before = count()
        await one.at(subject)
        expect(count()).toBe(before)
        await one.past(subject)
        if (metric !== null) expect(count()).toBeGreaterThan(before)
        for (const release of subject.held) release()
      },
    )
  })
}
