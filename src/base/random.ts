import { randomBytes } from 'node:crypto'

/** Where chance comes from. The simulator hands in a seeded one, so that a run can be repeated. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number
  /** `length` unpredictable bytes, for identities. */
  bytes(length: number): Uint8Array
}

export const systemRandom: Random = {
  next: () => Math.random(),
  bytes: (length) => randomBytes(length),
}

/** mulberry32: 32 bits of state, plenty for schedules and jitter, useless for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const uint32 = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
  return {
    next: () => uint32() / 2 ** 32,
    bytes: (length) => Uint8Array.from({ length }, () => uint32() & 0xff),
  }
}
