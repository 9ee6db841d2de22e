import { REASONS, type Reason } from './errors.js'

/**
 * What one client or server counts. Plain numbers in one object, so that counting costs an increment and reading
 * costs nothing until somebody asks. `failures` has one counter for each reason of the error table: a limit's metric
 * is the counter of its reason.
 */
export class Counters {
  /** Sockets connected or accepted, whether or not HELLO comes. */
  connectionsOpened = 0
  connectionsClosed = 0
  acceptsFailed = 0
  dialsStarted = 0
  /** Of names, at name servers. */
  lookUpsStarted = 0
  /** Addresses of an answer that are not used, because there are more than `pool.maxEndpoints`. */
  endpointsLeftOut = 0
  /** Endpoints ejected because their calls failed. */
  endpointsEjected = 0
  callsStarted = 0
  callsSucceeded = 0
  callsFailed = 0
  /** Made again after a failure. */
  callsRetried = 0
  /** Retries and hedges that were due and found the budget empty. */
  retriesRefused = 0
  /** Taken to another connection because the peer of theirs was leaving. */
  callsMoved = 0
  /** Second attempts of calls whose first had no answer yet. */
  callsHedged = 0
  /** Whose time had passed before they were looked at: their handlers never ran. */
  callsExpired = 0
  handlersStarted = 0
  handlersFinished = 0
  /** Put on the wire. With those dropped, refused, and still waiting these are all that were to be sent. */
  oneWaySent = 0
  /** Sent to be merged with others: `oneWaySent` counts what they became. */
  oneWayCoalesced = 0
  oneWayReceived = 0
  /** By a full mailbox or a connection that closed; of those received: nobody takes them, or they cannot be read. */
  oneWayDropped = 0
  /** Refused to their sender: it was told, and keeps them. */
  oneWayRefused = 0
  /** Sent with `ack`; each has become one of the next two, or is open. */
  oneWayAcksAsked = 0
  oneWayAcked = 0
  oneWayUnacked = 0
  streamsOpened = 0
  streamsServed = 0
  streamMessagesSent = 0
  streamMessagesReceived = 0
  framesSent = 0
  framesReceived = 0
  writes = 0
  bytesSent = 0
  bytesReceived = 0
  /** Bytes moved by us between buffers on their way out, and on their way in. */
  bytesCopiedOut = 0
  bytesCopiedIn = 0
  compressedBodies = 0
  compressionSkipped = 0
  bytesBeforeCompression = 0
  bytesAfterCompression = 0
  inflatedBodies = 0
  inflatedBytes = 0
  readPauses = 0
  readsThrottled = 0
  turnsYielded = 0
  readonly failures: Record<Reason, number>

  constructor() {
    this.failures = Object.fromEntries(Object.keys(REASONS).map((reason) => [reason, 0])) as Record<Reason, number>
  }

  failed(reason: Reason): void {
    this.failures[reason] += 1
  }
}

/** A copy of the counters at one moment. */
export type Metrics = Readonly<Omit<Counters, 'failed' | 'failures'>> & {
  readonly failures: Readonly<Record<Reason, number>>
}

export function snapshot(counters: Counters): Metrics {
  const { failures, ...numbers } = counters
  return { ...numbers, failures: { ...failures } }
}
