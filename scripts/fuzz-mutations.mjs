/** Makes new inputs of old ones. */

const MAX_BYTES = 4_096
const NUMBERS = [
  0,
  1,
  2,
  7,
  8,
  9,
  12,
  16,
  64,
  127,
  128,
  255,
  256,
  1_023,
  1_024,
  4_096,
  65_535,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
]

/** Numbers from 0 to below 1, the same for the same seed (mulberry32, by T. Ettinger; public domain). */
export function randomFrom(seed) {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const below = (random, count) => Math.floor(random() * count)

const CHANGES = [
  function flip(bytes, random) {
    const at = below(random, bytes.length)
    bytes[at] ^= 1 << below(random, 8)
    return bytes
  },
  function replace(bytes, random) {
    bytes[below(random, bytes.length)] = below(random, 256)
    return bytes
  },
  function add(bytes, random) {
    const at = below(random, bytes.length)
    bytes[at] = (bytes[at] + below(random, 33) - 16) & 0xff
    return bytes
  },
  function number(bytes, random) {
    const value = NUMBERS[below(random, NUMBERS.length)]
    const size = [1, 2, 4][below(random, 3)]
    if (bytes.length < size) return bytes
    const at = below(random, bytes.length - size + 1)
    const cut = value % 2 ** (size * 8)
    if (random() < 0.5) bytes.writeUIntLE(cut, at, size)
    else bytes.writeUIntBE(cut, at, size)
    return bytes
  },
  function insert(bytes, random) {
    const at = below(random, bytes.length + 1)
    const more = Buffer.alloc(1 + below(random, 16), random() < 0.5 ? 0 : below(random, 256))
    return Buffer.concat([bytes.subarray(0, at), more, bytes.subarray(at)])
  },
  function remove(bytes, random) {
    const at = below(random, bytes.length)
    const count = 1 + below(random, Math.min(16, bytes.length - at))
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + count)])
  },
  function repeat(bytes, random) {
    const at = below(random, bytes.length)
    const piece = bytes.subarray(at, at + 1 + below(random, 64))
    const to = below(random, bytes.length + 1)
    return Buffer.concat([bytes.subarray(0, to), piece, bytes.subarray(to)])
  },
  function cut(bytes, random) {
    return bytes.subarray(0, below(random, bytes.length))
  },
  /** What follows a length of a frame is made as long as it says, so that what is behind the framer is reached. */
  function measure(bytes, random) {
    if (bytes.length < 6) return bytes
    const at = below(random, bytes.length - 4)
    bytes.writeUInt32LE(Math.max(8, Math.min(bytes.length - at - 4, 8 + below(random, 40))), at)
    return bytes
  },
  function splice(bytes, random, corpus) {
    const other = corpus[below(random, corpus.length)]
    const at = below(random, bytes.length + 1)
    const from = below(random, other.length + 1)
    const piece = other.subarray(from, from + 1 + below(random, 200))
    return Buffer.concat([bytes.subarray(0, at), piece, random() < 0.5 ? bytes.subarray(at) : Buffer.alloc(0)])
  },
]

/** A new input from one of the corpus. */
export function mutated(corpus, random) {
  // What was found last is looked at most.
  const age = Math.floor(random() * random() * corpus.length)
  let bytes = Buffer.from(corpus[corpus.length - 1 - age])
  for (let count = 1 + below(random, 5); count > 0; count -= 1) {
    if (bytes.length === 0) bytes = Buffer.of(below(random, 256))
    bytes = Buffer.from(CHANGES[below(random, CHANGES.length)](bytes, random, corpus))
  }
  return bytes.subarray(0, MAX_BYTES)
}
