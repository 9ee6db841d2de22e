/** Fuzzes what reads bytes of a peer, guided by coverage. docs/fuzzing.md says more. */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readFuzzArguments } from './fuzz-arguments.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const TSC = 'node_modules/typescript/bin/tsc'
const PROTO = 'test/fixtures/proto'
/** As the library promises to run, and with a collector that measuring memory can call. */
const FLAGS = ['--disallow-code-generation-from-strings', '--unhandled-rejections=strict', '--expose-gc']

/** Compiles the targets and the sources they reach into a folder of its own. */
function build() {
  const folder = mkdtempSync(join(tmpdir(), 'alys-transport-fuzz-'))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'), 'junction')
  const { status, stdout } = spawnSync(process.execPath, [TSC, '-p', 'test/fuzz', '--outDir', folder], {
    cwd: root,
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`the targets do not compile:\n${stdout}`)
  cpSync(join(root, PROTO), join(folder, PROTO), { recursive: true })
  return folder
}

// What is wrong is told before anything is built.
readFuzzArguments(process.argv.slice(2))
const folder = build()
try {
  const loop = fileURLToPath(new URL('fuzz-loop.mjs', import.meta.url))
  const { status } = spawnSync(process.execPath, [...FLAGS, loop, folder, ...process.argv.slice(2)], {
    stdio: 'inherit',
  })
  process.exitCode = status ?? 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}
