import { failure } from '../base/errors.js'
import type { Ledger } from './ledger.js'

/**
 * Buffers of one size, used again. Whoever acquires one owns it until it is released; releasing twice throws. What
 * the ledger counts is what is out: idle buffers belong to nobody.
 */
export class BufferPool {
  readonly bufferBytes: number
  readonly ledger: Ledger
  readonly #maxIdle: number
  readonly #idle: Buffer[] = []
  readonly #out = new Set<Buffer>()

  constructor(ledger: Ledger, bufferBytes: number, maxIdle: number) {
    this.ledger = ledger
    this.bufferBytes = bufferBytes
    this.#maxIdle = maxIdle
  }

  get borrowed(): number {
    return this.#out.size
  }

  get idle(): number {
    return this.#idle.length
  }

  acquire(): Buffer {
    // Slow on purpose: a slice of Node's shared pool would keep its neighbours alive.
    const buffer = this.#idle.pop() ?? Buffer.allocUnsafeSlow(this.bufferBytes)
    this.#out.add(buffer)
    this.ledger.take(buffer.length)
    return buffer
  }

  release(buffer: Buffer): void {
    if (!this.#out.delete(buffer)) throw failure('double-release', 'this buffer is not out on loan')
    this.ledger.giveBack(buffer.length)
    if (this.#idle.length < this.#maxIdle) this.#idle.push(buffer)
  }
}
