import { group, inOrder, integer, type OutputOf } from '../base/options.js'

export const retryRules = inOrder(
  group({
    /** How often a call is made at most, the first time included. 1: never again. */
    maxAttempts: integer(3, 1, 10),
    /** The pause before the second attempt. It doubles with each, up to the most, with jitter. */
    minBackoffMs: integer(10, 1, 60_000),
    maxBackoffMs: integer(1_000, 1, 3_600_000),
    /** Each attempt beyond the first takes a token of its client. */
    budgetTokens: integer(10, 1, 1_000_000),
    /** A token comes back with so many calls that succeed. */
    successesPerToken: integer(10, 1, 1_000_000),
  }),
  'minBackoffMs',
  'maxBackoffMs',
)

export type RetryOptions = OutputOf<typeof retryRules>

/**
 * How many more attempts a client may make: a bucket that fills with successes instead of with time, so that servers
 * which fail everything see `budgetTokens` calls more than were offered and then none. It is told how many calls have
 * succeeded when it is asked for a token, and costs those calls nothing. Whole numbers: a success is one part of a token.
 */
export class RetryBudget {
  readonly #mostParts: number
  readonly #partsPerToken: number
  #parts: number
  #successesSeen = 0

  constructor({ budgetTokens, successesPerToken }: Pick<RetryOptions, 'budgetTokens' | 'successesPerToken'>) {
    this.#partsPerToken = successesPerToken
    this.#mostParts = budgetTokens * successesPerToken
    this.#parts = this.#mostParts
  }

  /** Takes a token, if there is one. `successes` is how many calls have succeeded so far. */
  take(successes: number): boolean {
    this.#parts = Math.min(this.#mostParts, this.#parts + successes - this.#successesSeen)
    this.#successesSeen = successes
    if (this.#parts < this.#partsPerToken) return false
    this.#parts -= this.#partsPerToken
    return true
  }
}
