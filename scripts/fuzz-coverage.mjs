/** Which blocks of our code have run, from V8 itself. */
import { Session } from 'node:inspector'

export class Coverage {
  #session = new Session()
  #prefix
  /** Every block of a function that has run, by where it stands. */
  seen = new Set()

  /** Counts scripts below the folder at `prefix`, a URL. */
  constructor(prefix) {
    this.#prefix = prefix
    this.#session.connect()
    this.#post('Profiler.enable')
    this.#post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  }

  /** The blocks that have run since the last time, and not before. */
  take() {
    const fresh = []
    for (const key of this.ran()) {
      if (this.seen.has(key)) continue
      this.seen.add(key)
      fresh.push(key)
    }
    return fresh
  }

  /** All blocks that have run since the last time. */
  ran() {
    const { result } = this.#post('Profiler.takePreciseCoverage')
    const blocks = []
    for (const { url, functions } of result) {
      if (!url.startsWith(this.#prefix)) continue
      const file = url.slice(this.#prefix.length)
      for (const { ranges } of functions) {
        for (const { startOffset, endOffset, count } of ranges) {
          if (count > 0) blocks.push(`${file}:${startOffset}-${endOffset}`)
        }
      }
    }
    return blocks
  }

  #post(method, parameters) {
    let outcome
    // A session to one's own process answers at once.
    this.#session.post(method, parameters, (error, result) => {
      if (error !== null) throw error
      outcome = result
    })
    return outcome
  }
}
