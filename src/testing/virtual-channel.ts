import { failure, type TransportError } from '../base/errors.js'
import type { BufferSize, ByteChannel, ChannelFacts, ChannelReceiver } from '../socket/channel.js'
import { sharedReadBuffer } from '../socket/reused-read.js'
import type { Pipe, PipeEnd } from './pipe.js'
import type { Life, Scheduler } from './scheduler.js'

/** One end of a connection of the virtual network. It keeps what a socket promises, in events of its machine. */
export class VirtualChannel implements ByteChannel, PipeEnd {
  readonly life: Life
  readonly facts: ChannelFacts
  readonly #scheduler: Scheduler
  readonly #out: Pipe
  readonly #in: Pipe
  readonly #onGone: () => void
  #receiver: ChannelReceiver | null = null
  #state: 'open' | 'destroyed' | 'closed' = 'open'
  #error: TransportError | null = null
  #flowing = false
  #corks = 0
  #woken = false
  #heardEnd = false

  constructor(life: Life, scheduler: Scheduler, out: Pipe, incoming: Pipe, facts: ChannelFacts, onGone: () => void) {
    this.life = life
    this.facts = facts
    this.#scheduler = scheduler
    this.#out = out
    this.#in = incoming
    this.#onGone = onGone
  }

  get open(): boolean {
    return this.#state === 'open'
  }

  get unsentBytes(): number {
    return this.#out.queuedBytes
  }

  receive(receiver: ChannelReceiver): void {
    this.#receiver = receiver
    this.resume()
  }

  write(bytes: Uint8Array): void {
    if (this.#state === 'closed') return
    if (this.#out.ended) {
      this.#out.dropped += 1
      if (this.open) this.#die(lost('a write after the end'), 'reset')
      return
    }
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
    this.wake()
  }

  end(): void {
    if (!this.open) return
    this.#out.ended = true
    this.#corks = 0
    this.#send()
  }

  /** As a kernel has it: what it had taken still arrives, the end behind it; but who leaves bytes unread resets. */
  destroy(): void {
    if (this.open) this.#die(null, this.#in.readyBytes > 0 ? 'reset' : 'end')
  }

  /** The machine is gone. Nobody here is told; the peer is, unless it went silently. */
  vanish(silent: boolean): void {
    if (this.#state === 'closed') return
    const how = this.#in.readyBytes > 0 ? 'reset' : 'end'
    this.#state = 'closed'
    this.#receiver = null
    this.#in.deafen()
    this.#out.giveUp(silent ? null : how)
    if (silent) this.#in.lose()
    this.#onGone()
  }

  onArrival(): void {
    if (this.#receiver !== null) this.#turn(this.#receiver)
  }

  onReset(): void {
    if (this.open) this.#die(lost('reset by the peer'), null)
  }

  wake(): void {
    if (this.#woken || this.#state === 'closed') return
    this.#woken = true
    this.#scheduler.schedule(this.life, 0, () => {
      this.#woken = false
      if (this.#receiver !== null) this.#turn(this.#receiver)
    })
  }

  #die(error: TransportError | null, how: 'end' | 'reset' | null): void {
    this.#state = 'destroyed'
    this.#error = error
    this.#in.deafen()
    this.#out.giveUp(how)
    this.wake()
  }

  #send(): void {
    if (this.#corks === 0) this.#out.fill()
    this.wake()
  }

  /** Everything the receiver hears is told from here. Meanwhile it may do anything to this end. */
  #turn(receiver: ChannelReceiver): void {
    const out = this.#out
    const last = this.#state === 'destroyed'
    for (; out.taken > 0; out.taken -= 1) receiver.onWritten()
    for (; out.dropped > 0; out.dropped -= 1) receiver.onWritten(true)
    if (last) {
      this.#state = 'closed'
      this.#receiver = null
      this.#scheduler.note(this.life.host, this.#error === null ? 'closed' : 'cut off')
      this.#onGone()
      receiver.onClosed(this.#error)
      return
    }
    if (this.#flowing && this.open) this.#read(receiver)
    if (this.#heardEnd && out.endSent && out.queuedBytes === 0 && this.open) this.#die(null, null)
  }

  #read(receiver: ChannelReceiver): void {
    if (this.#in.readyBytes > 0) {
      const into = receiver.destination() ?? sharedReadBuffer()
      receiver.onBytes(into, this.#in.read(into))
      if (this.#in.readyBytes > 0 || this.#in.endArrived) this.wake()
    } else if (this.#in.endArrived && !this.#heardEnd) {
      this.#heardEnd = true
      this.#scheduler.note(this.life.host, 'end')
      receiver.onEnd()
    }
  }
}

function lost(why: string): TransportError {
  return failure('connection-lost', `the connection failed: ${why}`)
}

/** What there is to say of a channel that no system carries. */
export function virtualFacts(local: string, remote: string, remoteHost: string, bufferBytes: number): ChannelFacts {
  const buffer: BufferSize = { requested: null, effective: bufferBytes, applied: false, reason: 'memory has no kernel' }
  return {
    kind: 'memory',
    local,
    remote,
    remoteHost,
    noDelay: false,
    keepAliveMs: 0,
    sendBuffer: buffer,
    receiveBuffer: buffer,
    reusedReads: true,
    tls: null,
  }
}
