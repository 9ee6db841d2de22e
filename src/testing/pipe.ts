import type { TimerHandle } from '../base/clock.js'
import type { Link, LinkUser } from './link.js'
import type { Life, Scheduler } from './scheduler.js'

/** One end of a pipe, as far as the pipe is concerned. */
export interface PipeEnd {
  readonly life: Life
  /** Takes part: it was not destroyed. */
  readonly open: boolean
  /** Writes were taken: tell so soon. */
  wake(): void
  /** Bytes or the end have arrived; called in an event of the end's own life. */
  onArrival(): void
  onReset(): void
}

/** What a pipe tells the connection it is half of. */
export interface PipeOwner {
  /** Something was lost: nothing more will ever arrive. */
  onLost(): void
}

type Segment = { readonly arrivesAt: number; readonly what: Buffer | 'end' | 'reset' }

/**
 * One direction of a connection: what waits with the writer, what is under way, and what has arrived and was not read.
 * The last two share the buffer of a kernel. In order, always.
 */
export class Pipe implements LinkUser {
  readonly link: Link
  readonly #back: Link
  readonly #scheduler: Scheduler
  readonly #owner: PipeOwner
  readonly #bufferBytes: number
  #writer: PipeEnd | null = null
  #reader: PipeEnd | null = null
  /** Writes that were not taken whole; `#offset` bytes of the first were. */
  #queue: Uint8Array[] = []
  #offset = 0
  queuedBytes = 0
  /** Writes that are done with and not told yet. */
  taken = 0
  dropped = 0
  /** The writer writes no more; and that was put on the wire. */
  ended = false
  endSent = false
  /** The end has arrived: nothing can follow. */
  endArrived = false
  /** What is sent is lost. */
  lost = false
  readonly #travelling: Segment[] = []
  #travellingBytes = 0
  #ready: Buffer[] = []
  readyBytes = 0
  #lastArrival = 0
  #arrival: TimerHandle | null = null
  #room: TimerHandle | null = null

  constructor(link: Link, back: Link, scheduler: Scheduler, owner: PipeOwner) {
    this.link = link
    this.#back = back
    this.#scheduler = scheduler
    this.#owner = owner
    this.#bufferBytes = link.conditions.bufferBytes
    link.join(this)
  }

  join(writer: PipeEnd, reader: PipeEnd): void {
    this.#writer = writer
    this.#reader = reader
  }

  /** Bytes that the writer's machine has taken and of which it does not know that they were read. */
  get unackedBytes(): number {
    return this.#travellingBytes
  }

  write(bytes: Uint8Array): void {
    this.#queue.push(bytes)
    this.queuedBytes += bytes.length
  }

