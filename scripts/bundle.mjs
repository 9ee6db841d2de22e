/**
 * Makes the JavaScript of `dist/`: one module for each entry point of package.json, and what several of them use in
 * `dist/shared`. As the 180 modules that the sources are, the library took 100 ms to load and 1 MB more of heap in every
 * process; see docs/decisions/0015-what-is-loaded.md. Names stay as they are and lines stay short, so that a stack trace
 * and a profile can be read without the source maps.
 *
 *     node scripts/bundle.mjs
 */
import { readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Each JavaScript file that package.json exports is made of the file of that name in `src`. */
function entryPoints() {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const files = Object.values(exports).flatMap((one) => one.default ?? [])
  return Object.fromEntries(
    files.map((file) => {
      const name = basename(file, '.js')
      return [name, join(root, 'src', `${name}.ts`)]
    }),
  )
}

const bundle = await rolldown({
  input: entryPoints(),
  platform: 'node',
  // Packages and modules of Node are loaded as they are.
  external: /^[@a-z]/,
  transform: { target: 'node20.18' },
})
try {
  await bundle.write({
    dir: join(root, 'dist'),
    format: 'esm',
    chunkFileNames: 'shared/[name].js',
    comments: false,
    sourcemap: true,
  })
} finally {
  await bundle.close()
}
