import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../../', import.meta.url))

/** As a user does. Compiling the targets takes most of the time. */
async function fuzz(...args: readonly string[]): Promise<string> {
  const { stdout } = await run(process.execPath, ['scripts/fuzz.mjs', ...args], { cwd: root })
  return stdout
}

test('the kept inputs of every target run without a finding, where code cannot be made of strings', async () => {
  const said = await fuzz('all', '--once')
  const counts = said
    .trim()
    .split('\n')
    .map((line) => /^(\w+): (\d+) inputs$/.exec(line))
  expect(counts.map((count) => count?.[1])).toEqual([
    'framer',
    'hello',
    'lz4',
    'msgpack',
    'protobuf',
    'streams',
    'connection',
  ])
  for (const count of counts) expect(Number(count?.[2])).toBeGreaterThan(5)
}, 60_000)

test('a kept finding is run again by its file', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'alys-transport-replay-'))
  try {
    const file = join(folder, 'input.bin')
    writeFileSync(file, Buffer.from('00c1', 'hex'))
    expect(await fuzz('msgpack', '--replay', file)).toBe('msgpack: 2 bytes, no finding\n')
  } finally {
    rmSync(folder, { recursive: true })
  }
}, 60_000)

test.each([
  ['no target', []],
  ['a target that there is not', ['nonsense']],
  ['a time that is no number', ['framer', '--seconds', 'abc']],
  ['no time', ['framer', '--seconds', '0']],
])('a run of %s is refused, and is no finding', async (_, args) => {
  const refused: { code: number; stderr: string } = await fuzz(...args).then(
    () => expect.fail('it ran'),
    (error) => error,
  )
  expect(refused.code).toBe(2)
  expect(refused.stderr).toMatch(/^(there is no target|--seconds takes a whole number over 0)/)
})
