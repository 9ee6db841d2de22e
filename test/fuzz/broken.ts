import { TransportError } from '../../src/base/errors.js'

/** Says what does not hold. Whoever drives a target takes any error that leaves it for a finding. */
export function hold(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`broken: ${what}`)
}

/** What the act returns, or the failure with a reason of ours; any other error is a finding. */
export function attempt<T>(act: () => T): { readonly value: T } | TransportError {
  try {
    return { value: act() }
  } catch (error) {
    if (error instanceof TransportError && error.reason !== undefined) return error
    throw error
  }
}

/** The same bytes in pieces whose sizes come from a seed: mostly small ones, now and then a large one. */
export function pieces(bytes: Buffer, seed: number): Buffer[] {
  const all: Buffer[] = []
  let state = (seed + 1) >>> 0
  for (let at = 0; at < bytes.length; ) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    const size = seed === 0 ? bytes.length : 1 + ((state >>> 16) % ((state & 3) === 0 ? 5_000 : 13))
    all.push(bytes.subarray(at, at + size))
    at += size
  }
  return all
}
