import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { clientRules, serverRules } from '../../src/rpc/options.js'
import { project } from './install.js'

const README = readFileSync(join(project, 'README.md'), 'utf8')

/** Of its table of options: what stands behind a name. */
function rowOf(name: string): string {
  return README.split('\n').find((line) => line.startsWith('|') && line.split('|')[1]?.includes(`\`${name}\``)) ?? ''
}

function namesIn(value: unknown): string[] {
  return typeof value === 'object' && value !== null ? Object.keys(value) : []
}

/** Its limits have a generated page of their own, the others are objects of the user. */
const CLOSED = ['limits', 'clock', 'random', 'network']

describe('the README', () => {
  const options = { ...clientRules.parse({}, ''), ...serverRules.parse({}, '') }

  it.each(Object.entries(options))('names the option %s, and all that is in it', (name, value) => {
    const row = rowOf(name)
    expect(row).not.toBe('')
    const within = CLOSED.includes(name) ? [] : namesIn(value)
    expect(within.filter((inner) => !row.includes(`\`${inner}`))).toEqual([])
  })
})
