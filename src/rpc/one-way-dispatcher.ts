// Hot path: `onOneWay` runs for every one-way message received.
import type { TransportError } from '../base/errors.js'
import type { Connection } from '../connection/connection.js'
import type { Environment } from '../connection/environment.js'
import type { InboundMessage } from '../connection/inbound.js'
import { PAUSE } from '../connection/read-loop.js'
import { Ring } from '../memory/ring.js'
import { opaque } from './codec-error.js'
import type { Job } from './handler-queue.js'
import { type Metadata, NO_METADATA } from './metadata.js'
import { promiseOf, type Reception } from './reception.js'
import type { Registration } from './registry.js'
import { ServerCall } from './server-call.js'

/** Messages of this turn for a handler that takes many at once. */
interface Gathering {
  readonly registration: Registration
  readonly call: ServerCall
  readonly lane: number
  readonly messages: unknown[]
  cost: number
}

/** The one-way messages that the peer sends on one connection. Their credit goes back when they were handled. */
export class OneWayDispatcher {
  readonly #connection: Connection
  readonly #environment: Environment
  readonly #reception: Reception
  readonly #onSettled: () => void
  /** What is over `limits.maxOpenCalls`. */
  readonly #backlog = new Ring<() => void>()
  #gatherings: Gathering[] = []
  /** Calls whose handlers have not settled. */
  readonly #running = new Set<ServerCall>()
  /** Jobs in the queues of handlers. */
  #queued = 0

  /** `onSettled` is told each time that a handler which took its time has settled. */
  constructor(connection: Connection, environment: Environment, reception: Reception, onSettled: () => void) {
    this.#connection = connection
    this.#environment = environment
    this.#reception = reception
    this.#onSettled = onSettled
  }

  /** Handlers that have not settled. */
  get running(): number {
    return this.#running.size
  }

  /** Messages that are not handled yet. */
  get open(): number {
    return this.#running.size + this.#queued + this.#backlog.length + this.#gatherings.length
  }

  onOneWay(message: InboundMessage): void {
    const { counters } = this.#environment
    // Read before the handler runs: the message is filled anew for the next.
    const { lane, cost } = message
    counters.oneWayReceived += 1
    let registration: Registration
    let call: ServerCall
    let value: unknown
    try {
      registration = this.#reception.findOf(message, 'oneWay')
      value = this.#reception.decode(registration, message)
      call = this.#serverCall(message)
    } catch (error) {
      counters.oneWayDropped += 1
      this.#connection.flow?.consume(lane, cost)
      this.#reception.account(opaque(error))
      return
    }
    if (registration.batch) this.#gather(registration, value, call, lane, cost)
    else if (this.#full) this.#backlog.push(() => this.#admit(registration, value, call, lane, cost, 1))
    else this.#admit(registration, value, call, lane, cost, 1)
  }

  /** Handlers that take many at once get what this turn has brought. */
  onTurnEnd(): void {
    if (this.#gatherings.length === 0) return
    const gatherings = this.#gatherings
    this.#gatherings = []
    for (const { registration, messages, call, lane, cost } of gatherings) {
      this.#admit(registration, messages, call, lane, cost, messages.length)
    }
  }

  /** The connection is lost. What it has brought is handled all the same; handlers are told that nobody is there. */
  onClosed(error: TransportError): void {
    this.onTurnEnd()
    for (const call of this.#running) call.abort(error)
  }

  /** Peers that know of no credit are not read instead, and never bring more than the limit. */
  get #full(): boolean {
    return this.#running.size >= this.#environment.limits.maxOpenCalls || this.#backlog.length > 0
  }

  #serverCall(message: InboundMessage): ServerCall {
    const { peer } = this.#reception
    return new ServerCall(peer, this.#reception.metadata(message), Number.POSITIVE_INFINITY, this.#environment.clock)
  }

  /** `count` messages of one value: one, or many for a handler that takes them at once. */
  #admit(
    registration: Registration,
    value: unknown,
    call: ServerCall,
    lane: number,
    cost: number,
    count: number,
  ): void {
    const { queue } = registration
    if (queue === null || queue.tryStart()) {
      this.#run(registration, value, call, lane, cost)
      return
    }
    this.#queued += 1
    const job: Job = {
      lane,
      bytes: cost,
      stale: false,
      start: () => {
        this.#queued -= 1
        this.#run(registration, value, call, lane, cost)
      },
      drop: () => {
        this.#queued -= 1
        this.#environment.counters.oneWayDropped += count
        this.#environment.counters.failed('queue-full')
        this.#connection.flow?.consume(lane, cost)
        this.#onSettled()
      },
    }
    if (queue.offer(job) !== 'accepted') job.drop()
  }

  #run(registration: Registration, value: unknown, call: ServerCall, lane: number, cost: number): void {
    const { counters } = this.#environment
    counters.handlersStarted += 1
    let promise: Promise<unknown> | null
    try {
      promise = promiseOf(registration.handler(value, call))
    } catch {
      counters.failed('handler-failed')
      promise = null
    }
    if (promise !== null) this.#await(promise, registration, call, lane, cost)
    else {
      counters.handlersFinished += 1
      this.#connection.flow?.consume(lane, cost)
      registration.queue?.settled()
    }
  }

  #await(result: Promise<unknown>, { queue }: Registration, call: ServerCall, lane: number, cost: number): void {
    const { counters } = this.#environment
    this.#running.add(call)
    if (this.#connection.flow === null && this.#full) this.#connection.pauseReading(PAUSE.HANDLERS)
    const settled = (): void => {
      counters.handlersFinished += 1
      this.#running.delete(call)
      this.#connection.flow?.consume(lane, cost)
      queue?.settled()
      while (this.#running.size < this.#environment.limits.maxOpenCalls) {
        const next = this.#backlog.shift()
        if (next === undefined) break
        next()
      }
      if (this.#connection.flow === null && !this.#full) this.#connection.resumeReading(PAUSE.HANDLERS)
      this.#onSettled()
    }
    result.then(settled, () => {
      counters.failed('handler-failed')
      settled()
    })
  }

  #gather(registration: Registration, value: unknown, call: ServerCall, lane: number, cost: number): void {
    // Behind a message that comes alone a new row begins, so that the order is kept.
    const last = this.#gatherings.findLast((one) => one.registration === registration && one.lane === lane)
    if (last !== undefined && isEmpty(call.metadata) && isEmpty(last.call.metadata)) {
      last.messages.push(value)
      last.cost += cost
      return
    }
    this.#gatherings.push({ registration, call, lane, messages: [value], cost })
  }
}

function isEmpty(metadata: Metadata): boolean {
  return metadata === NO_METADATA || Object.keys(metadata).length === 0
}
