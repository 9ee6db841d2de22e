/**
 * Modules of Node that most processes need nothing of, loaded by their first use: TLS, name lookups and the file system
 * together are 0.4 MB of heap in every process that imports them. Sync, so that options are judged where they are given.
 */
import type { promises as Dns } from 'node:dns'

export function nodeTls(): typeof import('node:tls') {
  return process.getBuiltinModule('node:tls')
}

export function nodeDns(): typeof Dns {
  return process.getBuiltinModule('node:dns').promises
}

export function nodeFs(): typeof import('node:fs') {
  return process.getBuiltinModule('node:fs')
}
