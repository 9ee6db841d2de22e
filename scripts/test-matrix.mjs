/** Runs the tests on several releases of Node, fetched through npm into a cache outside the tree. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readArguments } from './arguments.mjs'

const ALL = ['20', '22', '24', '26']
const MINUTES_PER_RELEASE = 15
const root = fileURLToPath(new URL('..', import.meta.url))
const cache = join(tmpdir(), 'alys-transport-node')
const windows = process.platform === 'win32'

function npm(args, cwd) {
  const own = process.env.npm_execpath
  const options = { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], shell: own === undefined && windows }
  const [command, ...rest] = own?.endsWith('.js') ? [process.execPath, own, ...args] : ['npm', ...args]
  return spawnSync(command, rest, options)
}

/**
 * The path of a `node` of this release. The package `node` fetches its binary in an install script, which npm runs only
 * when it is approved; the package of the platform holds the same binary and needs no script.
 */
function nodeBinary(release) {
  if (process.versions.node.split('.')[0] === release || process.versions.node === release) return process.execPath
  const platform = `node-${windows ? 'win' : process.platform}-${process.arch}`
  const folder = join(cache, release)
  const binary = join(folder, 'node_modules', platform, 'bin', windows ? 'node.exe' : 'node')
  if (existsSync(binary)) return binary
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{ "private": true }')
  const quiet = ['--no-save', '--no-package-lock', '--no-audit', '--no-fund', '--ignore-scripts']
  const { status, stderr } = npm(['install', ...quiet, `${platform}@${release}`], folder)
  if (status === 0 && existsSync(binary)) return binary
  throw new Error(`no Node ${release} for this machine (${platform}):\n${stderr}`)
}

/** One run of the tests: `{ version, passed, failed, ok, seconds, output }`. */
function runOn(release, vitestArguments) {
  const begun = performance.now()
  const node = nodeBinary(release)
  const version = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout?.trim() ?? ''
  const report = join(cache, `report-${release}-${process.pid}.json`)
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
  const vitest = join(root, 'node_modules/vitest/vitest.mjs')
  const { status, signal, stdout, stderr } = spawnSync(node, [vitest, 'run', ...reporters, ...vitestArguments], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 256 * 1024 * 1024,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: MINUTES_PER_RELEASE * 60_000,
    // What the tests start as `node` is to be the same release.
    env: { ...process.env, NO_COLOR: '1', PATH: `${dirname(node)}${delimiter}${process.env.PATH ?? ''}` },
  })
  const counts = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')) : {}
  rmSync(report, { force: true })
  return {
    version,
    passed: counts.numPassedTests ?? 0,
    failed: counts.numFailedTests ?? 0,
    ok: status === 0,
    seconds: (performance.now() - begun) / 1000,
    output: `${stdout}${stderr}${signal === null ? '' : `\nended by ${signal}`}`,
  }
}

function attempt(release, vitestArguments) {
  try {
    return runOn(release, vitestArguments)
  } catch (error) {
    return { version: 'none', passed: 0, failed: 0, ok: false, seconds: 0, output: `${error.message}` }
  }
}

const separator = process.argv.indexOf('--')
const args = process.argv.slice(2, separator === -1 ? undefined : separator)
const { positionals: releases } = readArguments('npm run test:matrix -- [20 22 24 26] [-- arguments for vitest]', {
  args,
  allowPositionals: true,
})
const vitestArguments = separator === -1 ? [] : process.argv.slice(separator + 1)
mkdirSync(cache, { recursive: true })

console.log('building')
const build = npm(['run', 'build', '--silent'], root)
if (build.status !== 0) {
  console.log(`${build.stdout}${build.stderr}`)
  process.exit(1)
}

const rows = []
for (const release of releases.length > 0 ? releases : ALL) {
  console.log(`testing on Node ${release}`)
  const row = attempt(release, vitestArguments)
  if (!row.ok) console.log(row.output.split('\n').slice(-80).join('\n'))
  rows.push([release, row.version, row.ok ? 'ok' : 'FAILED', row.passed, row.failed, `${row.seconds.toFixed(0)} s`])
}

const table = [['release', 'version', 'result', 'passed', 'failed', 'time'], ...rows]
const widths = table[0].map((_, column) => Math.max(...table.map((row) => `${row[column]}`.length)))
console.log(
  `\n${table
    .map((row) =>
      row
        .map((cell, column) => `${cell}`.padEnd(widths[column]))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')}`,
)
process.exitCode = rows.every((row) => row[2] === 'ok') ? 0 : 1