  /** Takes of what waits as much as there is room for, and the end behind it. */
  fill(): void {
    for (let bytes = this.#queue[0]; bytes !== undefined; bytes = this.#queue[0]) {
      const rest = bytes.length - this.#offset
      const count = Math.min(rest, this.#bufferBytes - this.#travellingBytes - this.readyBytes)
      if (count === 0 && rest > 0) return
      if (count > 0) this.#send(Buffer.from(bytes.subarray(this.#offset, this.#offset + count)))
      this.#offset += count
      this.queuedBytes -= count
      if (count < rest) return
      this.#queue.shift()
      this.#offset = 0
      this.taken += 1
    }
    if (this.ended && !this.endSent) {
      this.endSent = true
      this.#send('end')
    }
  }

  /** The writer is gone: what it has not handed over is given up. `how` is what the peer hears behind the rest. */
  giveUp(how: 'end' | 'reset' | null): void {
    this.ended = true
    this.dropped += this.#queue.length
    this.#queue = []
    this.queuedBytes = 0
    if (how === 'reset' || (how === 'end' && !this.endSent)) this.#send(how)
    this.endSent = true
  }

  /** Somebody in between says that the writer has ended. Whatever it writes from now on is answered by a reset. */
  forgeEnd(): void {
    this.#send('end')
  }

  /** Moves what has arrived into `into`. Returns how many bytes. */
  read(into: Buffer): number {
    const most = this.link.readable(Math.min(into.length, this.readyBytes))
    let count = 0
    while (count < most) {
      const first = this.#ready[0] as Buffer
      const copied = first.copy(into, count, 0, most - count)
      count += copied
      if (copied < first.length) this.#ready[0] = first.subarray(copied)
      else this.#ready.shift()
    }
    this.readyBytes -= count
    if ((this.queuedBytes > 0 || (this.ended && !this.endSent)) && this.#room === null && this.#back.up)
      this.#tellRoom()
    return count
  }

  /** The reader is no longer there to hear what arrives. */
  deafen(): void {
    this.#ready = []
    this.readyBytes = 0
    this.#unschedule()
    this.#schedule()
  }

  onLinkState(state: 'up' | 'stalled' | 'black-hole'): void {
    this.#unschedule()
    if (state === 'up') this.#schedule()
    if (state === 'black-hole' && this.#travelling.length > 0) this.lose()
  }

  /** The way back is good again, on which the writer hears that there is room. */
  onBackUp(): void {
    if (this.#room === null) this.#tellRoom()
  }

  /** What is under way is lost, and all that follows. */
  lose(): void {
    this.lost = true
    this.#unschedule()
    this.#travelling.length = 0
    this.#owner.onLost()
  }

  /** Nobody is interested any more. */
  close(): void {
    this.link.leave(this)
    this.#unschedule()
    this.#travelling.length = 0
    if (this.#room !== null) this.#scheduler.cancel(this.#room)
    this.#room = null
  }

  #send(what: Segment['what']): void {
    if (typeof what !== 'string') this.#travellingBytes += what.length
    if (this.lost || this.link.conditions.state === 'black-hole') {
      this.lose()
      return
    }
    this.#lastArrival = Math.max(this.#lastArrival, this.#scheduler.now + this.link.delayMs())
    this.#travelling.push({ arrivesAt: this.#lastArrival, what })
    this.#schedule()
  }

  #schedule(): void {
    const next = this.#travelling[0]
    const reader = this.#reader
    if (next === undefined || reader === null || this.#arrival !== null || !this.link.up) return
    const life = reader.open ? reader.life : null
    const delayMs = Math.max(0, next.arrivesAt - this.#scheduler.now)
    this.#arrival = this.#scheduler.schedule(life, delayMs, () => this.#arrive(reader))
  }

  #unschedule(): void {
    if (this.#arrival !== null) this.#scheduler.cancel(this.#arrival)
    this.#arrival = null
  }

  #arrive(reader: PipeEnd): void {
    this.#arrival = null
    const { now } = this.#scheduler
    for (let next = this.#travelling[0]; next !== undefined && next.arrivesAt <= now; next = this.#travelling[0]) {
      this.#travelling.shift()
      this.#take(next.what, reader)
    }
    this.#schedule()
    if (reader.open) reader.onArrival()
  }

  #take(what: Segment['what'], reader: PipeEnd): void {
    if (what === 'reset') reader.onReset()
    else if (what === 'end') this.endArrived = true
    else {
      this.#travellingBytes -= what.length
      this.#scheduler.note(reader.life.host, reader.open ? 'bytes' : 'bytes for nobody', what.length, what)
      if (reader.open && !this.endArrived) {
        this.#ready.push(what)
        this.readyBytes += what.length
      } else this.#refuse()
    }
  }

  /** Nobody takes what was sent: the writer's machine is told so. */
  #refuse(): void {
    const writer = this.#writer
    if (writer === null || !writer.open) return
    if (this.#back.up) this.#scheduler.schedule(writer.life, this.#back.delayMs(), () => writer.onReset())
    else this.lose()
  }

  #tellRoom(): void {
    this.#room = this.#scheduler.schedule(null, this.#back.delayMs(), () => {
      this.#room = null
      if (this.#writer?.open !== true) return
      this.fill()
      this.#writer.wake()
    })
  }
}
