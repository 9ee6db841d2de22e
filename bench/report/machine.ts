import { execFileSync } from 'node:child_process'
import { cpus, totalmem } from 'node:os'

const GIB = 2 ** 30

export function machine(): string {
  const all = cpus()
  return `${all.length} x ${all[0]?.model.trim() ?? process.arch}, ${Math.round(totalmem() / GIB)} GiB, ${process.platform}`
}

/** The commit that was measured, marked where the tree has changes; `unknown` outside a repository. */
export function commit(): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
  } catch {
    return 'unknown'
  }
}
