// Hot path: `onOneWay` runs for every one-way message received.
// Long: a message is run, queued, gathered or refused here, each in a few lines, and each way tells its sender.
import { failure, TransportError } from '../base/errors.js'
import type { Connection } from '../connection/connection.js'
import type { Environment } from '../connection/environment.js'
import type { InboundMessage } from '../connection/inbound.js'
import { PAUSE } from '../connection/read-loop.js'
import { QueueBudget } from '../connection/turn-budget.js'
import { Ring } from '../memory/ring.js'
import { Acknowledgements } from './acknowledgements.js'
import type { Job, JobParts } from './aged-lanes.js'
import { opaque } from './codec-error.js'
import type { HandlerQueue } from './handler-queue.js'
import { type Metadata, NO_METADATA } from './metadata.js'
import { handlerError, promiseOf, type Reception } from './reception.js'
import type { Registration } from './registry.js'
import { ServerCall } from './server-call.js'

/** One message on its way to its handler, or those of a turn for a handler that takes many at once. */
interface Delivery {
  readonly registration: Registration
  readonly call: ServerCall
  readonly lane: number
  value: unknown
  cost: number
  count: number
  /** Of each message, 0 where its sender asks for no acknowledgement; shared and empty where none of them does. */
  ids: number[]
  /** Their sender knows that they are accepted. */
  told: boolean
}

interface Gathering extends Delivery {
  value: unknown[]
  /** Of each message, for the bound on what waits; shared and empty where the handler has none. */
  readonly costs: number[]
}

/** One that gets smaller when messages of it find no room. Without accessors, which would make each a shape of its own. */
interface QueuedJob extends Job {
  readonly queue: HandlerQueue
  bytes: number
  parts: JobParts | undefined
  orphaned: boolean
}

const NO_IDS: number[] = []
const NO_COSTS: number[] = []

/** The one-way messages that the peer sends on one connection. Their credit goes back when they were handled. */
export class OneWayDispatcher {
  readonly #connection: Connection
  readonly #environment: Environment
  readonly #reception: Reception
  readonly #onSettled: () => void
  /** What is over `limits.maxOpenCalls`. */
  readonly #waiting = new Ring<Delivery>()
  /** Of what is started from there; made when something waits there. */
  #budget: QueueBudget | null = null
  #gatherings: Gathering[] = []
  /** Calls whose handlers have not settled; made when one takes its time. */
  #running: Set<ServerCall> | null = null
  /** Messages in the queues of handlers. */
  #queued = 0
  /** The jobs that they are; made with the first. */
  #jobs: Set<QueuedJob> | null = null
  /** Why the connection is closed. */
  #lost: TransportError | null = null
  /** Null while nobody has asked for one. */
  #acks: Acknowledgements | null = null

  /** `onSettled` is told each time that a handler which took its time has settled. */
  constructor(connection: Connection, environment: Environment, reception: Reception, onSettled: () => void) {
    this.#connection = connection
    this.#environment = environment
    this.#reception = reception
    this.#onSettled = onSettled
  }

  /** Handlers that have not settled. */
  get running(): number {
    return this.#running === null ? 0 : this.#running.size
  }

  /** Messages that are not handled yet. */
  get open(): number {
    return this.running + this.#queued + this.#waiting.length + this.#gatherings.length
  }

