import { describe, expect, it } from 'vitest'
import { SUBJECTS, SWEEPS } from './all.js'

/** What is promised. Tables of all kinds in all states do not count. */
const LEAST_CASES = 300

describe('the bad frames', () => {
  const names = Object.entries({ ...SUBJECTS, ...SWEEPS }).flatMap(([subject, cases]) => {
    return cases.map(({ name }) => `${subject}: ${name}`)
  })

  it('have a name each', () => {
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([])
  })

  it('are as many as was promised, most of them for both roles', () => {
    const cases = Object.values(SUBJECTS).flat()
    expect(cases.length).toBeGreaterThanOrEqual(LEAST_CASES)
    expect(cases.filter(({ server, client }) => server !== null && client !== null).length).toBeGreaterThan(LEAST_CASES)
    expect(cases.filter(({ server, client }) => server === null && client === null)).toEqual([])
  })
})
