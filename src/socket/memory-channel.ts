import type { Clock } from '../base/clock.js'
import { failure, type TransportError } from '../base/errors.js'
import { Ring } from '../memory/ring.js'
import type { BufferSize, ByteChannel, ChannelFacts, ChannelReceiver } from './channel.js'
import { sharedReadBuffer } from './reused-read.js'

export interface MemoryChannelOptions {
  /** What each direction holds before bytes wait with who wrote them: a kernel's two socket buffers in one. */
  readonly bufferBytes?: number
  /** The most that arrives at once. With 1 a parser meets every split there is. */
  readonly splitBytes?: number
}

const BUFFER_BYTES = 64 * 1024

/**
 * A stream between two ends of one process, for tests: it keeps what a socket promises, in turns of the given clock
 * and with nothing of the system in between. The same clock gives the same run.
 */
export function memoryChannelPair(clock: Clock, options: MemoryChannelOptions = {}): [ByteChannel, ByteChannel] {
  const { bufferBytes = BUFFER_BYTES } = options
  const { splitBytes = bufferBytes } = options
  if (bufferBytes < 1 || splitBytes < 1) throw failure('misuse', 'a memory channel moves at least one byte at a time')
  const there = new Pipe(bufferBytes)
  const back = new Pipe(bufferBytes)
  const one = new MemoryChannel(clock, there, back, splitBytes, factsOf('one', 'other', bufferBytes))
  const other = new MemoryChannel(clock, back, there, splitBytes, factsOf('other', 'one', bufferBytes))
  one.join(other)
  other.join(one)
  return [one, other]
}

class MemoryChannel implements ByteChannel {
  readonly facts: ChannelFacts
  readonly #clock: Clock
  readonly #out: Pipe
  readonly #in: Pipe
  readonly #splitBytes: number
  #peer: MemoryChannel = this
  #receiver: ChannelReceiver | null = null
  #life: 'open' | 'destroyed' | 'closed' = 'open'
  #error: TransportError | null = null
  #flowing = false
  #corks = 0
  #scheduled = false
  #heardEnd = false

  constructor(clock: Clock, out: Pipe, incoming: Pipe, splitBytes: number, facts: ChannelFacts) {
    this.#clock = clock
    this.#out = out
    this.#in = incoming
    this.#splitBytes = splitBytes
    this.facts = facts
  }

  join(peer: MemoryChannel): void {
    this.#peer = peer
  }

  get unsentBytes(): number {
    return this.#out.queuedBytes
  }

  receive(receiver: ChannelReceiver): void {
    this.#receiver = receiver
    this.resume()
  }

  write(bytes: Uint8Array): void {
    if (this.#out.ended && this.#life === 'open') this.#die(lost('a write after the end'))
    this.#out.write(bytes)
    this.#send()
  }

  cork(): void {
    this.#corks += 1
  }

  uncork(): void {
    this.#corks = Math.max(0, this.#corks - 1)
    this.#send()
  }

  pause(): void {
    this.#flowing = false
  }

  resume(): void {
    this.#flowing = true
    this.#wake()
  }

  end(): void {
    this.#out.ended = true
    this.#corks = 0
    this.#send()
  }

  /** As a kernel has it: what it had taken still arrives, the end behind it; but who leaves bytes unread resets. */
  destroy(): void {
    if (this.#life !== 'open') return
    const unread = this.#in.length > 0
    this.#die(null)
    if (unread) this.#peer.#reset()
    else this.#peer.#wake()
  }

  #reset(): void {
    if (this.#life === 'open') this.#die(lost('reset by the peer'))
  }

  #die(error: TransportError | null): void {
    this.#life = 'destroyed'
    this.#error = error
    this.#in.deaf = true
    this.#out.giveUp()
    this.#wake()
  }

  #send(): void {
    if (this.#corks === 0) this.#out.fill()
    this.#wake()
    this.#peer.#wake()
  }

  #wake(): void {
    if (this.#scheduled || this.#life === 'closed') return
    this.#scheduled = true
    this.#clock.nextTurn(() => {
      this.#scheduled = false
      if (this.#receiver !== null) this.#turn(this.#receiver)
    })
  }