  onOneWay(message: InboundMessage): void {
    const { counters } = this.#environment
    // Read before the handler runs: the message is filled anew for the next.
    const { lane, cost, id } = message
    if (id !== 0 && !this.#admitId(id)) return
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
      const why = opaque(error)
      if (id !== 0) this.#acks?.refused(id, why, 'no')
      this.#reception.account(why)
      return
    }
    const { batch, queue } = registration
    const waits = batch || this.#full() || (queue !== null && !queue.tryStart())
    const ran = waits ? null : this.#run(registration, value, call)
    if (!waits && ran === null) {
      this.#connection.flow?.consume(lane, cost)
      if (id !== 0) this.#acks?.processed(id)
      queue?.settled()
      return
    }
    // Only what takes its time is worth an object.
    if (batch) this.#gather(registration, value, call, lane, cost, id)
    else {
      const ids = id === 0 ? NO_IDS : [id]
      const delivery = { registration, value, call, lane, cost, count: 1, ids, told: false }
      if (ran !== null) this.#follow(ran, delivery)
      else if (this.#full()) this.#wait(delivery)
      else this.#start(delivery)
    }
  }

  /** Handlers that take many at once get what this turn has brought. */
  onTurnEnd(): void {
    if (this.#gatherings.length > 0) {
      const gatherings = this.#gatherings
      this.#gatherings = []
      for (const gathering of gatherings) this.#start(gathering, gathering)
    }
    if (!this.#connection.writes.blocked) this.acknowledge()
  }

  /** The peer is told what is accepted and processed. */
  acknowledge(): void {
    this.#acks?.flush()
  }

  /**
   * The connection is lost. What it has brought is handled all the same, as far as its handlers let it wait without credit;
   * they are told that nobody is there, also where they start later.
   */
  onClosed(error: TransportError): void {
    this.#lost = error
    for (const job of this.#jobs ?? []) job.queue.orphan(job)
    this.onTurnEnd()
    for (const call of this.#running ?? []) call.abort(error)
  }

  /** A method: asking a private getter takes the engine a call into its runtime. */
  #full(): boolean {
    return this.running >= this.#environment.limits.maxOpenCalls || this.#waiting.length > 0
  }

  /** Peers that know of no credit are not read instead, and never bring more than the limit: not even to wait. */
  #paceReading(): void {
    if (this.#connection.flow !== null) return
    const crowded = this.#full() || this.running + this.#queued >= this.#environment.limits.maxOpenCalls
    if (crowded) this.#connection.pauseReading(PAUSE.HANDLERS)
    else this.#connection.resumeReading(PAUSE.HANDLERS)
  }

  /** Where a message was dropped that made room for another: reading now would bring a third between the two. */
  #readOnLater(): void {
    if (this.#connection.flow !== null || this.running + this.#queued > 0) return
    this.#environment.clock.nextTurn(() => this.#paceReading())
  }

  #admitId(id: number): boolean {
    this.#acks ??= new Acknowledgements(this.#connection, this.#environment)
    const broken = this.#acks.admit(id)
    if (broken !== null) this.#connection.fail(broken)
    return broken === null
  }

  #serverCall(message: InboundMessage): ServerCall {
    const { peer } = this.#reception
    return new ServerCall(peer, this.#reception.metadata(message), Number.POSITIVE_INFINITY, this.#environment.clock)
  }

  #wait(delivery: Delivery): void {
    this.#budget ??= new QueueBudget(this.#environment, () => this.#startWaiting())
    this.#waiting.push(delivery)
    this.#tellAccepted(delivery)
  }

  /** Starts what waits and may. What this turn has no time for is started in the next. */
  #startWaiting(): void {
    while (this.#waiting.length > 0 && this.running < this.#environment.limits.maxOpenCalls) {
      if (this.#budget?.mayStart() === false) break
      const next = this.#waiting.shift()
      if (next === undefined) break
      this.#budget?.started(next.count)
      this.#start(next)
    }
    this.#paceReading()
    this.#onSettled()
  }

  /** `gathering`: the same, where it is one. */
  #start(delivery: Delivery, gathering?: Gathering): void {
    const { registration, lane } = delivery
    const { queue } = registration
    if (queue === null || queue.tryStart()) {
      this.#launch(delivery)
      return
    }
    this.#queued += delivery.count
    const job: QueuedJob = {
      queue,
      lane,
      bytes: delivery.cost,
      parts: undefined,
      aging: null,
      stale: false,
      waits: false,
      orphaned: false,
      start: () => {
        this.#jobs?.delete(job)
        this.#queued -= delivery.count
        this.#launch(delivery)
        this.#paceReading()
        // What started it may have come on another connection, and what is closing waits for the last of them.
        if (this.#queued === 0) this.#onSettled()
      },
      drop: () => {
        this.#jobs?.delete(job)
        // It may lie in the queue for a while yet.
        delivery.value = undefined
        this.#drop(registration, lane, delivery.count, delivery.cost, delivery.ids)
      },
    }
    if (gathering !== undefined) job.parts = this.#partsOf(gathering, job)
    if (queue.offer(job, this.#environment) !== 'accepted') {
      job.drop()
      return
    }
    this.#jobs ??= new Set()
    this.#jobs.add(job)
    this.#tellAccepted(delivery)
    this.#paceReading()
    if (this.#lost !== null) queue.orphan(job)
  }

  /** What the queue of a handler is to know of messages that it runs as one. */
  #partsOf(gathering: Gathering, job: QueuedJob): JobParts {
    return {
      costs: gathering.costs,
      shed: (from, count) => {
        let cost = 0
        for (const one of gathering.costs.splice(from, count)) cost += one
        gathering.value.splice(from, count)
        gathering.count -= count
        gathering.cost -= cost
        job.bytes = gathering.cost
        const ids = gathering.ids === NO_IDS ? NO_IDS : gathering.ids.splice(from, count)
        this.#drop(gathering.registration, gathering.lane, count, cost, ids)
      },
    }
  }

  /** Messages that are in the account of the queue of their handler do not run: there is no room for them. */
  #drop({ method }: Registration, lane: number, count: number, cost: number, ids: number[]): void {
    const { counters } = this.#environment
    this.#queued -= count
    counters.oneWayDropped += count
    counters.failures['queue-full'] += count
    const full = failure('queue-full', `too many messages wait for ${method.name}`)
    for (const id of ids) if (id !== 0) this.#acks?.refused(id, full, 'no')
    this.#connection.flow?.consume(lane, cost)
    this.#readOnLater()
    this.#onSettled()
  }

  #launch(delivery: Delivery): void {
    const ran = this.#run(delivery.registration, delivery.value, delivery.call)
    if (ran !== null) this.#follow(ran, delivery)
    else {
      this.#settle(delivery, null)
      delivery.registration.queue?.settled()
    }
  }

