/** FNV-1a, twice with different primes: 64 bits that tell two runs apart at a few nanoseconds a step. */
const OFFSET = 0x811c9dc5
const PRIME = 0x01000193
const OTHER_PRIME = 0x01000197

/** Of either end of a chunk: hashing all of it would take a third of the time of a run. */
const HASHED_BYTES = 64

/** What happened in a run: a hash over all of it, and the lines of it where somebody listens. */
export class Trace {
  readonly #onLine: ((line: string) => void) | null
  #one = OFFSET
  #other = OFFSET

  constructor(onLine: ((line: string) => void) | null) {
    this.#onLine = onLine
  }

  /** The same for two runs in which the same happened at the same moments. */
  get hash(): string {
    return [this.#one, this.#other].map((half) => half.toString(16).padStart(8, '0')).join('')
  }

  note(now: number, who: string, what: string, amount: number): void {
    this.#number(Math.round(now * 1_000))
    this.#text(who)
    this.#text(what)
    this.#number(amount)
    this.#onLine?.(`${now.toFixed(3).padStart(12)}  ${who.padEnd(10)} ${what}${amount === 0 ? '' : ` ${amount}`}`)
  }

  /** Two runs that carry other values are to differ: a header, the beginning of a body and the end of the chunk tell. */
  bytes(bytes: Uint8Array): void {
    const head = Math.min(bytes.length, HASHED_BYTES)
    for (let at = 0; at < head; at += 1) this.#mix(bytes[at] as number)
    for (let at = Math.max(head, bytes.length - HASHED_BYTES); at < bytes.length; at += 1)
      this.#mix(bytes[at] as number)
  }

  #text(text: string): void {
    for (let at = 0; at < text.length; at += 1) this.#mix(text.charCodeAt(at))
    this.#mix(0)
  }

  #number(value: number): void {
    this.#mix(value | 0)
    this.#mix(Math.floor(value / 2 ** 32) | 0)
  }

  #mix(value: number): void {
    this.#one = Math.imul(this.#one ^ value, PRIME) >>> 0
    this.#other = Math.imul(this.#other ^ value ^ (this.#one >>> 15), OTHER_PRIME) >>> 0
  }
}
