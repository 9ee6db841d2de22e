import { setMaxListeners } from 'node:events'
import { failure, type Processed, TransportError } from '../base/errors.js'

/** A call or a stream that can be given up before it has an outcome. */
export interface Abortable {
  /** Ends the watch over the caller's signal. */
  unwatch: (() => void) | null
  giveUp(error: (processed: Processed) => TransportError): void
}

/** A call that is being served, as far as those made for it are concerned. */
export interface OuterCall {
  readonly signal: AbortSignal
  readonly remainingMs: number
}

/** Gives the call up when the signal is aborted. Returns false when it was already. */
export function watchSignal(call: Abortable, signal: AbortSignal): boolean {
  const onAbort = (): void => {
    const cause: unknown = signal.reason
    // What users say themselves is for the peer as well.
    const why = cause instanceof TransportError && cause.origin === 'user' ? cause.message : 'the call was cancelled'
    call.giveUp((processed) => failure('cancelled', why, { processed, cause }))
  }
  if (signal.aborted) {
    onAbort()
    return false
  }
  // One signal for a thousand calls is as it should be, and no leak to be warned of.
  if (signal instanceof EventTarget) setMaxListeners(0, signal)
  signal.addEventListener('abort', onAbort, { once: true })
  call.unwatch = () => signal.removeEventListener('abort', onAbort)
  return true
}

/** The same for a call made while another is served: it ends with that one. */
export function watchCall(call: Abortable, signal: AbortSignal | undefined, outer: OuterCall | null): boolean {
  if (outer !== null && !watchSignal(call, outer.signal)) return false
  if (signal === undefined) return true
  const unwatchOuter = call.unwatch
  if (!watchSignal(call, signal)) return false
  const unwatchOwn = call.unwatch
  if (unwatchOuter !== null) {
    call.unwatch = () => {
      unwatchOuter()
      unwatchOwn?.()
    }
  }
  return true
}
