// Hot path: every message that waits is put in and taken out.
import { Ring } from '../memory/ring.js'
import type { Encoder } from './encoder.js'
import type { Environment } from './environment.js'
import { HeldBody } from './held-body.js'

/** A frame that waits: for credit, for the socket, or behind another. */
export interface HeldItem {
  readonly kind: number
  readonly flags: number
  readonly aux: number
  readonly body: HeldBody
  /** Becomes the body when it is sent. */
  readonly value: Unencoded | null
}

interface Unencoded {
  readonly encoder: Encoder
  readonly value: unknown
}

/** What the streams of a connection hold together. */
interface Shared {
  readonly environment: Pick<Environment, 'mailbox' | 'limits'>
  heldBytes: number
}

const EMPTY = HeldBody.from(Buffer.alloc(0))

/** What of one stream waits to be sent, in order: messages, and its end. */
export class StreamQueue {
  readonly #shared: Shared
  readonly #items = new Ring<HeldItem>()
  #bytes = 0
  /** Its only message waits as a value, and nothing but an end goes behind it. */
  #deferred = false

  constructor(shared: Shared) {
    this.#shared = shared
  }

  get length(): number {
    return this.#items.length
  }

  get head(): HeldItem | undefined {
    return this.#items.peek()
  }

  /** Whoever would wait here is to wait as a value: the others hold all that they may, and nobody has told it so. */
  get defers(): boolean {
    return this.#items.length === 0 && this.#crowded
  }

  get full(): boolean {
    const { mailbox } = this.#shared.environment
    if (this.#deferred || this.#crowded) return true
    return this.#items.length >= mailbox.maxMessages || this.#bytes >= mailbox.maxBytes
  }

  put(kind: number, flags: number, aux: number, body: HeldBody): void {
    this.#add({ kind, flags, aux, body, value: null })
  }

  putUnencoded(kind: number, flags: number, encoder: Encoder, value: unknown): void {
    this.#deferred = true
    this.#add({ kind, flags, aux: 0, body: EMPTY, value: { encoder, value } })
  }

  take(): void {
    const bytes = this.#items.shift()?.body.bytes ?? 0
    this.#deferred = false
    this.#bytes -= bytes
    this.#shared.heldBytes -= bytes
  }

  /** What waits is not sent. */
  drop(): void {
    while (this.#items.length > 0) this.take()
  }

  get #crowded(): boolean {
    return this.#shared.heldBytes >= this.#shared.environment.limits.maxQueuedBytes
  }

  #add(item: HeldItem): void {
    this.#items.push(item)
    this.#bytes += item.body.bytes
    this.#shared.heldBytes += item.body.bytes
  }
}
