import type { Reason } from '../../src/base/errors.js'
import type { StatusCode } from '../../src/base/status.js'
import type { HelloFields } from '../../src/wire/hello.js'
import type { Scene } from './scene.js'

/** Which end of ours is attacked: a server by who dials it, a client by who it dials. */
export type Role = 'server' | 'client'

/** What was refused or dropped before the end, and how often. */
export type Also = Partial<Record<Reason, number>>

/** What comes of it. A reason is also the counter that rises, by one, and no other does. */
export type Outcome =
  /** The next call on the same connection goes through. */
  | 'goes on'
  /** The hostile peer hangs up behind its bytes: our end lets go of the connection, and counts nothing. */
  | 'lost'
  /** Our end closes the connection, as it was told to. Nothing is counted. */
  | 'closes'
  /** The connection takes no more of our calls: the next goes through on another one. */
  | 'leaves'
  /** GO_AWAY that names the reason, then the end. */
  | { readonly ends: Reason; readonly also?: Also }
  /** The end without a word: there is nobody who would understand it. */
  | { readonly cuts: Reason }
  /** The peer gets an ERROR, or a STREAM_END, that names the reason, and the connection goes on. */
  | { readonly refuses: Reason }
  /** Nobody is told: a one-way message is dropped, so many times, and the connection goes on. */
  | { readonly drops: Reason; readonly times?: number }
  /** A call or stream of ours fails, because what came for it cannot be used. The connection goes on. */
  | { readonly fails: Reason }
  /** A call or stream of ours ends with the code that the peer gave. Nothing is counted, the connection goes on. */
  | { readonly told: StatusCode }

export interface BadFrame {
  readonly name: string
  /** What the hostile peer says of itself; null where it says nothing but the bytes. */
  readonly hello: Partial<HelloFields> | null
  readonly says: (scene: Scene) => Buffer | Promise<Buffer>
  /** Null where this role cannot be attacked so. */
  readonly server: Outcome | null
  readonly client: Outcome | null
}

export type Says = string | Buffer | BadFrame['says']

/** The outcomes of a payload that is delivered with `Scene.deliver`. */
export function unusable(reason: Reason): { readonly server: Outcome; readonly client: Outcome } {
  return { server: { refuses: reason }, client: { fails: reason } }
}

/** The same outcome in both roles, or one of each. */
type Outcomes = Outcome | { readonly server: Outcome | null; readonly client: Outcome | null }

/** One case, of a peer that said a proper HELLO. */
export function bad(name: string, says: Says, then: Outcomes, hello: BadFrame['hello'] = {}): BadFrame {
  const outcomes = typeof then === 'object' && 'server' in then ? then : { server: then, client: then }
  return { name, hello, says: sayer(says), ...outcomes }
}

/** One case, of a peer that said nothing before. */
export function first(name: string, says: Says, then: Outcomes): BadFrame {
  return bad(name, says, then, null)
}

/** Only a server is attacked so. */
export function toServer(name: string, says: Says, server: Outcome, hello: BadFrame['hello'] = {}): BadFrame {
  return bad(name, says, { server, client: null }, hello)
}

/** Only a client is attacked so. */
export function toClient(name: string, says: Says, client: Outcome, hello: BadFrame['hello'] = {}): BadFrame {
  return bad(name, says, { server: null, client }, hello)
}

function sayer(says: Says): BadFrame['says'] {
  if (typeof says === 'function') return says
  const bytes = typeof says === 'string' ? hex(says) : says
  return () => bytes
}

/** Bytes from hex digits, with spaces where they help. */
export function hex(digits: string): Buffer {
  const plain = digits.replace(/\s/g, '')
  if (!/^([0-9a-f]{2})*$/.test(plain)) throw new Error(`no hex: ${digits}`)
  return Buffer.from(plain, 'hex')
}

export function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16LE(value)
  return bytes
}

/** Every beginning of the bytes, from none to all but the last. */
export function beginnings(bytes: Buffer): readonly Buffer[] {
  return Array.from({ length: bytes.length }, (_, length) => bytes.subarray(0, length))
}

export const MAX_U32 = 0xffff_ffff
