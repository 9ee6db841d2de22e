import { Socket } from 'node:net'
import { nodeFs } from './node-modules.js'

/**
 * Listens with these permissions on the socket from its first moment: the system makes it within the call, with what
 * the umask leaves. The umask belongs to the whole process, and is put back before anything else of ours runs; worker
 * threads may not set it, and are told so by Node.
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
 * Removes the socket file that a killed server has left, if there is one and nobody listens there. It is moved aside
 * and tried again before it is removed, so that a server which took the path meanwhile gets it back.
 */
export async function clearStale(path: string): Promise<void> {
  if (!isSocket(path) || !(await refuses(path))) return
  const aside = `${path}.${process.pid}`
  try {
    nodeFs().renameSync(path, aside)
  } catch {
    // Somebody else was faster, or may do more here than we: listening will tell.
    return
  }
  const stale = await refuses(aside)
  try {
    if (!stale) nodeFs().linkSync(aside, path)
    nodeFs().unlinkSync(aside)
  } catch {
    // A third one has the path by now. Who listens at the file aside is left there.
  }
}

function isSocket(path: string): boolean {
  return nodeFs().lstatSync(path, { throwIfNoEntry: false })?.isSocket() === true
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
