/**
 * No file of the repository names the host of a package registry: a clone must install from wherever its user does.
 *
 *     node scripts/check-hosts.mjs
 */
import { execFileSync } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Put together here, so that this file does not name them either. */
const PUBLIC_HOSTS = [
  ['registry', 'npmjs', 'org'],
  ['registry', 'yarnpkg', 'com'],
  ['registry', 'npmmirror', 'com'],
  ['npm', 'pkg', 'github', 'com'],
  ['npm', 'jsr', 'io'],
].map((labels) => labels.join('.'))

/** The public registries, and the one that npm uses here unless it is on this machine. */
export function registryHosts(configured = process.env.npm_config_registry) {
  const hosts = new Set(PUBLIC_HOSTS)
  if (configured !== undefined && URL.canParse(configured)) {
    const { host, hostname } = new URL(configured)
    if (hostname.includes('.') && !/^(?:127\.|0\.0\.0\.0$)/.test(hostname)) hosts.add(host.toLowerCase())
  }
  return [...hosts]
}

/** `path:line` of every place in `files`, `{ path, text }` each, that names one of `hosts`. */
export function findHosts(files, hosts = registryHosts()) {
  return files.flatMap(({ path, text }) => {
    const lower = text.toLowerCase()
    if (!hosts.some((host) => lower.includes(host))) return []
    return lower
      .split('\n')
      .flatMap((line, index) => (hosts.some((host) => line.includes(host)) ? [`${path}:${index + 1}`] : []))
  })
}

/** What is tracked, and what is about to be: files that git does not ignore. */
function repositoryFiles(root) {
  const list = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  })
  return [...new Set(list.split('\0'))]
    .filter((path) => path !== '' && statSync(join(root, path), { throwIfNoEntry: false })?.isFile() === true)
    .map((path) => ({ path, text: readFileSync(join(root, path), 'latin1') }))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const files = repositoryFiles(fileURLToPath(new URL('..', import.meta.url)))
  const found = findHosts(files)
  for (const place of found) console.log(`${place} names the host of a package registry`)
  console.log(`${files.length} files, ${found.length} places`)
  process.exitCode = found.length > 0 ? 1 : 0
}
