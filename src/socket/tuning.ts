import type { Server, Socket } from 'node:net'
import { requirePackage } from '../base/require-package.js'
import type { BufferSize } from './channel.js'
import type { SocketOptions } from './options.js'

/** The part of the optional package `sockopt` that is used. */
interface SockOpt {
  getsockopt(socket: Socket | Server, level: number, name: number): number
  setsockopt(socket: Socket | Server, level: number, name: number, value: number): void
}

/** From the systems' own headers: Linux numbers these differently from the BSD family. */
const NAMES =
  process.platform === 'linux'
    ? { SOL_SOCKET: 1, SO_SNDBUF: 7, SO_RCVBUF: 8 }
    : { SOL_SOCKET: 0xffff, SO_SNDBUF: 0x1001, SO_RCVBUF: 0x1002 }

/** Undefined until somebody asks, null where the package is not installed or does not load. */
let loaded: SockOpt | null | undefined

function sockopt(): SockOpt | null {
  if (loaded === undefined) {
    try {
      loaded = requirePackage('sockopt') as SockOpt
    } catch {
      // The package is optional; its absence is reported in the facts of every channel.
      loaded = null
    }
  }
  return loaded
}

export interface BufferSizes {
  readonly sendBuffer: BufferSize
  readonly receiveBuffer: BufferSize
}

/** Sets the kernel buffers that were asked for, and reads both back. Works on a live socket and on a listener. */
export function tuneBuffers(socket: Socket | Server, options: SocketOptions): BufferSizes {
  return {
    sendBuffer: tune(socket, NAMES.SO_SNDBUF, options.sendBufferBytes),
    receiveBuffer: tune(socket, NAMES.SO_RCVBUF, options.receiveBufferBytes),
  }
}

/** Sizes that nobody asked for are not read from the kernel: two system calls per connection for a curiosity. */
const KERNEL_TUNED: BufferSize = {
  requested: null,
  effective: null,
  applied: false,
  reason: 'not requested: the kernel tunes it',
}

function tune(socket: Socket | Server, name: number, requested: number | undefined): BufferSize {
  if (requested === undefined) return KERNEL_TUNED
  const calls = sockopt()
  if (calls === null) {
    return { requested, effective: null, applied: false, reason: 'the optional package sockopt is not installed' }
  }
  try {
    calls.setsockopt(socket, NAMES.SOL_SOCKET, name, requested)
    const effective = calls.getsockopt(socket, NAMES.SOL_SOCKET, name)
    const applied = effective >= requested
    return {
      requested,
      effective,
      applied,
      reason: applied ? explain(requested, effective) : `the system allows no more than ${effective}`,
    }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    return { requested, effective: null, applied: false, reason: `the system refused: ${why}` }
  }
}

function explain(requested: number, effective: number): string {
  return effective === requested * 2 ? 'in force; Linux doubles the value for its bookkeeping' : 'in force'
}
