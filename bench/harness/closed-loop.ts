import type { Connected } from '../subjects/subject.js'
import type { Latencies } from './latencies.js'

/** With this many in flight or more, the clock is read for one call in `SAMPLE_EVERY`: it costs a tenth of a call. */
const SAMPLE_FROM_CONCURRENCY = 32
const SAMPLE_EVERY = 16

/** Each of `concurrency` users makes a call when the last one is answered, until time is up. Returns how many were answered. */
export async function closedLoop(
  connected: Connected,
  concurrency: number,
  ms: number,
  latencies: Latencies,
): Promise<number> {
  const every = concurrency >= SAMPLE_FROM_CONCURRENCY ? SAMPLE_EVERY : 1
  let next = 0
  let answered = 0
  let stopped = false
  const user = async (): Promise<void> => {
    while (!stopped) {
      const index = next
      next += 1
      if (index % every === 0) {
        const startedAt = performance.now()
        connected.check(await connected.call(index), index)
        latencies.add(performance.now() - startedAt)
      } else connected.check(await connected.call(index), index)
      answered += 1
    }
  }
  const timer = setTimeout(() => {
    stopped = true
  }, ms)
  try {
    await Promise.all(Array.from({ length: concurrency }, user))
  } finally {
    clearTimeout(timer)
  }
  return answered
}

/** Messages between looks at the clock, and turns of the event loop. */
const SEND_BURST = 512

/** Sends one-way messages as fast as the subject takes them, until time is up. */
export async function sendLoop(connected: Connected, ms: number): Promise<number> {
  if (connected.sendBurst === undefined) throw new Error('this subject has no one-way messages')
  const endsAt = performance.now() + ms
  let sent = 0
  while (performance.now() < endsAt) {
    await connected.sendBurst(sent, SEND_BURST)
    sent += SEND_BURST
    await new Promise((resolve) => setImmediate(resolve))
  }
  return sent
}
