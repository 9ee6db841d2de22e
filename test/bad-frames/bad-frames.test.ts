import { afterAll, beforeAll, describe, expect } from 'vitest'
import { it } from '../fixtures/stage.js'
import { SUBJECTS } from './all.js'
import { assault } from './assault.js'
import type { BadFrame, Role } from './bad-frame.js'
import { tcp } from './link.js'
import { Target } from './target.js'

/** What the promise says. */
const LEAST_CASES = 300

const LINKS = [tcp]
const ROLES: readonly Role[] = ['server', 'client']

describe('the bad frames', () => {
  it('are as many as is promised, each with a name of its own', () => {
    const names = Object.entries(SUBJECTS).flatMap(([subject, cases]) => cases.map(({ name }) => `${subject}: ${name}`))
    expect(new Set(names).size).toBe(names.length)
    expect(names.length).toBeGreaterThanOrEqual(LEAST_CASES)
  })
})

for (const link of LINKS) {
  for (const role of ROLES) {
    describe.each(Object.keys(SUBJECTS))(`a ${role} over ${link.name}, attacked in %s`, (subject) => {
      let target: Target
      beforeAll(async () => {
        target = await Target.start(link)
      })
      afterAll(async () => {
        await target.close()
      })

      const cases = (SUBJECTS[subject] ?? []).filter((one) => one[role] !== null)
      it.for(cases.map((one): [string, BadFrame] => [one.name, one]))('%s', async ([_, one], { stage }) => {
        await assault(stage, link, target, role, one)
        await target.check()
      })
    })
  }
}