  /** Everything the receiver hears is told from here. Meanwhile it may do anything to either end. */
  #turn(receiver: ChannelReceiver): void {
    const out = this.#out
    const last = this.#life === 'destroyed'
    for (; out.taken > 0; out.taken -= 1) receiver.onWritten()
    for (; out.dropped > 0; out.dropped -= 1) receiver.onWritten(true)
    if (last) {
      this.#life = 'closed'
      this.#receiver = null
      receiver.onClosed(this.#error)
      return
    }
    if (this.#flowing && this.#life === 'open') this.#read(receiver)
    if (out.refused) this.#reset()
    if (this.#heardEnd && out.ended && out.queuedBytes === 0 && this.#life === 'open') this.#die(null)
  }

  #read(receiver: ChannelReceiver): void {
    if (this.#in.length > 0) {
      const into = receiver.destination() ?? sharedReadBuffer()
      receiver.onBytes(into, this.#in.take(into, this.#splitBytes))
      this.#peer.#send()
    } else if (this.#in.ended && !this.#heardEnd) {
      this.#heardEnd = true
      receiver.onEnd()
    }
  }
}

/** One direction: what waits with the writer, and a ring of bytes that stands for the buffers of a kernel. */
class Pipe {
  /** Bytes that wait with the writer. */
  queuedBytes = 0
  /** Bytes under way. */
  length = 0
  /** Writes that are done with and not told yet: those that were taken, and behind them those that were given up. */
  taken = 0
  dropped = 0
  /** The writer writes no more. */
  ended = false
  /** The reader is gone: what is written is taken all the same, and lost. */
  deaf = false
  /** That has happened. */
  refused = false
  readonly #ring: Buffer
  readonly #queue = new Ring<Uint8Array>()
  #start = 0
  /** How much of the oldest queued write is under way. */
  #offset = 0

  constructor(bytes: number) {
    this.#ring = Buffer.alloc(bytes)
  }

  write(bytes: Uint8Array): void {
    if (this.ended) {
      this.dropped += 1
      return
    }
    this.#queue.push(bytes)
    this.queuedBytes += bytes.length
  }

  /** Takes of what waits as much as there is room for. */
  fill(): void {
    for (let bytes = this.#queue.peek(); bytes !== undefined; bytes = this.#queue.peek()) {
      this.refused ||= this.deaf
      const count = this.deaf ? bytes.length - this.#offset : this.#put(bytes.subarray(this.#offset))
      this.#offset += count
      this.queuedBytes -= count
      if (this.#offset < bytes.length) return
      this.#queue.shift()
      this.#offset = 0
      this.taken += 1
    }
  }

  /** Moves what came into `into`, `most` bytes of it at most. Returns how many. */
  take(into: Buffer, most: number): number {
    const count = Math.min(most, into.length, this.length)
    const first = this.#ring.copy(into, 0, this.#start, Math.min(this.#start + count, this.#ring.length))
    this.#ring.copy(into, first, 0, count - first)
    this.#start = (this.#start + count) % this.#ring.length
    this.length -= count
    return count
  }

  /** The writer is gone. What is under way arrives, what waits does not. */
  giveUp(): void {
    this.ended = true
    this.dropped += this.#queue.length
    while (this.#queue.shift() !== undefined);
    this.queuedBytes = 0
  }

  #put(bytes: Uint8Array): number {
    const count = Math.min(bytes.length, this.#ring.length - this.length)
    const at = (this.#start + this.length) % this.#ring.length
    const first = Math.min(count, this.#ring.length - at)
    this.#ring.set(bytes.subarray(0, first), at)
    this.#ring.set(bytes.subarray(first, count), 0)
    this.length += count
    return count
  }
}

function lost(why: string): TransportError {
  return failure('connection-lost', `the connection failed: ${why}`)
}

function factsOf(local: string, remote: string, bufferBytes: number): ChannelFacts {
  const buffer: BufferSize = { requested: null, effective: bufferBytes, applied: false, reason: 'memory has no kernel' }
  return {
    kind: 'memory',
    local: `memory:${local}`,
    remote: `memory:${remote}`,
    remoteHost: `memory:${remote}`,
    noDelay: false,
    keepAliveMs: 0,
    sendBuffer: buffer,
    receiveBuffer: buffer,
    reusedReads: true,
    tls: null,
  }
}
