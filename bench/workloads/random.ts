/** mulberry32: the same traffic in every run with the same seed. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Bytes about half compressible, as chain traffic is: LZ4 brings a block of them to about 0.52. */
export function halfCompressible(length: number, random: () => number): Buffer {
  const bytes = Buffer.alloc(length)
  // Runs of 8 to 24 noisy bytes, then as many zeros: addresses and amounts between padding.
  for (let at = 0; at < length; ) {
    const run = 8 + Math.floor(random() * 17)
    for (let index = 0; index < run && at + index < length; index += 1) bytes[at + index] = Math.floor(random() * 256)
    at += run * 2
  }
  return bytes
}
