import { type ChildProcess, fork, spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import type { Assignment, Order } from './messages.js'

/** Servers on one processor, clients on another, where there are two and `taskset` to say so. */
const canPin = availableParallelism() > 1 && spawnSync('taskset', ['--version']).status === 0

/** An answer takes as long as a window at most, and a window is short. */
const ANSWER_LIMIT_MS = 120_000

/** A process of its own that carries one side of a subject. */
export class Child {
  readonly #process: ChildProcess
  #answer: { resolve: (value: unknown) => void; reject: (error: Error) => void } | null = null

  constructor(side: 'server' | 'client' | 'idle-server', assignment: Assignment) {
    const script = new URL(`./${side}-main.js`, import.meta.url).pathname
    const flags = ['--expose-gc', '--max-http-header-size=16384']
    const processor = side === 'client' ? '1' : '0'
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

  /** Ends the process, and resolves when it is gone. */
  async stop(): Promise<void> {
    if (this.#process.exitCode !== null) return
    const gone = new Promise((resolve) => this.#process.once('exit', resolve))
    this.#answer = null
    this.#process.disconnect()
    await gone
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
