import { failure, type TransportError } from '../base/errors.js'
import { TokenBucket } from '../base/token-bucket.js'
import type { Environment } from './environment.js'

const ERROR_WINDOW_S = 10

/** What one peer may cause before it has to go: pings, errors of ours, answers that it does not read. Arithmetic only. */
export class Conduct {
  readonly #environment: Environment
  readonly #pings: TokenBucket
  readonly #errors: TokenBucket
  readonly #cancels: TokenBucket

  constructor(environment: Environment) {
    const { limits, clock } = environment
    this.#environment = environment
    this.#pings = new TokenBucket(limits.pingBurst, limits.pingsPerSecond, clock.now())
    this.#cancels = new TokenBucket(limits.cancelBurst, limits.cancelsPerSecond, clock.now())
    this.#errors = new TokenBucket(limits.errorsPer10s, limits.errorsPer10s / ERROR_WINDOW_S, clock.now())
  }

  /** The peer pinged. Returns why it must go, or null. */
  ping(): TransportError | null {
    if (this.#pings.take(1, this.#environment.clock.now())) return null
    return failure('too-many-pings', `pings faster than ${this.#environment.limits.pingsPerSecond} a second`)
  }

  /** The peer gave up a call or a stream. Returns why it must go, or null. */
  cancel(): TransportError | null {
    if (this.#cancels.take(1, this.#environment.clock.now())) return null
    return failure('too-many-cancels', `cancels faster than ${this.#environment.limits.cancelsPerSecond} a second`)
  }

  /** The peer caused an error of ours. */
  error(): TransportError | null {
    if (this.#errors.take(1, this.#environment.clock.now())) return null
    const { errorsPer10s } = this.#environment.limits
    return failure('too-many-errors', `the peer caused more than ${errorsPer10s} errors in ${ERROR_WINDOW_S} s`)
  }

  /** So many bytes of answers wait for the peer to read. */
  unread(bytes: number): TransportError | 'slow' | null {
    const { unreadHardBytes, unreadSoftBytes } = this.#environment.limits
    if (bytes > unreadHardBytes) {
      return failure('answers-unread', `the peer left ${bytes} bytes unread, the limit is ${unreadHardBytes}`)
    }
    return bytes > unreadSoftBytes ? 'slow' : null
  }
}
