import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const tsc = fileURLToPath(new URL('../../node_modules/typescript/bin/tsc', import.meta.url))
const project = fileURLToPath(new URL('tsconfig.json', import.meta.url))

it('every right use in this folder is accepted by the compiler, and every wrong one is refused', () => {
  // A wrong use stands behind `@ts-expect-error`, which is an error itself where the compiler has nothing against it.
  const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', project, '--pretty', 'false'], {
    encoding: 'utf8',
  })
  expect({ status, stdout }).toEqual({ status: 0, stdout: '' })
}, 60_000)
