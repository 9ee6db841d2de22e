import { afterAll, beforeAll, describe } from 'vitest'
import { it } from '../fixtures/stage.js'
import { SUBJECTS, SWEEPS } from './all.js'
import { assault } from './assault.js'
import type { BadFrame, Role } from './bad-frame.js'
import type { Link } from './link.js'
import { Target } from './target.js'

/** Makes a test of every case: one role of ours is attacked over a link. */
export function attack(role: Role, link: Link): void {
  const subjects = Object.entries({ ...SUBJECTS, ...SWEEPS })
    .map(([subject, all]) => [subject, all.filter((one) => one[role] !== null)] as const)
    .filter(([, cases]) => cases.length > 0)
  describe.each(subjects)(`a ${role} over ${link.name}, attacked in %s`, (_, cases) => {
    let target: Target
    beforeAll(async () => {
      target = await Target.start(link)
    })
    afterAll(async () => {
      await target.close()
    })

    it.for(cases.map((one): [string, BadFrame] => [one.name, one]))('%s', async ([_name, one], { stage }) => {
      await assault(stage, link, target, role, one)
      await target.check()
    })
  })
}
