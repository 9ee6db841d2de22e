// What `npm run bench` starts: builds what it needs, then runs the benchmarks with the arguments it was given.
import { spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const bench = dirname(fileURLToPath(import.meta.url))
const root = dirname(bench)

function run(command, args, cwd) {
  const { status, error } = spawnSync(command, args, { cwd, stdio: ['ignore', 'inherit', 'inherit'] })
  if (error !== undefined) throw error
  if (status !== 0) process.exit(status ?? 2)
}

/** npm writes this file last: older than the lock file, or absent, means that the install is not what the lock says. */
const installed = join(bench, 'node_modules', '.package-lock.json')
const lock = join(bench, 'package-lock.json')
if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(lock).mtimeMs)
  run('npm', ['ci', '--no-audit', '--no-fund'], bench)

run('npm', ['run', '--silent', 'build'], root)
run('npm', ['run', '--silent', 'build'], bench)

const { status } = spawnSync(process.execPath, [join(bench, 'dist', 'main.js'), ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
})
process.exit(status ?? 2)
