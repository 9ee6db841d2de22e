import type { BigIntStats } from 'node:fs'
import { Socket } from 'node:net'
import { nodeFs } from './node-modules.js'

/**
 * Listens with these permissions on the socket from its first moment: the system makes it within the call, with what
 * the umask leaves. The umask belongs to the whole process, and is put back before anything else of ours runs; worker
 * threads may not set it, and are told so by Node. Where the socket is made by somebody else it comes out differently:
 * `wrongMode` tells.
 */
export function withMode(mode: number | undefined, listen: () => void): void {
  if (mode === undefined) {
    listen()
    return
  }
  const before = process.umask(ALL & ~mode)
  try {
    listen()
  } finally {
    process.umask(before)
  }
}

const ALL = 0o777

/**
 * The permissions that the socket has, where they are not those that were asked for: in a worker of a cluster the
 * primary makes it, with an umask of its own, and a folder may have an access list that goes before the umask. They are
 * not set afterwards: who connects in between would be in, and would stay. Whoever listens there is refused instead.
 */
export function wrongMode(path: string, mode: number | undefined): string | null {
  if (mode === undefined) return null
  const stats = nodeFs().lstatSync(path, { throwIfNoEntry: false })
  // Nobody can connect to what is gone.
  const found = stats === undefined ? mode : stats.mode & ALL
  return found === mode ? null : found.toString(8)
}

/**
 * Removes the socket file that a killed server has left, if there is one and nobody listens there. It is moved aside
 * before it is removed, and looked at again, so that a server which took the path meanwhile gets it back. Not by
 * connecting to it: aside its path may be longer than any that a socket can have.
 */
export async function clearStale(path: string): Promise<void> {
  const before = socketAt(path)
  // Twice: a server that has made its socket listens there a moment later.
  if (before === null || !(await refuses(path)) || !(await refuses(path))) return
  const aside = `${path}.${process.pid}`
  try {
    nodeFs().renameSync(path, aside)
  } catch {
    // Somebody else was faster, or may do more here than we: listening will tell.
    return
  }
  try {
    if (!isSame(before, socketAt(aside))) nodeFs().linkSync(aside, path)
    nodeFs().unlinkSync(aside)
  } catch {
    // A third one has the path by now. Who listens at the file aside is left there.
  }
}

function socketAt(path: string): BigIntStats | null {
  const stats = nodeFs().lstatSync(path, { bigint: true, throwIfNoEntry: false })
  return stats?.isSocket() === true ? stats : null
}

/** Moving a file leaves all of this as it is. A file system may give the number of a removed file to the next one. */
function isSame(one: BigIntStats, other: BigIntStats | null): boolean {
  return one.dev === other?.dev && one.ino === other.ino && one.mtimeNs === other.mtimeNs
}

/** Nobody listens: anything else, no permission among it, is no reason to remove a file. */
function refuses(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = new Socket()
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'))
    socket.once('connect', () => {
      socket.destroy()
      resolve(false)
    })
    socket.connect({ path })
  })
}
