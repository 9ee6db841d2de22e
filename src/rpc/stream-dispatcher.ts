import { failure, type TransportError } from '../base/errors.js'
import type { Connection } from '../connection/connection.js'
import { sendStreamRefusal } from '../connection/control-frames.js'
import type { Environment } from '../connection/environment.js'
import type { InboundMessage } from '../connection/inbound.js'
import type { Job } from './aged-lanes.js'
import { onBehalfOf } from './ambient-call.js'
import type { Backlog } from './backlog.js'
import { opaque } from './codec-error.js'
import { DeadlineWatch } from './deadline.js'
import type { Reception } from './reception.js'
import type { Registration } from './registry.js'
import { ServedStream, type ServedStreamOwner } from './served-stream.js'
import { isStreamed } from './service.js'
import { StreamCall } from './stream-call.js'

/** The streams that the peer opens on one connection. */
export class StreamDispatcher implements ServedStreamOwner {
  readonly #connection: Connection
  readonly #environment: Environment
  readonly #reception: Reception
  readonly #backlog: Backlog
  readonly #onSettled: () => void
  readonly #running = new Set<ServedStream>()
  /** Of those that wait for their handler: gives their place back. Made when one waits. */
  #places: Map<ServedStream, () => void> | null = null
  readonly #deadlines: DeadlineWatch
  #leaving = false

  /** `onSettled` is told each time that a handler has settled. */
  constructor(
    connection: Connection,
    environment: Environment,
    reception: Reception,
    backlog: Backlog,
    onSettled: () => void,
  ) {
    this.#connection = connection
    this.#environment = environment
    this.#reception = reception
    this.#backlog = backlog
    this.#onSettled = onSettled
    this.#deadlines = new DeadlineWatch(environment, (now) => this.#expire(now))
  }

  /** Handlers that have not settled. */
  get open(): number {
    return this.#running.size
  }

  /** Takes no more streams. */
  leave(): void {
    this.#leaving = true
  }

  onStreamOpen(message: InboundMessage): void {
    const { streams } = this.#connection
    const { id, lane } = message
    if (streams === null) return
    let served: ServedStream
    let request: unknown
    let registration: Registration
    try {
      if (this.#leaving) throw failure('going-away', 'the peer is closing')
      if (streams.theirs >= this.#environment.limits.maxStreams) {
        throw failure('too-many-streams', `${streams.theirs} streams are open already`)
      }
      if (!this.#backlog.admits(lane)) throw this.#backlog.overloaded()
      registration = this.#find(message)
      const call = new StreamCall<unknown>(
        this.#reception.peer,
        this.#reception.metadata(message),
        this.#reception.deadline(message),
        this.#environment.clock,
      )
      if (registration.method.kind === 'serverStream') request = this.#reception.decode(registration, message)
      else if (message.start !== message.end) throw failure('frame-malformed', 'a request where messages follow')
      served = new ServedStream(registration, call, this.#environment, this)
    } catch (error) {
      this.#refuse(id, opaque(error))
      return
    }
    const { queue } = registration
    const run = (): void => onBehalfOf(registration.handler, served.call, () => void served.run(request))
    const starts = queue === null || queue.tryStart()
    if (!starts) {
      // A stream that ended while it waited has told its call: what its handler would do is for nobody.
      const job: Job = {
        lane,
        bytes: message.end - message.start,
        aging: null,
        get stale() {
          return served.call.abandoned !== null
        },
        waits: false,
        start: () => {
          this.#places?.delete(served)
          run()
        },
        drop: () => served.end(served.call.abandoned ?? this.#full(registration)),
      }
      if (queue.offer(job, this.#environment) !== 'accepted') {
        sendStreamRefusal(this.#connection.writes, id, this.#full(registration))
        return
      }
      this.#places ??= new Map()
      this.#places.set(served, () => {
        queue.withdraw(job)
        // The job may lie in the queue for a while yet.
        request = undefined
      })
    }
    served.attach(streams.serve(id, lane, registration.method.kind === 'serverStream', served))
    this.#running.add(served)
    this.#deadlines.note(served.call.expiresAt)
    if (starts) run()
  }

  account(error: TransportError): void {
    this.#reception.account(error)
  }

  onSettled(served: ServedStream): void {
    this.#running.delete(served)
    const giveBack = this.#places?.get(served)
    if (giveBack !== undefined) {
      this.#places?.delete(served)
      giveBack()
    }
    if (this.#running.size === 0) this.#deadlines.stop()
    this.#onSettled()
  }

  /** The connection is lost: its streams have told their handlers. */
  onClosed(): void {
    this.#deadlines.stop()
  }

  #full({ method }: Registration): TransportError {
    this.#environment.counters.failed('queue-full')
    return failure('queue-full', `too many streams wait for ${method.name}`)
  }

  #find(message: InboundMessage): Registration {
    const found = this.#reception.find(message)
    if (isStreamed(found.method.kind)) return found
    throw failure('method-unknown', `${found.method.name} is ${found.method.kind}, not a stream`)
  }

  /** The handler never ran. */
  #refuse(id: number, error: TransportError): void {
    sendStreamRefusal(this.#connection.writes, id, error)
    // Who opens at the moment in which we leave, or have too much to do, has broken nothing.
    if (error.reason === 'going-away' || error.reason === 'overloaded') this.#environment.counters.failed(error.reason)
    else this.#reception.account(error)
  }

  #expire(now: number): number {
    let next = Number.POSITIVE_INFINITY
    for (const served of [...this.#running]) {
      if (served.call.expiresAt > now) next = Math.min(next, served.call.expiresAt)
      else if (served.call.abandoned === null) {
        served.giveUp(failure('deadline', 'the deadline of the caller has passed', { processed: 'maybe' }))
      }
    }
    return next
  }
}
