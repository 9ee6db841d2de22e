/** A place in a list of several ranks. */
interface Ranked {
  readonly key: string
  readonly rank: number
}

/** The places to use: those of the lowest rank, and of as many more ranks as it takes to have one that is not dead. */
export function placesInUse<P extends Ranked>(places: readonly P[], dead: (key: string) => boolean): P[] {
  const ranks = [...new Set(places.map(({ rank }) => rank))].sort((a, b) => a - b)
  const inUse: P[] = []
  for (const rank of ranks) {
    const these = places.filter((place) => place.rank === rank)
    inUse.push(...these)
    if (these.some(({ key }) => !dead(key))) break
  }
  return inUse
}
