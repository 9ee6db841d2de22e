import { failure, type TransportError } from '../base/errors.js'
import type { Random } from '../base/random.js'
import { type Address, formatAddress } from '../socket/address.js'
import type { NameAnswer } from '../socket/resolve.js'
import { type NameTarget, parseTarget } from '../socket/target.js'
import { type NameOptions, type NameParts, NameWatch } from './name-watch.js'

/** An address that may be dialled. */
export interface FoundAddress {
  /** As it is written. */
  readonly key: string
  /** Whom its certificate must be for, where it was looked up by a name. */
  readonly serverName: string | undefined
  /** The lowest are to be used first. */
  readonly rank: number
  /** How much of the time for connecting the look-up has used up. */
  readonly spentMs: number
}

export interface DirectoryOwner {
  onFound(found: readonly FoundAddress[]): void
  /** A name could not be looked up, and no other one is being. What is known stays. */
  onFailed(error: TransportError): void
  used(): boolean
}

/** More of one priority are not told apart. */
const PARTIES = 1_000

interface Candidate extends FoundAddress {
  readonly weight: number
}

/** What a list of addresses stands for: those that are written there, and those that names lead to. */
export class Directory {
  readonly #parts: NameParts
  readonly #options: NameOptions
  readonly #owner: DirectoryOwner
  readonly #watches: readonly NameWatch[]
  /** What each entry of the list stands for, as far as is known. */
  readonly #found: (readonly Candidate[])[]
  /** Those of the first parties. */
  #first: ReadonlySet<string> = new Set()

  /** Throws what is wrong with the list. */
  constructor(addresses: readonly string[], parts: NameParts, options: NameOptions, owner: DirectoryOwner) {
    this.#parts = parts
    this.#options = options
    this.#owner = owner
    if (addresses.length === 0) throw failure('address-malformed', 'a client needs at least one address')
    const targets = addresses.map((text) => parseTarget(text))
    const twice = addresses.find((text, index) => addresses.indexOf(text) !== index)
    if (twice !== undefined) {
      throw failure('address-malformed', `the address '${twice}' is in the list twice`, { details: { address: twice } })
    }
    this.#found = targets.map((target) => (target.kind === 'name' ? [] : [single(target)]))
    this.#watches = targets.flatMap((target, index) => (target.kind === 'name' ? [this.#watch(target, index)] : []))
  }

  /** Tells the owner of what is known without asking anybody. */
  start(): void {
    if (this.#found.some((candidates) => candidates.length > 0)) this.#tell()
  }

  /** The addresses may be others by now, or are needed for the first time. */
  wake(): void {
    for (const watch of this.#watches) watch.wake()
  }

  close(): void {
    for (const watch of this.#watches) watch.close()
  }

  #watch(target: NameTarget, index: number): NameWatch {
    const owner = this.#owner
    return new NameWatch(target, this.#parts, this.#options, {
      onAnswer: (answer, tookMs) => {
        this.#found[index] = candidates(target, answer, tookMs)
        this.#tell()
      },
      onFailed: (error) => {
        if (!this.#watches.some(({ asking }) => asking)) owner.onFailed(error)
      },
      used: () => owner.used(),
    })
  }

  #tell(): void {
    const unique = new Map(this.#found.flat().map((candidate) => [candidate.key, candidate]))
    const all = [...unique.values()]
    const ordered = [...new Set(all.map(({ rank }) => rank))].flatMap((rank) =>
      this.#inParties(all.filter((candidate) => candidate.rank === rank)),
    )
    this.#first = new Set(ordered.filter(({ rank }) => rank % PARTIES === 0).map(({ key }) => key))
    this.#parts.counters.endpointsLeftOut += ordered.filter(({ rank }) => rank % PARTIES > 0).length
    this.#owner.onFound(ordered)
  }

  /** Parties of `maxEndpoints`, each of a rank of its own: who was in the first stays there, the others by chance. */
  #inParties(candidates: readonly Candidate[]): Candidate[] {
    const { maxEndpoints } = this.#options
    if (candidates.length <= maxEndpoints) return candidates.map((one) => ({ ...one, rank: one.rank * PARTIES }))
    const drawn = candidates.map((candidate) => ({
      candidate,
      lot: this.#first.has(candidate.key) ? 1 : lot(this.#parts.random, candidate.weight),
    }))
    drawn.sort((a, b) => b.lot - a.lot)
    return drawn.map(({ candidate }, index) => {
      const party = Math.min(PARTIES - 1, Math.floor(index / maxEndpoints))
      return { ...candidate, rank: candidate.rank * PARTIES + party }
    })
  }
}

/** The highest lots draw a sample by weight without putting back (Efraimidis and Spirakis, 2006). */
function lot(random: Random, weight: number): number {
  // A weight of 0 is a small chance in SRV records, not none.
  return random.next() ** (1 / Math.max(weight, 0.1))
}

function single(address: Address): Candidate {
  return { key: formatAddress(address), serverName: undefined, rank: 0, weight: 1, spentMs: 0 }
}

function candidates(target: NameTarget, { records }: NameAnswer, spentMs: number): Candidate[] {
  const priorities = [...new Set(records.map(({ priority }) => priority))].sort((a, b) => a - b)
  return records.map(({ host, port, priority, weight }) => {
    const address: Address = { kind: target.via, host, port: target.port ?? port ?? 0 }
    return {
      key: formatAddress(address),
      serverName: identity(target),
      rank: priorities.indexOf(priority),
      weight,
      spentMs,
    }
  })
}

/** Whom a certificate must be for: the name that the user wrote, never one that a name server came up with. */
function identity({ name }: NameTarget): string {
  return name.replace(/^(?:_[^.]+\.)+/, '').replace(/\.$/, '')
}
