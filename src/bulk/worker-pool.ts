import type { Transferable } from 'node:worker_threads'
import { failure, type Processed } from '../base/errors.js'
import { mapOrdered } from './map-ordered.js'
import {
  type MapOptions,
  mapRules,
  type RunOptions,
  runRules,
  type WorkerPoolOptions,
  workerPoolRules,
} from './options.js'
import { Threads } from './threads.js'

/** A payload, from `run` to its end. */
interface Task<R> {
  readonly payload: unknown
  readonly name: string
  readonly signal: AbortSignal | undefined
  readonly transfer: readonly Transferable[] | undefined
  readonly resolve: (result: R) => void
  readonly reject: (error: unknown) => void
  readonly onAbort: () => void
  /** The caller was told. A task keeps its thread until piscina says that it is done with it. */
  settled: boolean
}

/**
 * Work in threads of its own: the exports of one module, run by at most `workers` threads.
 *
 * Takes piscina, an optional peer dependency, which is loaded and starts threads with the first payload. Idle threads
 * do not keep the process alive.
 */
export class WorkerPool<T = unknown, R = unknown> {
  readonly #options: ReturnType<typeof workerPoolRules.parse>
  /** In the order in which they came. */
  readonly #waiting = new Set<Task<R>>()
  readonly #underWay = new Set<Task<R>>()
  /** Payloads whose caller was not told yet. */
  #unsettled = 0
  #threads: Threads | null = null
  #closing: Promise<void> | null = null

  constructor(options: WorkerPoolOptions) {
    this.#options = workerPoolRules.parse(options, '')
  }

  /**
   * Gives `payload` to a thread, as a structured clone that is made when one is free (change nothing of it until then),
   * and resolves to a clone of what the export `name` (`default`) of the module makes of it. Rejects with what the work
   * throws, or with a TransportError: RESOURCE_EXHAUSTED (`queue-full`) when every thread has a payload and `maxQueued`
   * wait already, CANCELLED when `signal` was aborted, which ends the thread if the work had begun, `worker-crashed`
   * when the thread ended. A thread that is ending has no payload: the next one waits for its end and is not refused.
   */
  run(payload: T, options: RunOptions = {}): Promise<R> {
    return new Promise((resolve, reject) => {
      const { name, signal, transfer } = runRules.parse(options, '')
      if (this.#closing !== null) throw closed('no')
      if (signal?.aborted === true) throw cancelled('no', signal)
      if (this.#isFull()) {
        throw failure('queue-full', `${this.#waiting.size} payloads wait for a worker thread already`)
      }
      const place = this.#hasThread() ? this.#underWay : this.#waiting
      const onAbort = (): void => this.#abort(task)
      const task: Task<R> = { payload, name, signal, transfer, resolve, reject, onAbort, settled: false }
      signal?.addEventListener('abort', onAbort, { once: true })
      place.add(task)
      this.#unsettled += 1
      if (place === this.#underWay) void this.#perform(task)
    })
  }

  /**
   * The results of all payloads of `source`, in their order: `mapOrdered` over `run`. With other payloads in the pool,
   * leave it places to wait: a full queue fails here too.
   */
  map(source: Iterable<T> | AsyncIterable<T>, options: MapOptions = {}): AsyncGenerator<R, void, undefined> {
    const { concurrency = this.#options.workers, maxBuffered, name, signal } = mapRules.parse(options, '')
    return mapOrdered<T, R>(source, (payload, _index, stop) => this.run(payload, { name, signal: stop }), {
      concurrency,
      maxBuffered,
      signal,
    })
  }

  /** Threads that live, and payloads that are under way and that wait. */
  info(): { readonly threads: number; readonly underWay: number; readonly waiting: number } {
    return { threads: this.#threads?.alive ?? 0, underWay: this.#underWay.size, waiting: this.#waiting.size }
  }

  /** Ends every thread and waits for that. What is not done is rejected with UNAVAILABLE (`closed`). */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    for (const task of this.#waiting) this.#settle(task, () => task.reject(closed('no')))
    this.#waiting.clear()
    for (const task of this.#underWay) this.#settle(task, () => task.reject(closed('maybe')))
    await this.#threads?.close()
  }

  /** By whose caller waits: a pool whose works were all aborted is empty, though its threads have yet to end. */
  #isFull(): boolean {
    return this.#unsettled >= this.#options.workers + this.#options.maxQueued
  }

  #hasThread(): boolean {
    return this.#underWay.size + (this.#threads?.ending ?? 0) < this.#options.workers
  }

  /** Begins what waits and has a thread. */
  #next(): void {
    if (this.#closing !== null) return
    for (const task of this.#waiting) {
      if (!this.#hasThread()) return
      this.#waiting.delete(task)
      this.#underWay.add(task)
      void this.#perform(task)
    }
  }

  async #perform(task: Task<R>): Promise<void> {
    try {
      this.#threads ??= new Threads(this.#options, () => this.#next())
      const result = await this.#threads.run(task.payload, task)
      this.#settle(task, () => task.resolve(result as R))
    } catch (error) {
      this.#settle(task, () => task.reject(error))
    }
    this.#underWay.delete(task)
    this.#next()
  }

  #abort(task: Task<R>): void {
    // piscina hears the same signal after us and ends the thread of what is under way.
    const ran: Processed = this.#waiting.delete(task) ? 'no' : 'maybe'
    this.#settle(task, () => task.reject(cancelled(ran, task.signal)))
  }

  #settle(task: Task<R>, tell: () => void): void {
    if (task.settled) return
    task.settled = true
    this.#unsettled -= 1
    task.signal?.removeEventListener('abort', task.onAbort)
    tell()
  }
}

function closed(ran: Processed): Error {
  return failure('closed', 'the worker pool is closed', { processed: ran })
}

function cancelled(ran: Processed, signal: AbortSignal | undefined): Error {
  return failure('cancelled', 'the work was cancelled', { processed: ran, cause: signal?.reason })
}
