/**
 * Removes folders of this repository, and of nothing else.
 *
 *     node scripts/clean.mjs dist coverage
 */
import { realpathSync, rmSync } from 'node:fs'
import { basename, dirname, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The real path of `folder` in `root`; throws when it is `root` itself, its history, or not inside. */
export function insideRepository(root, folder) {
  const wanted = resolve(root, folder)
  // What is removed may be a link; what leads there may not lead out.
  const parent = existingParent(dirname(wanted))
  const real = join(realpathSync(parent), relative(parent, dirname(wanted)), basename(wanted))
  const path = relative(realpathSync(root), real)
  const outside = path === '' || path === '..' || path.startsWith(`..${sep}`) || resolve(path) === path
  if (outside || path.split(sep)[0] === '.git') throw new Error(`${folder} is not a folder inside this repository`)
  return real
}

function existingParent(path) {
  try {
    realpathSync(path)
    return path
  } catch {
    return existingParent(dirname(path))
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = fileURLToPath(new URL('..', import.meta.url))
  const folders = process.argv.slice(2).map((folder) => insideRepository(root, folder))
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
}
