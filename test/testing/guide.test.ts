import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const project = fileURLToPath(new URL('../..', import.meta.url))

it('docs/testing.md has a program that prints what it says', () => {
  if (!existsSync(`${project}dist/testing.js`)) throw new Error('there is no build: run `npm run build` first')
  const text = readFileSync(`${project}docs/testing.md`, 'utf8')
  const program = /^```js\n([\s\S]*?)^```/m.exec(text)?.[1] ?? ''
  const promised = /^It prints `([^`]+)`/m.exec(text)?.[1]
  // The package finds itself by its name, as its users will.
  const flags = ['--input-type=module', '--unhandled-rejections=strict']
  const { stdout, stderr } = spawnSync(process.execPath, flags, { cwd: project, input: program, encoding: 'utf8' })
  expect(stderr).toBe('')
  expect(stdout.trim()).toBe(promised)
})
