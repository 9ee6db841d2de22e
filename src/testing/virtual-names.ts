import type { TimerHandle } from '../base/clock.js'
import { failure } from '../base/errors.js'
import type { NameAnswer, NameQuery, NameRecord } from '../socket/resolve.js'
import type { Life, Scheduler } from './scheduler.js'

/** What a name leads to. `silent`: whoever asks for it gets no answer, for as long as it is so. */
export type NameEntry = readonly NameRecord[] | 'silent'

/** Who gets no answer asks again after so long, then after twice as long, and so on. */
const FIRST_AGAIN_MS = 1_000

/** The name servers of the virtual network. What they know is the test's to change at any time. */
export class VirtualNames {
  readonly entries = new Map<string, NameEntry>()
  readonly #scheduler: Scheduler

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler
  }

  /** Settles once, or never where the name stays silent and nobody aborts the signal. */
  async resolve(life: Life, { name }: NameQuery, signal: AbortSignal): Promise<NameAnswer> {
    signal.throwIfAborted()
    this.#scheduler.note(life.host, `looks up ${name}`)
    return new Promise((resolve, reject) => {
      let again: TimerHandle = null
      const onAbort = (): void => {
        this.#scheduler.cancel(again)
        reject(signal.reason)
      }
      const ask = (againMs: number): void => {
        const entry = this.entries.get(name)
        if (entry === 'silent') {
          again = this.#scheduler.schedule(life, againMs, () => ask(againMs * 2))
          return
        }
        signal.removeEventListener('abort', onAbort)
        if (Array.isArray(entry)) resolve({ records: entry, ttlMs: null })
        else reject(unresolved(name, entry))
      }
      signal.addEventListener('abort', onAbort)
      ask(FIRST_AGAIN_MS)
    })
  }
}

function unresolved(name: string, entry: unknown): Error {
  if (entry === undefined) {
    const details = { name, systemCode: 'ENOTFOUND' }
    return failure('resolve-failed', `nobody knows the name ${name}`, { details })
  }
  return failure('misuse', `what ${name} leads to is neither a list of records nor 'silent'`, { details: { name } })
}
