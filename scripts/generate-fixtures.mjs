/** Makes the static protobuf modules that the tests use of their .proto files: `npm run generate:fixtures`. */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = 'test/fixtures/proto'
const tool = (name) => join(root, 'node_modules/.bin', name)
const run = (name, ...args) => execFileSync(tool(name), args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })

for (const [name, source] of [
  ['chain', 'proto/chain.proto'],
  ['shapes', `${folder}/shapes.proto`],
]) {
  const [code, types] = [`${folder}/${name}.js`, `${folder}/${name}.d.ts`]
  run('pbjs', '-t', 'static-module', '-w', 'esm', '--no-delimited', '-o', code, source)
  run('pbts', '-o', types, code)
  // What a static module needs at run time is the minimal build, and that is all that its types are to name.
  const written = readFileSync(join(root, types), 'utf8')
  writeFileSync(join(root, types), written.replace('from "protobufjs"', 'from "protobufjs/minimal.js"'))
}
