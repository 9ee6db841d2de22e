import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { build } from 'rolldown'
import { describe, expect, it } from 'vitest'
import { project } from './install.js'

/** What a process has loaded that ran `program` with the built library at hand as `alys`: modules of Node, and packages. */
async function loadedBy(program: string): Promise<readonly string[]> {
  const index = JSON.stringify(join(project, 'dist/index.js'))
  const script = `
    import { createRequire } from 'node:module'
    const alys = await import(${index})
    ${program}
    const packages = Object.keys(createRequire(${index}).cache)
    console.log(JSON.stringify([...process.moduleLoadList, ...packages]))`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script])
  return JSON.parse(stdout) as string[]
}

const PLAIN_CALL = `
  const server = new alys.Server()
  server.handle('echo', (value) => value)
  const { address } = await server.listen('tcp://127.0.0.1:0')
  const client = new alys.Client(address)
  await client.call('echo', 1)
  await client.close()
  await server.close()`

describe('what the library loads', () => {
  it('has no TLS in it as long as nothing is asked of it', async () => {
    const loaded = await loadedBy(PLAIN_CALL)
    expect(loaded).toContain('NativeModule net')
    expect(loaded).not.toContain('NativeModule tls')
  })

  it('has no name lookups and no file system in it for who only imports it', async () => {
    const loaded = await loadedBy('')
    expect(loaded).toContain('NativeModule net')
    expect(loaded).not.toContain('NativeModule dns')
    expect(loaded).not.toContain('NativeModule internal/fs/streams')
  })

  it('has no names of modules of Node in it that nobody asked for', async () => {
    const loaded = await loadedBy(PLAIN_CALL)
    expect(loaded).toContain('NativeModule crypto')
    expect(loaded).not.toContain('NativeModule internal/crypto/webcrypto')
  })

  it('has no pool in it for a server', async () => {
    const loaded = await loadedBy(`
      const server = new alys.Server()
      await server.listen('tcp://127.0.0.1:0')
      await server.close()`)
    expect(loaded.filter((name) => name.includes('generic-pool'))).toEqual([])
  })

  it('has TLS in it as soon as it is asked for', async () => {
    const loaded = await loadedBy(`
      const client = new alys.Client('tls://127.0.0.1:1')
      await client.connect().catch(() => {})
      await client.close()`)
    expect(loaded).toContain('NativeModule tls')
  })

  it('takes no parser for the exports of CommonJS: that is 7 MB in every process', async () => {
    const loaded = await loadedBy(PLAIN_CALL)
    expect(loaded.some((name) => name.includes('generic-pool'))).toBe(true)
    expect(loaded.filter((name) => name.includes('cjs-module-lexer'))).toEqual([])
  })

  it('is a module for each entry point, and what they share', () => {
    const { exports } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')) as {
      exports: Record<string, string | { default: string }>
    }
    const entries = Object.values(exports).flatMap((one) => (typeof one === 'string' ? [] : [one.default.slice(7)]))
    const made = readdirSync(join(project, 'dist'), { recursive: true, encoding: 'utf8' })
    const modules = made.filter((path) => path.endsWith('.js') && !path.startsWith('shared'))
    expect(modules.sort()).toEqual(entries.sort())
  })

  it('works where a bundler has made CommonJS of it, and nothing is left of import.meta.url', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'alys-transport-bundled-'))
    try {
      symlinkSync(join(project, 'node_modules'), join(folder, 'node_modules'))
      await build({
        input: join(project, 'dist/index.js'),
        platform: 'node',
        external: /^[@a-z]/,
        transform: { define: { 'import.meta.url': 'undefined' } },
        output: { file: join(folder, 'bundle.cjs'), format: 'cjs' },
      })
      const script = `const alys = require('./bundle.cjs'); void (async () => { ${PLAIN_CALL}; console.log('called') })()`
      const { stdout } = await promisify(execFile)(process.execPath, ['--eval', script], { cwd: folder })
      expect(stdout).toBe('called\n')
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
