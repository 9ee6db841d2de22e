import { type OnReadOpts, Socket } from 'node:net'

/**
 * Reading into a buffer of ours instead of a new one for each chunk is worth two to four times the bytes per second
 * (measured on Node 20). Node documents it (`onread`) for sockets that dial. For accepted ones there is no option, so
 * the handle of a socket that was accepted paused is moved into a new `Socket`, which takes `onread`. The handle is
 * not documented; where it does not look as expected, the accepted socket is used as it came and the caller falls
 * back to 'data' events. Everything undocumented about reading is in this file, and tested on every Node of the matrix.
 */
interface HandleOwner {
  _handle: object | null
}

/** Returns a socket that reads by `onread`, or null when this Node does not let us make one. */
export function rewrap(accepted: Socket, onread: OnReadOpts): Socket | null {
  const owner = accepted as unknown as HandleOwner
  const handle = owner._handle
  if (handle === null || typeof handle !== 'object' || !('useUserBuffer' in handle)) return null
  owner._handle = null
  const socket = new Socket({ handle, onread, allowHalfOpen: true } as ConstructorParameters<typeof Socket>[0])
  // The old socket has no handle any more, so this only takes it off the server's count. We count our own.
  accepted.destroy()
  return socket
}

/**
 * One buffer for all connections of the process: a read and its callback happen without anything in between, and
 * whoever gets the bytes has copied or used them when the callback returns. An idle connection so owns no buffer.
 * 64 KiB is the most that libuv reads at once by itself; larger ones brought nothing.
 */
const SHARED_READ_BYTES = 64 * 1024

let shared: Buffer | undefined

export function sharedReadBuffer(): Buffer {
  shared ??= Buffer.allocUnsafeSlow(SHARED_READ_BYTES)
  return shared
}
