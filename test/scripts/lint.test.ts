import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))

const OTHER =
  'export async function later(): Promise<void> {}\nexport class Worker {\n  async go(): Promise<void> {}\n}\n'

/** A line that must not pass, the rule that stops it, and where it stands. */
const PLANTED: readonly [rule: string, line: string, path: string][] = [
  [
    'nursery/noFloatingPromises',
    "import { later } from '../other.js'\nexport const f = () => {\n  later()\n}",
    'src/rpc/floating-call.ts',
  ],
  [
    'nursery/noFloatingPromises',
    "import { Worker } from '../other.js'\nexport const f = () => {\n  new Worker().go()\n}",
    'src/rpc/floating-method.ts',
  ],
  [
    'nursery/noFloatingPromises',
    "import { later } from '../src/other.js'\nlater().then(() => undefined)",
    'test/floating.test.ts',
  ],
  [
    'nursery/noMisusedPromises',
    "import { later } from '../other.js'\nexport const f = () => {\n  if (later()) return 1\n  return 2\n}",
    'src/rpc/misused.ts',
  ],
  ['suspicious/noExplicitAny', 'export const f = (a: any) => a', 'src/rpc/any.ts'],
  ['style/noNonNullAssertion', 'export const f = (a?: string) => a!.length', 'src/rpc/non-null.ts'],
  ['style/noDefaultExport', 'export default 1', 'src/rpc/default.ts'],
  ['performance/noReExportAll', "export * from '../other.js'", 'src/rpc/all.ts'],
  ['performance/noBarrelFile', "export { later } from '../other.js'", 'src/rpc/barrel.ts'],
  ['suspicious/noConsole', "console.log('x')", 'src/rpc/console.ts'],
  ['style/noRestrictedGlobals', 'export const f = () => setTimeout(() => undefined, 1)', 'src/rpc/timeout.ts'],
  ['style/noRestrictedGlobals', 'export const f = () => setImmediate(() => undefined)', 'src/socket/immediate.ts'],
  ['style/noRestrictedGlobals', 'export const f = () => queueMicrotask(() => undefined)', 'src/rpc/microtask.ts'],
  ['style/noRestrictedGlobals', 'export const f = () => performance.now()', 'src/rpc/performance.ts'],
  ['style/noRestrictedImports', "import { connect } from 'node:net'\nexport const f = connect", 'src/rpc/net.ts'],
  ['style/noRestrictedImports', "import { connect } from 'node:tls'\nexport const f = connect", 'src/base/tls.ts'],
  [
    'style/noRestrictedImports',
    "import { setTimeout as sleep } from 'node:timers/promises'\nexport const f = sleep",
    'src/socket/sleep.ts',
  ],
]

const ALLOWED: Readonly<Record<string, string>> = {
  'src/base/clock.ts': 'export const now = () => [performance.now(), setTimeout(() => undefined, 1)]',
  'src/socket/dial.ts': "import { connect } from 'node:net'\nexport const dial = connect",
  'src/index.ts': "export { later } from './other.js'",
  'test/timers.test.ts': 'setTimeout(() => undefined, 1)',
  'bench/timers.ts': 'console.log(performance.now())\nsetTimeout(() => undefined, 1)',
  'scripts/print.mjs': "console.log('x')",
}

describe('the linter', () => {
  let folder = ''
  let findings = ''

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'alys-transport-lint-'))
    const files = {
      'src/other.ts': OTHER,
      ...ALLOWED,
      ...Object.fromEntries(PLANTED.map(([, text, path]) => [path, text])),
    }
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true })
      writeFileSync(join(folder, path), text)
    }
    for (const file of ['biome.json', '.gitignore']) cpSync(join(root, file), join(folder, file))
    const biome = join(root, 'node_modules/@biomejs/biome/bin/biome')
    const { stdout, stderr } = spawnSync(
      process.execPath,
      [biome, 'lint', '--reporter=github', '--max-diagnostics=200', '.'],
      {
        cwd: folder,
        encoding: 'utf8',
      },
    )
    findings = `${stdout}${stderr}`
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  test.each(PLANTED)('stops with %s: %s', (rule, _text, path) => {
    const own = findings.split('\n').filter((line) => line.includes(`${path},`))
    expect(own.map((line) => /title=lint\/([\w/]+)/.exec(line)?.[1])).toContain(rule)
  })

  test.each(Object.keys(ALLOWED))('lets pass what belongs in %s', (path) => {
    expect(findings.split('\n').filter((line) => line.includes(`${path},`))).toEqual([])
  })
})
