import { flag, group, integer, type OutputOf, optional } from '../base/options.js'
import type { TlsMaterial } from './tls-material.js'

const MIN_KERNEL_BUFFER_BYTES = 4096
const MAX_KERNEL_BUFFER_BYTES = 1 << 30

export const socketRules = group({
  /** Small writes leave at once. Frames are batched already, so Nagle's algorithm would only add delay. */
  noDelay: flag(true),
  /** Idle time before the first keepalive probe, in force as whole seconds, rounded up; 0 turns probes off. */
  keepAliveMs: integer(30_000, 0, 7_200_000),
  /** SO_SNDBUF and SO_RCVBUF. Left out, the kernel tunes them by itself, which a fixed value switches off. */
  sendBufferBytes: optional(integer(0, MIN_KERNEL_BUFFER_BYTES, MAX_KERNEL_BUFFER_BYTES)),
  receiveBufferBytes: optional(integer(0, MIN_KERNEL_BUFFER_BYTES, MAX_KERNEL_BUFFER_BYTES)),
  /** DNS, TCP, TLS and HELLO together. */
  connectTimeoutMs: integer(5_000, 1, 300_000),
  /**
   * Who may connect to a unix socket, as `chmod` has it, such as 0o660. Left out, the umask of the process decides. It
   * holds from the first moment, or `listen` fails with `listen-failed`: in a worker of a cluster the primary makes the
   * socket, and has to set its own umask to what this leaves, such as `process.umask(0o117)`.
   */
  unixMode: optional(integer(0, 0, 0o777)),
  /** Connections the kernel completes before we accept them. */
  backlog: integer(511, 1, 65_535),
})

export type SocketOptions = OutputOf<typeof socketRules>

/** What a network is told for each address. */
export interface LinkOptions extends SocketOptions {
  /** For `tls://` addresses. */
  readonly tls?: TlsMaterial
  /** Whom the certificate must be for, where the address is one that this name was found to have. */
  readonly serverName?: string | undefined
}
