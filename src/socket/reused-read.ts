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

interface ReusingHandle {
  readonly useUserBuffer?: (buffer: Uint8Array) => void
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

/** What `onread` of a new socket is kept under. */
const FIELDS = ['kBuffer', 'kBufferGen', 'kBufferCb'] as const

/**
 * The same for an accepted TLS socket, which cannot be wrapped anew: it gets `onread` as a new one would. Returns
 * false, and leaves it as it was, where it does not look as expected. To be called before anything was read.
 */
export function readReused(accepted: Socket, { buffer, callback }: OnReadOpts): boolean {
  const { _handle: handle } = accepted as unknown as { readonly _handle: ReusingHandle | null }
  const symbols = Object.getOwnPropertySymbols(accepted)
  const [first, next, call] = FIELDS.map((name) => symbols.find(({ description }) => description === name))
  if (first === undefined || next === undefined || call === undefined) return false
  if (typeof handle?.useUserBuffer !== 'function' || typeof buffer !== 'function' || accepted.readableLength > 0)
    return false
  const bytes = buffer()
  Object.assign(accepted, { [first]: bytes, [next]: buffer, [call]: callback })
  handle.useUserBuffer(bytes)
  return true
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
