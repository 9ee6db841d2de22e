/**
 * Which types of `dist/` are of use. The compiler writes a file for each of `src`; what no entry point leads to, nobody
 * can import.
 */
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { importsOf } from './source-text.mjs'

const ENDING = '.d.ts'

/** The paths of `entries`, and of all types that they name, those again name, and so on. */
function reachableFrom(entries) {
  const reached = new Set(entries)
  for (const path of reached) {
    for (const { specifier } of importsOf(readFileSync(path, 'utf8'))) {
      if (specifier?.startsWith('.')) reached.add(resolve(dirname(path), specifier.replace(/\.js$/, ENDING)))
    }
  }
  return reached
}

/** Removes from `folder` the types that `entries` do not lead to. */
export function pruneTypes(folder, entries) {
  const reached = reachableFrom(entries)
  const made = readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((path) => join(folder, path))
  for (const path of made) if (path.endsWith(ENDING) && !reached.has(path)) rmSync(path)
}
