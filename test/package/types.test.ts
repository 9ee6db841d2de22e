import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { project } from './install.js'

const dist = join(project, 'dist')

/** The types of all entry points. */
function entryPoints(): string[] {
  const { exports } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')) as {
    exports: Record<string, string | { types: string }>
  }
  return Object.values(exports).flatMap((one) => (typeof one === 'string' ? [] : [join(project, one.types)]))
}

/** Every file that the compiler reads for these. */
async function readFor(files: readonly string[]): Promise<string[]> {
  const tsc = join(project, 'node_modules/typescript/bin/tsc')
  const options = ['--ignoreConfig', '--listFilesOnly', '--module', 'nodenext', '--target', 'es2023', '--types', 'node']
  const { stdout } = await promisify(execFile)(process.execPath, [tsc, ...options, ...files], { cwd: project })
  return stdout.trim().split('\n')
}

describe('the types in dist', () => {
  it('are those that the entry points lead to, and no others', async () => {
    const needed = (await readFor(entryPoints())).map((path) => resolve(path)).filter((path) => path.startsWith(dist))
    const made = readdirSync(dist, { recursive: true, encoding: 'utf8' }).map((path) => join(dist, path))
    expect(needed).toEqual(expect.arrayContaining(entryPoints()))
    expect(made.filter((path) => path.endsWith('.d.ts')).sort()).toEqual(needed.sort())
  })

  it('show a handler nothing that is ours to call', () => {
    const types = readFileSync(join(dist, 'rpc/server-call.d.ts'), 'utf8')
    expect(types).toContain('get remainingMs')
    expect(types).not.toMatch(/abort\(|abandoned|expiresAt/)
    expect(readFileSync(join(dist, 'rpc/stream-call.d.ts'), 'utf8')).not.toContain('writeWith')
  })
})
