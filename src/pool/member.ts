/** A connection as the pool sees it. */
export interface Member {
  readonly inFlight: number
  /** Changes whenever a call, message or stream begins: whoever finds it unchanged knows that nothing was sent. */
  readonly activity: number
  /** Calls that were answered, well or with an error that is the caller's: the peer works. Only rises. */
  readonly answered: number
  /** Calls that failed in a way that may be the fault of the peer. Only rises. */
  readonly faults: number
  /** Can take calls. */
  readonly usable: boolean
  /** Ended without a word, and with calls on it. */
  readonly broken: boolean
  /** Ends it, in good order where that is possible. */
  retire(): void
}
