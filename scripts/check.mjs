/**
 * `npm run check`: everything that can be said about the code without running it. Every step runs, whatever the others
 * said; the exit code is 1 when one failed.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const BIOME = 'node_modules/@biomejs/biome/bin/biome'
const TSC = 'node_modules/typescript/bin/tsc'

function run(script, ...args) {
  const { status, stdout, stderr, error } = spawnSync(process.execPath, [join(root, script), ...args], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  return { ok: status === 0, output: `${stdout ?? ''}${stderr ?? ''}${error?.message ?? ''}` }
}

function architecture() {
  const file = join(root, 'ARCHITECTURE.md')
  const text = existsSync(file) ? readFileSync(file, 'utf8') : ''
  const folders = readdirSync(join(root, 'src'), { withFileTypes: true }).filter((entry) => entry.isDirectory())
  const missing = folders.map((entry) => entry.name).filter((name) => !text.includes(`\`${name}\``))
  return {
    ok: missing.length === 0,
    output: missing.map((name) => `ARCHITECTURE.md does not mention \`${name}\`\n`).join(''),
  }
}

const benchCanBeChecked = existsSync(join(root, 'bench/node_modules')) && existsSync(join(root, 'bench/tsconfig.json'))

const STEPS = [
  ['format and lint', () => run(BIOME, 'ci', '--error-on-warnings', '--colors=off')],
  ['types', () => run(TSC, '--noEmit', '-p', '.', '--pretty', 'false')],
  ['types of bench', () => (benchCanBeChecked ? run(TSC, '--noEmit', '-p', 'bench', '--pretty', 'false') : null)],
  ['floors', () => run('scripts/check-floors.mjs')],
  ['generated documents', () => run('scripts/generate-docs.mjs', '--check')],
  ['registry hosts', () => run('scripts/check-hosts.mjs')],
  ['architecture', architecture],
]

let failed = 0
for (const [name, step] of STEPS) {
  const begun = performance.now()
  const result = step()
  const seconds = `${((performance.now() - begun) / 1000).toFixed(1)} s`
  if (result === null) console.log(`skipped  ${name} (not installed)`)
  else if (result.ok) console.log(`ok       ${name} (${seconds})`)
  else {
    failed += 1
    console.log(`FAILED   ${name} (${seconds})\n${result.output.trimEnd().replace(/^/gm, '         ')}`)
  }
}
console.log(failed === 0 ? '\nall checks passed' : `\n${failed} of ${STEPS.length} checks failed`)
process.exitCode = failed === 0 ? 0 : 1
