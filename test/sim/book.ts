import type { TransportError } from '../../src/index.js'

/** A promise that was broken. */
export class Violation extends Error {
  readonly invariant: string

  constructor(invariant: string, what: string) {
    super(what)
    this.invariant = invariant
  }
}

export type OperationKind = 'run' | 'feed' | 'gather' | 'talk' | 'tell'

/** One call, stream or message, from both sides: what its caller heard, and what its handlers did. */
export interface Operation {
  readonly id: number
  readonly kind: OperationKind
  /** What the caller may ask for: where there are no faults it has to succeed, or while all close, never to have run. */
  readonly demand: 'nothing' | 'success' | 'success or never'
  readonly startedAt: number
  readonly timeoutMs: number
  /** Of a stream that sends: how many messages it will have. */
  expected: number
  /** Of a stream whose caller reads slowly: how long it takes over all messages that may have come before the end. */
  readMs: number
  /** Its caller has a signal that will be aborted. */
  cancelled: boolean
  executions: number
  /** Nobody waits for its outcome: the machine of its caller has crashed. */
  orphaned: boolean
  outcome: 'open' | 'ok' | 'error'
  /** What its caller was told of the handler. */
  processed: 'no' | 'maybe' | 'yes' | null
  error: string
}

/** What was asked for and what became of it. Every entry is judged when it is made. */
export class Book {
  readonly operations = new Map<number, Operation>()
  /** Of each host: changes whenever one of its connections does. */
  readonly eras = new Map<string, number>()
  /** The first promise that was broken. */
  violation: Violation | null = null
  succeeded = 0
  /** Operations whose caller waits. */
  open = 0
  failed = 0
  readonly #now: () => number
  #lastId = 0

  constructor(now: () => number) {
    this.#now = now
  }

  violate(invariant: string, what: string): void {
    this.violation ??= new Violation(invariant, what)
  }

  begin(kind: OperationKind, timeoutMs: number, demand: Operation['demand']): Operation {
    this.#lastId += 1
    this.open += 1
    const operation: Operation = {
      id: this.#lastId,
      kind,
      demand,
      startedAt: this.#now(),
      timeoutMs,
      expected: 0,
      readMs: 0,
      cancelled: false,
      executions: 0,
      orphaned: false,
      outcome: 'open',
      processed: null,
      error: '',
    }
    this.operations.set(operation.id, operation)
    return operation
  }

  /** A handler begins. */
  execute(id: number, kind: OperationKind): void {
    const operation = this.operations.get(id)
    if (operation === undefined || operation.kind !== kind) {
      this.violate('body equal', `a handler of ${kind} was given ${id}, which nobody asked for`)
      return
    }
    operation.executions += 1
    if (operation.executions > 1) this.violate('executed at most once', `${name(operation)} ran twice`)
    if (operation.processed === 'no')
      this.violate('processed', `${name(operation)} ran after its caller was told that it never will`)
  }

  /** A stream ended in good order where its messages are read. */
  endStream(id: number, count: number): void {
    const expected = this.operations.get(id)?.expected
    if (count !== expected) this.violate('stream whole', `stream ${id} ended after ${count} of ${expected} messages`)
  }

  succeed(operation: Operation): void {
    this.#settle(operation, 'ok')
    this.succeeded += 1
    if (operation.executions !== 1 && operation.kind !== 'tell')
      this.violate('answered after it ran', `${name(operation)} succeeded and ran ${operation.executions} times`)
  }

  /** `latest` is when it had to be known at last. */
  fail(operation: Operation, error: TransportError, latest: number): void {
    this.#settle(operation, 'error')
    this.failed += 1
    operation.processed = error.processed
    operation.error = `${error.code} ${error.reason ?? ''} ${error.message}`
    const { startedAt, timeoutMs, executions } = operation
    if (error.name !== 'TransportError') this.violate('coded errors', `${name(operation)} failed with ${String(error)}`)
    if (error.processed === 'no' && executions > 0)
      this.violate('processed', `${name(operation)} ran, its caller was told "no": ${operation.error}`)
    if (error.processed === 'yes' && executions === 0)
      this.violate('processed', `${name(operation)} never ran, its caller was told "yes": ${operation.error}`)
    if (error.reason === 'deadline' && this.#now() < startedAt + timeoutMs)
      this.violate('deadline', `${name(operation)} was given up ${startedAt + timeoutMs - this.#now()} ms too early`)
    if (error.code === 'CANCELLED' && !operation.cancelled)
      this.violate('cancelled by its caller', `${name(operation)} was cancelled by nobody: ${operation.error}`)
    if (operation.demand === 'success' && !isCapacity(error))
      this.violate('liveness', `${name(operation)} failed without a fault: ${operation.error}`)
    // Whoever comes too late may not be sure; what was accepted is answered.
    if (operation.demand === 'success or never' && executions > 0 && error.reason !== 'handler-failed')
      this.violate('drain', `${name(operation)} ran, and a close in good order lost its answer: ${operation.error}`)
    this.#judgeTime(operation, latest)
  }

  /** Also successes come no later than the deadline. */
  #judgeTime(operation: Operation, latest: number): void {
    if (this.#now() > latest)
      this.violate(
        'deadline',
        `${name(operation)} settled ${(this.#now() - latest).toFixed(1)} ms after its deadline: ${operation.outcome} ${operation.error}`,
      )
  }

  #settle(operation: Operation, outcome: 'ok' | 'error'): void {
    if (operation.outcome !== 'open')
      this.violate('settled once', `${name(operation)} was ${operation.outcome}, and then ${outcome}`)
    operation.outcome = outcome
    this.open -= 1
  }

  /** The machine of its caller has crashed. */
  orphan(operation: Operation): void {
    operation.orphaned = true
    this.open -= 1
  }

  judgeSettled(): void {
    for (const operation of this.operations.values()) {
      if (operation.outcome === 'open' && !operation.orphaned)
        this.violate('settled', `${name(operation)} never settled`)
    }
  }
}

export function name({ kind, id }: Operation): string {
  return `${kind} ${id}`
}

const REFUSALS: ReadonlySet<string> = new Set(['queue-full', 'too-many-streams', 'overloaded', 'throttled'])

/** Refused because others are at it: who tries again gets in. */
export function isCapacity({ reason, processed }: TransportError): boolean {
  return processed === 'no' && REFUSALS.has(reason ?? '')
}
