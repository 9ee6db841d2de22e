import type { Transferable, Worker } from 'node:worker_threads'
import { failure } from '../base/errors.js'
import { requirePackage } from '../base/require-package.js'

/** What is used of piscina. Its own types do not compile with `exactOptionalPropertyTypes`. */
interface Piscina {
  readonly threads: readonly Worker[]
  run(payload: unknown, options: object): Promise<unknown>
  on(event: 'error', listener: (error: unknown) => void): unknown
  destroy(): Promise<void>
}
type PiscinaClass = new (options: object) => Piscina

export interface ThreadsOptions {
  readonly filename: string
  readonly workers: number
  readonly idleTimeoutMs: number
}

export interface ThreadOrder {
  readonly name: string
  readonly signal: AbortSignal | undefined
  readonly transfer: readonly Transferable[] | undefined
}

/**
 * piscina's threads, and what they need to be kept from:
 *
 * - It is never given more than there are threads for. Its own queue reorders what can be aborted and does not count
 *   it against its bound.
 * - The module is named with every payload and not at the start: one that cannot be loaded then fails its payloads,
 *   where piscina would say `error` to nobody and leave what waits waiting.
 * - Threads are known here from their first payload to their exit, also those that piscina has struck off and not yet
 *   seen end, so that there are never more than `workers` and closing waits for the last one.
 */
export class Threads {
  readonly #options: ThreadsOptions
  readonly #Piscina: PiscinaClass
  readonly #onExit: () => void
  #piscina: Piscina
  #underWay = 0
  readonly #alive = new Map<Worker, Promise<void>>()
  /** From the end of a thread to the end of its turn: what piscina rejects meanwhile was not thrown by the work. */
  #crashing = false
  /** What ended it, where piscina's rejection does not say. */
  #cause: unknown

  /** Loads piscina, and starts nothing yet. `onExit` is called whenever a thread has ended. */
  constructor(options: ThreadsOptions, onExit: () => void) {
    this.#options = options
    this.#Piscina = load()
    this.#onExit = onExit
    this.#piscina = this.#fresh()
  }

  get alive(): number {
    return this.#alive.size
  }

  /** Threads that were told to end and have not. */
  get ending(): number {
    return this.#alive.size - this.#piscina.threads.length
  }

  /** Rejects with `worker-crashed` when the thread ended, and with what the work threw when the work threw. */
  run(payload: unknown, { name, signal, transfer }: ThreadOrder): Promise<unknown> {
    this.#underWay += 1
    try {
      return this.#piscina
        .run(payload, {
          filename: this.#options.filename,
          name,
          ...(signal === undefined ? {} : { signal }),
          ...(transfer === undefined ? {} : { transferList: [...transfer] }),
        })
        .then(
          (result: unknown) => {
            this.#underWay -= 1
            return result
          },
          (error: unknown) => {
            this.#underWay -= 1
            throw this.#crashing ? crash(this.#cause ?? error) : refusal(error)
          },
        )
    } catch (error) {
      // The system refused a thread.
      this.#underWay -= 1
      return Promise.reject(crash(error))
    } finally {
      this.#watch()
    }
  }

  /** Ends every thread, whatever it does, and waits for the last one. */
  async close(): Promise<void> {
    this.#watch()
    await this.#piscina.destroy()
    while (this.#alive.size > 0) await Promise.all(this.#alive.values())
  }

  #fresh(): Piscina {
    const piscina = new this.#Piscina({
      minThreads: 0,
      maxThreads: this.#options.workers,
      idleTimeout: this.#options.idleTimeoutMs,
      concurrentTasksPerWorker: 1,
      // Between payloads a thread turns its event loop as usual, instead of standing still until the next one. What a
      // work left behind goes wrong when it does, and not in the middle of a later one.
      atomics: 'disabled',
      recordTiming: false,
    })
    piscina.on('error', (error: unknown) => this.#onError(piscina, error))
    return piscina
  }

  /** A thread ended that had no payload: after its last one, which is nobody's loss, or before its first one. */
  #onError(piscina: Piscina, error: unknown): void {
    if (piscina !== this.#piscina || piscina.threads.length >= this.#underWay) return
    // Somebody waits for a thread that could not start, and piscina would start no other.
    this.#piscina = this.#fresh()
    const gone = piscina.destroy()
    this.#markCrash(error)
    // It ends what it has, and whoever it has was told above.
    void gone.catch(() => {})
  }

  #watch(): void {
    for (const thread of this.#piscina.threads) {
      if (this.#alive.has(thread)) continue
      // piscina's listeners stand before these: it has rejected by now, and its promise tells in a moment.
      thread.once('error', () => this.#markCrash())
      const gone = new Promise<void>((resolve) => {
        thread.once('exit', () => {
          this.#markCrash()
          this.#alive.delete(thread)
          resolve()
          this.#onExit()
        })
      })
      this.#alive.set(thread, gone)
    }
  }

  #markCrash(cause?: unknown): void {
    this.#crashing = true
    this.#cause ??= cause
    // Behind the reactions to what was rejected just now.
    void Promise.resolve().then(() => {
      this.#crashing = false
      this.#cause = undefined
    })
  }
}

function load(): PiscinaClass {
  try {
    return (requirePackage('piscina') as { readonly Piscina: PiscinaClass }).Piscina
  } catch (cause) {
    throw failure('package-missing', 'worker threads need the package piscina: npm install piscina', {
      cause,
      details: { package: 'piscina' },
    })
  }
}

function crash(cause: unknown): Error {
  return failure('worker-crashed', 'the worker thread ended before the work did', { processed: 'maybe', cause })
}

/** What cannot be sent to a thread is told as what cannot be encoded is; everything else is the work's own. */
function refusal(error: unknown): unknown {
  if (!(error instanceof DOMException) || error.name !== 'DataCloneError') return error
  return failure('encode-failed', `the payload cannot be sent to a worker thread: ${error.message}`, { cause: error })
}
