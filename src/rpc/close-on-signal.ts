import { type Clock, systemClock } from '../base/clock.js'
import { failure } from '../base/errors.js'
import { group, type InputOf, instance, integer, listOf, oneOf } from '../base/options.js'
import { type CloseOptions, MAX_TIMEOUT_MS } from './options.js'

/** A client, a server, or anything else that closes in good order. */
export interface Closable {
  close(options?: CloseOptions): Promise<void>
}

const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGBREAK'] as const

const signalRules = group({
  signals: listOf(oneOf('SIGTERM', SIGNALS), ['SIGTERM', 'SIGINT']),
  /** For all of them together. */
  graceMs: integer(10_000, 0, MAX_TIMEOUT_MS),
  clock: instance<Clock>(systemClock),
})

export type SignalOptions = InputOf<typeof signalRules>

/** What a signal has begun, of all who close on one: the process ends when the last of them is done. */
interface Ending {
  /** The first that came. */
  readonly signal: NodeJS.Signals
  closing: number
  /** Who is done listens on with the others, or a second signal would end the process under them. */
  readonly takeBacks: (() => void)[]
}

/** One for the process: who is done first must not cut the others short, least of all with a signal of our own. */
let ending: Ending | null = null

/** A signal has come for one more of them. Returns what is to be called when that one is done. */
function begin(signal: NodeJS.Signals, takeBack: () => void): () => void {
  ending ??= { signal, closing: 0, takeBacks: [] }
  const mine = ending
  mine.closing += 1
  mine.takeBacks.push(takeBack)
  return () => {
    mine.closing -= 1
    if (mine.closing > 0) return
    ending = null
    for (const one of mine.takeBacks) one()
    process.kill(process.pid, mine.signal)
  }
}

/**
 * On the first signal closes what is given, one after the other: servers before the clients that their handlers use.
 * Then the process ends as the signal would have ended it. A second signal cuts the grace short. It may be called by
 * several parts of a program: each closes its own at once with the others, and the process ends when all are done.
 * Returns a function that takes back this one and no other; what a signal has begun by then goes on.
 */
export function closeOnSignal(targets: Closable | readonly Closable[], options: SignalOptions = {}): () => void {
  const { signals, graceMs, clock } = signalRules.parse(options, '')
  const list: readonly Closable[] = Array.isArray(targets) ? targets : [targets]
  for (const target of list) {
    if (typeof target?.close !== 'function') throw failure('option-type', 'closeOnSignal takes what has a close()')
  }
  let endsAt = Number.POSITIVE_INFINITY
  const takeBack = (): void => {
    for (const signal of signals) process.off(signal, onSignal)
  }
  let open = list
  const closeAll = async (): Promise<void> => {
    for (const target of list) await target.close({ graceMs: Math.max(0, Math.floor(endsAt - clock.now())) })
    open = []
  }
  const onSignal = (signal: NodeJS.Signals): void => {
    const first = endsAt === Number.POSITIVE_INFINITY
    endsAt = clock.now() + (first ? graceMs : 0)
    if (!first) {
      for (const target of open) void target.close({ graceMs: 0 })
      return
    }
    const over = begin(signal, takeBack)
    void closeAll().then(over, (error: unknown) => {
      // A mistake of the target, which ends the process as an unhandled rejection. Where it does not, we do later.
      clock.nextTurn(over)
      throw error
    })
  }
  for (const signal of signals) process.on(signal, onSignal)
  return takeBack
}
