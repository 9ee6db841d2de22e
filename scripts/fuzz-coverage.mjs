/** Which blocks of our code have run, from V8 itself. */
import { Session } from 'node:inspector'

/**
 * V8 tells of a block only where it ran more or less often than what is around it: mostly, that it did not run at all.
 * A block is known from the first time that it was left out, and has run when its function did and it was not.
 */
export class Coverage {
  #session = new Session()
  #prefix
  /** The blocks of each function by where they stand, and whether they have ever run. */
  #functions = new Map()

  /** Counts scripts whose URL begins so. */
  constructor(prefix) {
    this.#prefix = prefix
    this.#session.connect()
    this.#post('Profiler.enable')
    this.#post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  }

  /** How many blocks and functions have run. */
  get reached() {
    let count = 0
    for (const blocks of this.#functions.values()) for (const ran of blocks.values()) if (ran) count += 1
    return count
  }

  /** What has run since the last time, and never before. */
  take() {
    const fresh = []
    for (const { blocks, key, skipped } of this.#ran()) {
      for (const [block, known] of blocks) {
        if (known || leftOut(block, skipped)) continue
        blocks.set(block, true)
        fresh.push(`${key}:${block}`)
      }
    }
    return fresh
  }

  /** What has run since the last time. */
  list() {
    const all = []
    for (const { blocks, key, skipped } of this.#ran()) {
      for (const block of blocks.keys()) if (!leftOut(block, skipped)) all.push(`${key}:${block}`)
    }
    return all
  }

  /** The functions that have run since the last time, with the blocks in them that have not. */
  #ran() {
    const { result } = this.#post('Profiler.takePreciseCoverage')
    const ran = []
    for (const { url, functions } of result) {
      if (!url.startsWith(this.#prefix)) continue
      for (const { ranges } of functions) {
        const [whole, ...parts] = ranges
        if (whole.count === 0) continue
        const key = `${url.slice(this.#prefix.length)}:${name(whole)}`
        const skipped = parts.filter(({ count }) => count === 0)
        ran.push({ blocks: this.#learn(key, name(whole), skipped), key, skipped })
      }
    }
    return ran
  }

  /** Takes note of blocks. One of a function that ran before, and was not left out then, ran as well. */
  #learn(key, whole, skipped) {
    const blocks = this.#functions.get(key)
    if (blocks === undefined) {
      const first = new Map([[whole, false], ...skipped.map((part) => [name(part), false])])
      this.#functions.set(key, first)
      return first
    }
    const never = [...blocks].filter(([, ran]) => !ran).map(([block]) => rangeOf(block))
    for (const part of skipped) if (!blocks.has(name(part))) blocks.set(name(part), !leftOut(name(part), never))
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

function name({ startOffset, endOffset }) {
  return `${startOffset}-${endOffset}`
}

function leftOut(block, skipped) {
  if (skipped.length === 0) return false
  const { startOffset, endOffset } = rangeOf(block)
  return skipped.some((part) => part.startOffset <= startOffset && endOffset <= part.endOffset)
}

function rangeOf(block) {
  const [startOffset, endOffset] = block.split('-').map(Number)
  return { startOffset, endOffset }
}
