import type { Endpoint } from './endpoint.js'
import type { Member } from './member.js'

/** The endpoint that should have the next connection; null where all of them have as many as they may. */
export function roomiest<M extends Member>(endpoints: readonly Endpoint<M>[]): Endpoint<M> | null {
  return endpoints.filter(({ full }) => !full).sort(before)[0] ?? null
}

/** Whether a connection is rather to be had elsewhere than at `home`: there is room, or one is being made. */
export function roomElsewhere<M extends Member>(endpoints: readonly Endpoint<M>[], home: Endpoint<M>): boolean {
  return endpoints.some((one) => one !== home && (one.making > 0 || !one.full) && likelier(one, home) < 0)
}

/** Low ranks before high ones, and those with few connections before those with many. */
function before<M extends Member>(a: Endpoint<M>, b: Endpoint<M>): number {
  return likelier(a, b) || a.rank - b.rank || a.size - b.size
}

/** Well before ill, and what failed less often before what failed more often: who waits comes to each of them. */
function likelier<M extends Member>(a: Endpoint<M>, b: Endpoint<M>): number {
  return Number(b.serves) - Number(a.serves) || a.failures - b.failures
}
