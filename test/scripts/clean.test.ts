import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { insideRepository } from '../../scripts/clean.mjs'

describe('cleaning', () => {
  let outer = ''
  let root = ''

  beforeEach(() => {
    outer = realpathSync(mkdtempSync(join(tmpdir(), 'alys-transport-clean-')))
    root = join(outer, 'repository')
    mkdirSync(join(root, 'dist/base'), { recursive: true })
    mkdirSync(join(outer, 'other'))
    symlinkSync(join(outer, 'other'), join(root, 'link'))
  })
  afterEach(() => rmSync(outer, { recursive: true, force: true }))

  test('removes folders inside the repository, whether they exist or not', () => {
    expect(insideRepository(root, 'dist')).toBe(join(root, 'dist'))
    expect(insideRepository(root, 'dist/base/../wire')).toBe(join(root, 'dist/wire'))
    expect(insideRepository(root, 'no/such/folder')).toBe(join(root, 'no/such/folder'))
    expect(insideRepository(root, join(root, 'dist'))).toBe(join(root, 'dist'))
    expect(insideRepository(root, '..dist')).toBe(join(root, '..dist'))
  })

  test('removes a link and not where it leads', () => {
    expect(insideRepository(root, 'link')).toBe(join(root, 'link'))
  })

  test.each([
    '.',
    '',
    '..',
    '../other',
    '/',
    '/tmp',
    'dist/../..',
    '../repository-two',
    'link/anything',
    '.git',
    '.git/hooks',
    'dist/../.git',
  ])('refuses %o', (folder) => {
    expect(() => insideRepository(root, folder)).toThrow('is not a folder inside this repository')
    expect(existsSync(root)).toBe(true)
  })
})
