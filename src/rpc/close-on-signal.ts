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

/**
 * On the first signal closes what is given, one after the other: servers before the clients that their handlers use.
 * Then the process ends as the signal would have ended it. A second signal cuts the grace short. Returns a function
 * that takes all of it back.
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
  const closeAll = async (signal: NodeJS.Signals): Promise<void> => {
    for (const target of list) await target.close({ graceMs: Math.max(0, Math.floor(endsAt - clock.now())) })
    takeBack()
    process.kill(process.pid, signal)
  }
  const onSignal = (signal: NodeJS.Signals): void => {
    const first = endsAt === Number.POSITIVE_INFINITY
    endsAt = clock.now() + (first ? graceMs : 0)
    // A close that fails is a mistake of the target, and ends the process as an unhandled rejection.
    if (first) void closeAll(signal)
    else for (const target of list) void target.close({ graceMs: 0 })
  }
  for (const signal of signals) process.on(signal, onSignal)
  return takeBack
}
