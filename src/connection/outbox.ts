import { LANE_COUNT } from '../mailbox/lane.js'
import { LaneTurns } from '../mailbox/lane-turns.js'
import { Ring } from '../memory/ring.js'
import { SENDER, type Sender, type Writes } from './sender.js'

/** Who waits for the socket, by lane. The higher lane goes first, and no lane is starved. */
export class Outbox {
  readonly #lanes: (Ring<Sender> | null)[] = new Array<Ring<Sender> | null>(LANE_COUNT).fill(null)
  readonly #turns = new LaneTurns()
  #waiting = 0
  #bytes = 0

  get empty(): boolean {
    return this.#waiting === 0
  }

  /** Bytes of ours that wait. */
  get bytes(): number {
    return this.#bytes
  }

  add(sender: Sender): void {
    const { lane } = sender
    const ring = this.#lanes[lane] ?? new Ring<Sender>()
    this.#lanes[lane] = ring
    ring.push(sender)
    this.#bytes += sender.bytes
    this.#waiting |= 1 << lane
  }

  /** Gives one sender its turn. Returns false when nobody waits. */
  turn(writes: Writes): boolean {
    const lane = this.#turns.next(this.#waiting)
    const ring = this.#lanes[lane]
    const sender = ring?.peek()
    if (ring === undefined || ring === null || sender === undefined) return false
    const wants = sender.send(writes)
    // Sending may end the connection: then everybody is forgotten, this one too.
    if (wants === SENDER.STAY || this.#lanes[lane] !== ring) return true
    ring.shift()
    if (wants === SENDER.ROTATE) ring.push(sender)
    else this.#bytes -= sender.bytes
    if (ring.length === 0) this.#waiting &= ~(1 << lane)
    return true
  }

  /** Forgets everybody. */
  clear(): void {
    this.#waiting = 0
    this.#bytes = 0
    this.#lanes.fill(null)
  }
}
