import { nodeFs } from './node-modules.js'

/** How many files this process may have open, or Infinity where the system does not say. Node has no call for it. */
export function maxDescriptors(): number {
  try {
    const soft = /^Max open files\s+(\d+)/m.exec(nodeFs().readFileSync('/proc/self/limits', 'latin1'))?.[1]
    return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft)
  } catch {
    // No /proc: macOS, Windows. The configured limit alone holds there.
    return Number.POSITIVE_INFINITY
  }
}
