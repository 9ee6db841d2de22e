import { type ChildProcess, fork, spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import type { Assignment, Order } from './messages.js'

/** Servers on one processor, clients on another, where there are two and `taskset` to say so. */
const canPin = availableParallelism() > 1 && spawnSync('taskset', ['--version']).status === 0

/** An answer takes as long as a window at most, and a window is short. */
const ANSWER_LIMIT_MS = 120_000

/** A child that hears that nobody listens any more ends itself; one that is stuck is killed after this. */
const STOP_LIMIT_MS = 5_000

/** A process of its own that carries one side of a subject. */
export class Child {
  readonly #process: ChildProcess
  #answer: { resolve: (value: unknown) => void; reject: (error: Error) => void } | null = null

  constructor(
    side:
      | 'server'
      | 'client'
      | 'idle-server'
      | 'pressure-server'
      | 'pressure-client'
      | 'overload-server'
      | 'overload-client',
    assignment: Assignment,
  ) {
    const script = new URL(`./${side}-main.js`, import.meta.url).pathname
    const flags = ['--expose-gc', '--max-http-header-size=16384']
    const processor = side.endsWith('client') ? '1' : '0'
    this.#process = fork(script, [JSON.stringify(assignment)], {
      // `fork` puts its own flags before the script, so that taskset can stand in front of Node.
      ...(canPin
        ? { execPath: 'taskset', execArgv: ['-c', processor, process.execPath, ...flags] }
        : { execArgv: flags }),
      // Keeps typed arrays what they are.
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.#process.on('message', (message: { value?: unknown; error?: string }) => {
      if (message.error === undefined) this.#answer?.resolve(message.value)
      else this.#answer?.reject(new Error(message.error))
    })
    this.#process.on('error', (error) => this.#answer?.reject(error))
    this.#process.on('exit', (code) =>
      this.#answer?.reject(new Error(`the ${side} of ${assignment.subject} exited with ${code}`)),
    )
  }

  /** What the child says first: the address of a server, or that a client is connected. */
  ready<T>(): Promise<T> {
    return this.#next()
  }

  ask<T>(order: Order): Promise<T> {
    const answer = this.#next<T>()
    this.#process.send(order)
    return answer
  }

  /** Ends the process, and resolves when it is gone: by itself when it can, killed when it cannot. */
  async stop(): Promise<void> {
    const child = this.#process
    if (child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise((resolve) => child.once('exit', resolve))
    this.#answer = null
    if (child.connected) child.disconnect()
    const kill = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS)
    await gone
    clearTimeout(kill)
  }

  #next<T>(): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('a child did not answer')), ANSWER_LIMIT_MS)
      this.#answer = {
        resolve: (value) => {
          clearTimeout(timer)
          resolve(value as T)
        },
        reject: (error) => {
          clearTimeout(timer)
          reject(error)
        },
      }
    })
  }
}