  /** Returns null where the handler has ended already, or its promise, or how it failed. */
  #run({ handler }: Registration, value: unknown, call: ServerCall): Promise<unknown> | TransportError | null {
    const { counters } = this.#environment
    if (this.#lost !== null) call.abort(this.#lost)
    counters.handlersStarted += 1
    let promise: Promise<unknown> | null
    try {
      promise = promiseOf(handler(value, call))
    } catch (error) {
      counters.failed('handler-failed')
      counters.handlersFinished += 1
      return handlerError(error)
    }
    if (promise === null) counters.handlersFinished += 1
    return promise
  }

  #follow(ran: Promise<unknown> | TransportError, delivery: Delivery): void {
    if (ran instanceof TransportError) {
      this.#settle(delivery, ran)
      delivery.registration.queue?.settled()
    } else {
      this.#tellAccepted(delivery)
      this.#await(ran, delivery)
    }
  }

  #tellAccepted(delivery: Delivery): void {
    if (delivery.told) return
    delivery.told = true
    for (const id of delivery.ids) if (id !== 0) this.#acks?.accepted(id)
  }

  /** Its handler has ended. */
  #settle({ lane, cost, ids }: Delivery, failed: TransportError | null): void {
    for (const id of ids) {
      if (id === 0) continue
      if (failed === null) this.#acks?.processed(id)
      else this.#acks?.refused(id, failed, 'yes')
    }
    this.#connection.flow?.consume(lane, cost)
  }

  #await(result: Promise<unknown>, delivery: Delivery): void {
    const { counters } = this.#environment
    const { call, registration } = delivery
    this.#running ??= new Set()
    this.#running.add(call)
    this.#paceReading()
    const settled = (failed: TransportError | null): void => {
      counters.handlersFinished += 1
      this.#running?.delete(call)
      this.#settle(delivery, failed)
      registration.queue?.settled()
      this.#startWaiting()
    }
    result.then(
      () => settled(null),
      (error: unknown) => {
        counters.failed('handler-failed')
        settled(handlerError(error))
      },
    )
  }

  #gather(registration: Registration, value: unknown, call: ServerCall, lane: number, cost: number, id: number): void {
    let gathering = this.#gatherings.findLast((one) => one.registration === registration && one.lane === lane)
    // Behind a message that comes alone a new row begins, so that the order is kept.
    if (gathering === undefined || !isEmpty(call.metadata) || !isEmpty(gathering.call.metadata)) {
      const costs = registration.queue === null ? NO_COSTS : []
      gathering = { registration, call, lane, value: [], cost: 0, costs, count: 0, ids: NO_IDS, told: false }
      this.#gatherings.push(gathering)
    }
    if (id !== 0 && gathering.ids === NO_IDS) gathering.ids = new Array<number>(gathering.count).fill(0)
    if (gathering.ids !== NO_IDS) gathering.ids.push(id)
    if (gathering.costs !== NO_COSTS) gathering.costs.push(cost)
    gathering.value.push(value)
    gathering.cost += cost
    gathering.count += 1
  }
}

function isEmpty(metadata: Metadata): boolean {
  return metadata === NO_METADATA || Object.keys(metadata).length === 0
}
