import type { Connected } from '../subjects/subject.js'
import type { Latencies } from './latencies.js'

/** The pair stood still while others were measured: the first calls wake it up, and are not timed. */
const LEAD_IN_MS = 250

/**
 * Makes calls at even intervals, whatever becomes of those before, and times each from the moment at which it was due: a
 * stall is paid by all that were due in it (no coordinated omission). Returns how many were answered, which is all of them.
 */
export function openLoop(connected: Connected, perSecond: number, ms: number, latencies: Latencies): Promise<number> {
  const intervalMs = 1_000 / perSecond
  const total = Math.round(ms / intervalMs)
  const startedAt = performance.now()
  let next = 0
  let answered = 0
  return new Promise((resolve, reject) => {
    const make = async (index: number): Promise<void> => {
      connected.check(await connected.call(index), index)
      const dueMs = index * intervalMs
      if (dueMs >= LEAD_IN_MS) latencies.add(performance.now() - startedAt - dueMs)
      answered += 1
      if (answered === total) resolve(answered)
    }
    const turn = (): void => {
      const now = performance.now()
      for (; next < total && startedAt + next * intervalMs <= now; next += 1) make(next).catch(reject)
      // A timer would be a millisecond late or more.
      if (next < total) setImmediate(turn)
    }
    turn()
  })
}
