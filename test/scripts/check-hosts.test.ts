import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { findHosts, registryHosts } from '../../scripts/check-hosts.mjs'

const HOST = ['registry', 'npmjs', 'org'].join('.')

describe('the check for hosts of registries', () => {
  test('finds one wherever it stands', () => {
    const files = [
      { path: 'package-lock.json', text: `{\n  "resolved": "https://${HOST}/a/-/a-1.0.0.tgz"\n}` },
      { path: 'README.md', text: `npm i\n\n${HOST.toUpperCase()}` },
      { path: 'src/index.ts', text: 'export {}' },
    ]
    expect(findHosts(files, registryHosts(''))).toEqual(['package-lock.json:2', 'README.md:3'])
  })

  test('knows the one that npm uses here, too', () => {
    const hosts = registryHosts('https://npm.example.com:4873/mirror/')
    expect(findHosts([{ path: '.npmrc', text: 'registry=https://NPM.example.com:4873/' }], hosts)).toEqual(['.npmrc:1'])
  })

  test.each(['http://localhost:4873/', 'http://127.0.0.1:4873', 'not a url'])('takes %o for no host', (configured) => {
    expect(registryHosts(configured)).toEqual(registryHosts(''))
  })

  test('does not find itself', () => {
    for (const path of ['scripts/check-hosts.mjs', 'test/scripts/check-hosts.test.ts']) {
      const text = readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
      expect(findHosts([{ path, text }], registryHosts(''))).toEqual([])
    }
  })
})
