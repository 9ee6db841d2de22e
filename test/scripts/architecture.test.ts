import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { TABLE } from '../../scripts/check-floors.mjs'

const page = readFileSync(new URL('../../ARCHITECTURE.md', import.meta.url), 'utf8')
const rows = new Map(
  [...page.matchAll(/^\| `([\w-]+)` \| (.+?) \| (.+?) \| (.+?) \|$/gm)].map(
    ([, folder, sentence, invariant, imports]) => [
      folder,
      {
        sentence,
        invariant,
        imports:
          imports
            ?.split(';')[0]
            ?.split(/\s+/)
            .filter((word) => /^[a-z]+$/.test(word)) ?? [],
      },
    ],
  ),
)
const folders = readdirSync(new URL('../../src', import.meta.url), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name)

describe('ARCHITECTURE.md', () => {
  test.each(folders)('has a sentence and an invariant for src/%s', (folder) => {
    expect(rows.get(folder)?.sentence).toBeTruthy()
    expect(rows.get(folder)?.invariant).toBeTruthy()
  })

  test('has its rows in the order of the floors, and none for a folder that does not exist', () => {
    const inOrder = TABLE.floors.map((row) => row.folder).filter((folder) => folders.includes(folder))
    expect([...rows.keys()]).toEqual(inOrder)
  })

  test.each([...rows])('lists for %s only what the floors allow', (folder, { imports }) => {
    const allowed = TABLE.floors.find((row) => row.folder === folder)?.mayImport
    for (const one of imports) if (allowed !== 'all') expect(allowed).toContain(one)
  })

  test('names only files that exist', () => {
    const named = [
      ...page.matchAll(/\b((?:base|memory|codec|compression|wire|socket|connection|pool|rpc)\/[\w-]+\.ts)\b/g),
    ]
    expect(named.length).toBeGreaterThan(5)
    for (const [, path] of named) expect(existsSync(new URL(`../../src/${path}`, import.meta.url)), path).toBe(true)
  })
})
