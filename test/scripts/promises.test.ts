import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

const root = new URL('../../', import.meta.url)
const page = readFileSync(new URL('docs/promises.md', root), 'utf8')
const { scripts } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as {
  scripts: Readonly<Record<string, string>>
}
const named = [...page.matchAll(/`([^`]+)`/g)].map(([, text = '']) => text)
const rows = page.split('\n').filter((line) => line.startsWith('| ') && !line.startsWith('| promise'))

/** Where the first argument of a script is a file of this name. */
const ARGUMENTS: Readonly<Record<string, (argument: string) => string>> = {
  bench: (suite) => `bench/suites/${suite}.ts`,
  fuzz: () => 'scripts/fuzz.mjs',
  sim: () => 'scripts/sim.mjs',
}

describe('docs/promises.md', () => {
  it.each(named.filter((text) => text.startsWith('test/')))('names tests that exist: %s', (path) => {
    expect(existsSync(new URL(path, root))).toBe(true)
  })

  it.each(named.filter((text) => text.startsWith('npm run ')))('names commands that exist: %s', (command) => {
    const [, , script = '', , argument = ''] = command.split(' ')
    expect(Object.keys(scripts)).toContain(script)
    const file = ARGUMENTS[script]?.(argument)
    if (file !== undefined) expect(existsSync(new URL(file, root))).toBe(true)
    if (script === 'faults') {
      expect(readFileSync(new URL('scripts/faults.mjs', root), 'utf8')).toMatch(new RegExp(`\\n  ${argument}: `))
    }
  })

  it('has something that shows it in the tests for every promise, and no figure left out of those with a command', () => {
    expect(rows.length).toBeGreaterThan(14)
    for (const row of rows) {
      const [, promise, tests, command, figure] = row.split('|').map((cell) => cell.trim())
      expect([promise, tests !== '' && tests !== '–']).toEqual([promise, true])
      expect([promise, command === '–' || figure !== '–']).toEqual([promise, true])
    }
  })
})
