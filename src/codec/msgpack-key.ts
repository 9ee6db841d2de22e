// Hot path: every key of every object goes through here, both ways.

/** Keys of more bytes than a fixstr holds are rare, and are not remembered. */
export const LONGEST_KEY_BYTES = 31

const SLOTS = 1024

/** More bytes than any message has: what compares lengths first never takes it for a key. */
const NEVER_BYTES = 0x3fff_ffff

/**
 * A map key that was seen before, as text and as the bytes it has on the wire. `next` is the key that followed it
 * last time: objects of one kind come one after the other with the same keys, so that the guess is mostly right and
 * a key costs the comparison of two words instead of a string.
 */
export class Key {
  readonly text: string
  /** Header and text; at least 8 bytes, of which the first `byteLength` count. */
  readonly bytes: Buffer
  readonly byteLength: number
  /** The first 8 of `bytes`, and which bits of them count. */
  readonly word0: number
  readonly word1: number
  readonly mask0: number
  readonly mask1: number
  next: Key = this

  constructor(text: string, bytes: Buffer, byteLength: number) {
    this.text = text
    this.bytes = bytes
    this.byteLength = byteLength
    this.word0 = bytes.readInt32BE(0)
    this.word1 = bytes.readInt32BE(4)
    this.mask0 = byteLength >= 4 ? -1 : ~(-1 >>> (byteLength * 8))
    this.mask1 = byteLength >= 8 ? -1 : byteLength > 4 ? ~(-1 >>> ((byteLength - 4) * 8)) : 0
  }
}

/** In the place of a key where there is none yet. Its text is empty, which no key in the table is. */
export function noKey(): Key {
  return new Key('', Buffer.alloc(8), NEVER_BYTES)
}

/** A number that is the same for equal keys and differs for most others: of the length and three characters. */
export function keyTrace(length: number, first: number, middle: number, last: number): number {
  return (
    (Math.imul(length, 0x01000193) +
      Math.imul(first, 0x9e3779b1) +
      Math.imul(middle, 0x85ebca77) +
      Math.imul(last, 0xc2b2ae3d)) |
    0
  )
}

/** Names that reach the prototype of the object they are assigned to. They are refused in both directions. */
export function isReserved(text: string): boolean {
  return text === '__proto__' || text === 'constructor' || text === 'prototype'
}

/** The keys known to one direction: a fixed table, in which the newcomer replaces who sits in its place. */
export class KeyTable {
  readonly #keys: Key[] = new Array<Key>(SLOTS).fill(noKey())
  /** What was seen once: a key is remembered the second time, so that keys that are data do not fill the table. */
  readonly #seen = new Int32Array(SLOTS)

  /** The key of this `keyTrace`, or any other. */
  at(trace: number): Key {
    // In bounds by the mask.
    return this.#keys[trace & (SLOTS - 1)] as Key
  }

  /** Whether the key of this trace was here lately; from now on it was. */
  wasSeen(trace: number): boolean {
    const slot = trace & (SLOTS - 1)
    if (this.#seen[slot] === trace) return true
    this.#seen[slot] = trace
    return false
  }

  /** Remembers a key of at most `LONGEST_KEY_BYTES` bytes. */
  learn(trace: number, text: string): Key {
    const body = Buffer.from(text)
    const bytes = Buffer.alloc(Math.max(8, body.length + 1))
    bytes[0] = 0xa0 | body.length
    bytes.set(body, 1)
    const key = new Key(internalized(text), bytes, body.length + 1)
    this.#keys[trace & (SLOTS - 1)] = key
    return key
  }
}

/** The same text as the engine keeps it for property names: found without hashing, compared by address. */
function internalized(text: string): string {
  for (const name in { [text]: 0 }) return name
  return text
}
