// Hot path: `count` and `due` run for every message of a source, and for every one that waited for a handler.

/**
 * When to read the clock. It costs 40 to 100 ns, a tenth of a small message: so it is read after as many messages as fit
 * into `everyMs` by the speed of the last ones, after twice as many as before at most, and after `most` in any case. So slow
 * ones are found out soon where they come first, and after `most` where they follow quick ones.
 */
export class ClockLooks {
  readonly #everyMs: number
  readonly #most: number
  #perLook = 1
  #count = 0
  #lastMs: number

  /** `nowMs`: what the clock said when the first message began. */
  constructor(everyMs: number, most: number, nowMs: number) {
    this.#everyMs = everyMs
    this.#most = most
    this.#lastMs = nowMs
  }

  /** Accounts for a message. */
  count(): void {
    this.#count += 1
  }

  /** Whether to look now. */
  get due(): boolean {
    return this.#count >= this.#perLook
  }

  /** The clock said so when it was `due`. */
  looked(nowMs: number): void {
    const fitting = (this.#count * this.#everyMs) / (nowMs - this.#lastMs)
    const most = Math.min(this.#most, this.#perLook * 2)
    this.#perLook = fitting < most ? Math.max(1, Math.floor(fitting)) : most
    this.resume(nowMs)
  }

  /** The clock said so where the next message begins: what lies before it tells nothing of the messages. */
  resume(nowMs: number): void {
    this.#count = 0
    this.#lastMs = nowMs
  }
}
