import type { Link, LinkUser } from './link.js'
import type { LinkConditions } from './link-conditions.js'
import { Pipe, type PipeOwner } from './pipe.js'
import type { Life, Scheduler } from './scheduler.js'
import { VirtualChannel, virtualFacts } from './virtual-channel.js'

/** What a connection knows of the network around it. */
export interface ConnectionSurroundings {
  /** Whether there is a kernel on that host which would answer. */
  hasPower(host: string): boolean
  onClosed(connection: VirtualConnection): void
}

/** One side that a connection is to have. */
export interface Side {
  readonly life: Life
  readonly address: string
  /** Idle time after which its kernel asks whether the peer is still there; 0 for never. */
  readonly keepAliveMs: number
}

/** A connection between two machines, as the network sees it: here it can be made to fail. */
export class VirtualConnection implements LinkUser, PipeOwner {
  readonly id: number
  readonly dialled: VirtualChannel
  readonly accepted: VirtualChannel
  readonly #there: Pipe
  readonly #back: Pipe
  readonly #links: readonly [Link, Link]
  readonly #sides: readonly [Side, Side]
  readonly #scheduler: Scheduler
  readonly #surroundings: ConnectionSurroundings
  #lost = false
  #resets = 0
  #gone = 0

  constructor(
    id: number,
    [dialler, acceptor]: readonly [Side, Side],
    [there, back]: readonly [Link, Link],
    scheduler: Scheduler,
    surroundings: ConnectionSurroundings,
  ) {
    this.id = id
    this.#sides = [dialler, acceptor]
    this.#links = [there, back]
    this.#scheduler = scheduler
    this.#surroundings = surroundings
    this.#there = new Pipe(there, back, scheduler, this)
    this.#back = new Pipe(back, there, scheduler, this)
    const onGone = (): void => this.#onGone()
    const end = (side: Side, other: Side, out: Pipe, incoming: Pipe): VirtualChannel => {
      const facts = virtualFacts(side.address, other.address, other.life.host, out.link.conditions.bufferBytes)
      return new VirtualChannel(side.life, scheduler, out, incoming, facts, onGone)
    }
    this.dialled = end(dialler, acceptor, this.#there, this.#back)
    this.accepted = end(acceptor, dialler, this.#back, this.#there)
    this.#there.join(this.dialled, this.accepted)
    this.#back.join(this.accepted, this.dialled)
    for (const link of this.#links) link.join(this)
  }

  /** Both sides are told that the connection is gone, as far as they can be reached. What is under way may be lost. */
  reset(): void {
    this.#resetOpenEnds(0)
  }

  /** One side hears that the other has ended, which knows nothing of it. Not told where it has heard so already. */
  forgeEnd(heardBy: 'dialled' | 'accepted'): void {
    const pipe = heardBy === 'dialled' ? this.#back : this.#there
    if (!pipe.endSent && this[heardBy].open) pipe.forgeEnd()
  }

  /** The machine of one end is gone. */
  onCrash(life: Life, silent: boolean): void {
    for (const end of [this.dialled, this.accepted]) if (end.life === life) end.vanish(silent)
  }

  onLost(): void {
    this.#lost = true
    if (this.#resets === 0) this.findOut()
  }

  onLinkState(state: LinkConditions['state']): void {
    if (state !== 'up') return
    for (const pipe of [this.#there, this.#back]) pipe.onBackUp()
    this.findOut()
  }

  /** A connection of which something was lost is reset once its ends can hear of it. Until then they wait. */
  findOut(): void {
    if (!this.#lost || !this.#links.every(({ up }) => up)) return
    if (!this.#sides.every(({ life }) => this.#surroundings.hasPower(life.host))) return
    this.#resetOpenEnds(1)
  }

  #resetOpenEnds(keepAlives: number): void {
    const [dialler, acceptor] = this.#sides
    const ends = [
      [this.dialled, this.#there, dialler],
      [this.accepted, this.#back, acceptor],
    ] as const
    for (const [end, out, { life, keepAliveMs }] of ends) {
      if (!end.open) continue
      // Who has sent something is answered at once; who waits finds out when its kernel asks.
      const idle = keepAlives > 0 && out.unackedBytes === 0 && !out.endSent
      if (idle && keepAliveMs === 0) continue
      this.#resets += 1
      this.#scheduler.schedule(life, idle ? keepAliveMs : out.link.delayMs(), () => {
        this.#resets -= 1
        end.onReset()
      })
    }
  }

  #onGone(): void {
    this.#gone += 1
    if (this.#gone < 2) return
    for (const pipe of [this.#there, this.#back]) pipe.close()
    for (const link of this.#links) link.leave(this)
    this.#surroundings.onClosed(this)
  }
}
