import { test } from 'vitest'
import { Counters } from '../../src/base/counters.js'
import type { InputOf } from '../../src/base/options.js'
import { seededRandom } from '../../src/base/random.js'
import { TimerWheel } from '../../src/base/timer-wheel.js'
import { Directory, type DirectoryOwner, type FoundAddress } from '../../src/pool/directory.js'
import { poolRules } from '../../src/pool/options.js'
import type { NameAnswer, NameQuery, NameRecord } from '../../src/socket/resolve.js'
import { deferred } from '../fixtures/deferred.js'
import { VirtualClock } from '../support/virtual-clock.js'

export function record(host: string, facts: Partial<NameRecord> = {}): NameRecord {
  return { host, port: null, priority: 0, weight: 1, ...facts }
}

/** A name server that is the test. */
export class FakeNames {
  /** What is answered at once; null leaves the question open, an error refuses it. */
  answer: NameAnswer | Error | null = { records: [record('10.0.0.1')], ttlMs: null }
  readonly queries: NameQuery[] = []
  /** When each was asked. */
  readonly times: number[] = []
  readonly signals: AbortSignal[] = []
  readonly open: { resolve: (answer: NameAnswer) => void; reject: (error: unknown) => void }[] = []
  readonly #clock: VirtualClock

  constructor(clock: VirtualClock) {
    this.#clock = clock
  }

  hosts(...hosts: readonly string[]): void {
    this.answer = { records: hosts.map((host) => record(host)), ttlMs: null }
  }

  readonly resolve = async (query: NameQuery, signal: AbortSignal): Promise<NameAnswer> => {
    this.queries.push(query)
    this.times.push(this.#clock.now())
    this.signals.push(signal)
    const { answer } = this
    if (answer instanceof Error) throw answer
    if (answer !== null) return answer
    const { promise, resolve, reject } = deferred<NameAnswer>()
    this.open.push({ resolve, reject })
    return promise
  }
}

/** Directories in virtual time, and what they told. */
export class NameStage implements DirectoryOwner {
  readonly clock = new VirtualClock()
  readonly wheel = new TimerWheel(this.clock)
  readonly counters = new Counters()
  readonly names = new FakeNames(this.clock)
  readonly found: (readonly FoundAddress[])[] = []
  readonly failures: { readonly reason: string | undefined; readonly at: number }[] = []
  inUse = true
  readonly #directories: Directory[] = []

  directory(addresses: readonly string[], options: InputOf<typeof poolRules> = {}): Directory {
    const nothing = (): never => {
      throw new Error('a directory dials nobody')
    }
    const parts = {
      clock: this.clock,
      wheel: this.wheel,
      random: seededRandom(1),
      counters: this.counters,
      network: { dial: nothing, listen: nothing, resolve: this.names.resolve },
    }
    const parsed = { ...poolRules.parse(options, 'pool'), connectTimeoutMs: 5_000 }
    const directory = new Directory(addresses, parts, parsed, this)
    this.#directories.push(directory)
    return directory
  }

  /** The addresses that were found last. */
  get last(): string[] {
    return (this.found.at(-1) ?? []).map(({ key }) => key).sort()
  }

  onFound(found: readonly FoundAddress[]): void {
    this.found.push(found)
  }

  onFailed(error: { readonly reason: string | undefined }): void {
    this.failures.push({ reason: error.reason, at: this.clock.now() })
  }

  used(): boolean {
    return this.inUse
  }

  end(): void {
    for (const directory of this.#directories) directory.close()
    if (this.wheel.armed + this.clock.timers > 0) throw new Error('a timer is left')
  }
}

export const it = test.extend<{ stage: NameStage }>({
  // biome-ignore lint/correctness/noEmptyPattern: the shape that vitest asks for
  stage: async ({}, use) => {
    const stage = new NameStage()
    await use(stage)
    stage.end()
  },
})
