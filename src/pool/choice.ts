// Hot path: runs for every call.
import type { Random } from '../base/random.js'

export interface Loaded {
  /** Calls that have no outcome yet. */
  readonly inFlight: number
}

/**
 * The less busy of two members drawn at random, which keeps loads nearly even at the cost of two looks
 * (Mitzenmacher, 2001: "the power of two choices"). Null when there are none.
 */
export function lessBusyOfTwo<M extends Loaded>(members: readonly M[], random: Random): M | null {
  const count = members.length
  if (count <= 1) return members[0] ?? null
  const first = Math.floor(random.next() * count)
  // The second is another one, each with the same chance.
  const second = (first + 1 + Math.floor(random.next() * (count - 1))) % count
  const one = members[first] as M
  const other = members[second] as M
  return other.inFlight < one.inFlight ? other : one
}

/** One that passes, or null. The search begins anywhere: otherwise whoever is first would get everything. */
export function anyOf<M>(members: readonly M[], passes: (member: M) => boolean, random: Random): M | null {
  const count = members.length
  const from = count > 1 ? Math.floor(random.next() * count) : 0
  for (let looked = 0; looked < count; looked += 1) {
    const member = members[(from + looked) % count] as M
    if (passes(member)) return member
  }
  return null
}

/** Takes one out. The order is not kept. */
export function remove<M>(members: M[], member: M): void {
  const index = members.indexOf(member)
  if (index < 0) return
  const last = members.pop() as M
  if (last !== member) members[index] = last
}
