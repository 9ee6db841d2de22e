import type { Workload } from '../workloads/workload.js'
import { Child } from './child.js'
import { type Percentiles, percentiles } from './latency.js'
import type { Memory, Window } from './messages.js'

/** One measured window with both sides' cost. */
export interface Measured extends Omit<Window, 'latenciesMs'>, Percentiles {
  readonly serverCpuUs: number
}

/** Where the calls of a subject are due at a rate, this many users warm it up. */
const WARM_UP_USERS = 64

/** The server and the client of one subject, each a process of its own. Does nothing between windows. */
export class Pair {
  readonly subject: string
  readonly windows: Measured[] = []
  readonly #workload: Workload
  readonly #perSecond: number | null
  readonly #server: Child
  readonly #client: Child

  private constructor(subject: string, workload: Workload, perSecond: number | null, server: Child, client: Child) {
    this.subject = subject
    this.#workload = workload
    this.#perSecond = perSecond
    this.#server = server
    this.#client = client
  }

  /** `perSecond`: calls are due at this rate, instead of one after the other. */
  static async start(subject: string, workload: Workload, perSecond: number | null = null): Promise<Pair> {
    const server = new Child('server', { subject, workload, address: '' })
    try {
      const client = new Child('client', { subject, workload, address: await server.ready<string>() })
      try {
        await client.ready()
        return new Pair(subject, workload, perSecond, server, client)
      } catch (error) {
        await client.stop()
        throw error
      }
    } catch (error) {
      await server.stop()
      throw error
    }
  }

  /** Runs without counting, until compilers and pools are warm. In a closed loop: a cold server refuses calls at a fixed rate. */
  async warmUp(concurrency: number, ms: number): Promise<void> {
    await this.#run(concurrency === 0 ? WARM_UP_USERS : concurrency, ms, null)
  }

  async measure(concurrency: number, ms: number): Promise<void> {
    const receivedBefore = await this.#received()
    const serverBefore = await this.#server.ask<number>({ order: 'cpu' })
    const { latenciesMs, ...window } = await this.#run(concurrency, ms, this.#perSecond)
    const serverCpuUs = (await this.#server.ask<number>({ order: 'cpu' })) - serverBefore
    // What counts of a one-way message is that it arrived.
    const count = this.#workload.kind === 'one-way' ? (await this.#received()) - receivedBefore : window.count
    this.windows.push({ ...window, ...percentiles(latenciesMs), count, serverCpuUs })
  }

  async memory(): Promise<{ readonly client: Memory; readonly server: Memory }> {
    return {
      client: await this.#client.ask<Memory>({ order: 'memory' }),
      server: await this.#server.ask<Memory>({ order: 'memory' }),
    }
  }

  async stop(): Promise<void> {
    await Promise.all([this.#client.stop(), this.#server.stop()])
  }

  #run(concurrency: number, ms: number, perSecond: number | null): Promise<Window> {
    return this.#client.ask<Window>({ order: 'run', concurrency, ms, perSecond })
  }

  async #received(): Promise<number> {
    return this.#workload.kind === 'one-way' ? this.#server.ask<number>({ order: 'received' }) : 0
  }
}
