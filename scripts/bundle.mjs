/**
 * Makes the JavaScript of `dist/`: one module for each entry point of package.json, and what several of them use in
 * `dist/shared`. As the 180 modules that the sources are, the library took 100 ms to load and 1 MB more of heap in every
 * process; see docs/decisions/0015-what-is-loaded.md. Names stay as they are, so that a stack trace and a profile say
 * where they are; `node --enable-source-maps` gives the lines of the sources. The types are a file for each source; those
 * that no entry point leads to are removed.
 *
 *     node scripts/bundle.mjs
 */
import { readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'
import { pruneTypes } from './prune-types.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))

const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
/** The entry points of the package; what it exports as it is has no types. */
const entries = Object.values(exports).filter(({ types }) => types !== undefined)

/** Each JavaScript file that package.json exports is made of the file of that name in `src`. */
function sources() {
  const names = entries.map((one) => basename(one.default, '.js'))
  return Object.fromEntries(names.map((name) => [name, join(root, 'src', `${name}.ts`)]))
}

/**
 * Modules of Node are asked for, where the sources import names of them: of what is imported Node makes a module, for which
 * it loads whatever hangs on any of the names. That is another 60 KB of heap in every process. A line stays a line, for
 * the source maps.
 */
const builtins = {
  name: 'builtins',
  renderChunk: (code) => ({
    code: code.replace(/^import \{ ([^}]+) \} from "(node:[\w/]+)";$/gm, (_, names, module) => {
      return `const { ${names.replaceAll(' as ', ': ')} } = process.getBuiltinModule("${module}");`
    }),
    map: null,
  }),
}

const bundle = await rolldown({
  input: sources(),
  platform: 'node',
  // Packages and modules of Node are loaded as they are.
  external: /^[@a-z]/,
  transform: { target: 'node20.18' },
  plugins: [builtins],
})
try {
  await bundle.write({
    dir: join(root, 'dist'),
    format: 'esm',
    chunkFileNames: 'shared/[name].js',
    comments: false,
    // V8 keeps the text of a module as long as one of its functions has not run: blanks are a sixth of it.
    minify: { compress: false, mangle: false, codegen: { removeWhitespace: true } },
    sourcemap: true,
  })
} finally {
  await bundle.close()
}
pruneTypes(
  join(root, 'dist'),
  entries.map(({ types }) => join(root, types)),
)
