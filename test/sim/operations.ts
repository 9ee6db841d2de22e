import type { Priority } from '../../src/index.js'
import { TransportError } from '../../src/index.js'
import { type Book, isCapacity, type Operation, type OperationKind } from './book.js'
import { bodyOf, isBodyOf, type Piece } from './contract.js'
import { sleep } from './handlers.js'
import type { Draw, Plan } from './plan.js'
import type { Caller, Site } from './site.js'

/** Two ticks of the timer wheel, and the millisecond that a timeout is rounded up by. */
const SLACK_MS = 6
/** A reader or source of ours that sleeps hears of the end when it wakes. */
const NAP_MS = 100
/** Work goes on beside it for a few seconds at most. */
const AGAIN_MS = 100
const MOST_TRIES = 200
const LANES: readonly Priority[] = ['high', 'normal', 'low', 'bulk']

/** Starts calls, streams and messages, and brings what becomes of them to the book. */
export class Operations {
  readonly #draw: Draw
  readonly #plan: Plan
  readonly #book: Book
  /** No faults: what is begun succeeds. */
  calm = false
  /** Everybody closes, without faults: what is begun succeeds, or is told that it never ran. */
  draining = false
  /** To be tried again. Nobody waits for them meanwhile. */
  refused = 0

  constructor(draw: Draw, plan: Plan, book: Book) {
    this.#draw = draw
    this.#plan = plan
    this.#book = book
  }

  /** Tries until it is not refused for want of room. In the time without faults everybody gets in at last. */
  persist(kind: OperationKind, site: Site, caller: Caller): void {
    let tries = 0
    const attempt = (): void => {
      tries += 1
      if (tries > MOST_TRIES) this.#book.violate('liveness', `${kind} of client ${caller.number} never found room`)
      else this[kind](site, caller, again)
    }
    const again = (): void => {
      this.refused += 1
      site.machine.clock.setTimer(() => {
        this.refused -= 1
        attempt()
      }, AGAIN_MS)
    }
    attempt()
  }

  /** Something of any kind. In an event of the site's machine. */
  any(site: Site, caller: Caller): void {
    const kind = this.#draw.between(0, 9)
    if (kind < 5) this.run(site, caller)
    else if (kind === 5) this.feed(site, caller)
    else if (kind === 6) this.gather(site, caller)
    else if (kind === 7) this.talk(site, caller)
    else this.tell(site, caller)
  }

  run(site: Site, caller: Caller, onRefused?: () => void): void {
    const draw = this.#draw
    const operation = this.#open('run', caller)
    const { id } = operation
    const answerBytes = this.#bytes()
    const task = {
      id,
      how: !this.calm && draw.chance(0.1) ? ('throw' as const) : ('answer' as const),
      sleepMs: draw.chance(0.5) ? 0 : draw.magnitude(1, this.calm ? 20 : 2_000),
      answerBytes,
      body: bodyOf(id, 0, this.#bytes()),
    }
    caller.openCalls += 1
    const done = (): void => {
      caller.openCalls -= 1
    }
    const isRight = (piece: Piece): boolean =>
      task.how === 'answer' && piece.id === id && isBodyOf(piece.body, id, 1, answerBytes)
    const options = { ...this.#options(site, operation), ...(draw.chance(0.1) ? { metadata: { id: String(id) } } : {}) }
    this.#follow(site, caller, operation, caller.work.run(task, options), isRight, onRefused, done)
  }

  feed(site: Site, caller: Caller, onRefused?: () => void): void {
    const draw = this.#draw
    const operation = this.#open('feed', caller)
    const { id } = operation
    const [count, bytes] = [draw.between(0, 12), this.#bytes()]
    const enough = !this.calm && draw.chance(0.2) ? draw.between(0, count) : -1
    const order = { id, count, bytes, paceMs: draw.chance(0.3) ? draw.magnitude(1, 50) : 0 }
    const paceMs = draw.chance(0.3) ? draw.magnitude(1, NAP_MS) : 0
    operation.readMs = count * paceMs
    const play = async (): Promise<number> => {
      let at = 0
      for await (const piece of caller.work.feed(order, this.#options(site, operation))) {
        if (piece.id !== id || piece.at !== at || !isBodyOf(piece.body, id, at, bytes))
          this.#book.violate('stream order', `message ${at} of stream ${id} was expected, ${piece.at} came`)
        if (at === enough) return -1
        at += 1
        if (paceMs > 0) await sleep(site.machine.clock, paceMs)
      }
      return at
    }
    this.#follow(site, caller, operation, play(), (seen) => seen === count || (seen === -1 && enough >= 0), onRefused)
  }

  gather(site: Site, caller: Caller, onRefused?: () => void): void {
    const operation = this.#open('gather', caller)
    const { id } = operation
    operation.expected = this.#draw.between(0, 12)
    const options = { ...this.#options(site, operation), metadata: { id: String(id) } }
    const answer = caller.work.gather(this.#pieces(site, operation), options)
    const isRight = (piece: Piece): boolean => piece.id === id && piece.at === operation.expected
    this.#follow(site, caller, operation, answer, isRight, onRefused)
  }

  talk(site: Site, caller: Caller, onRefused?: () => void): void {
    const operation = this.#open('talk', caller)
    const { id } = operation
    operation.expected = this.#draw.between(0, 12)
    const options = { ...this.#options(site, operation), metadata: { id: String(id) } }
    const play = async (): Promise<number> => {
      let at = 0
      for await (const piece of caller.work.talk(this.#pieces(site, operation), options)) {
        if (piece.id !== id || piece.at !== at)
          this.#book.violate('stream order', `message ${at} of stream ${id} was expected, ${piece.at} came`)
        at += 1
      }
      return at
    }
    this.#follow(site, caller, operation, play(), (seen) => seen === operation.expected, onRefused)
  }

  tell(site: Site, caller: Caller, onRefused?: () => void): void {
    const draw = this.#draw
    const lane = draw.of(LANES)
    const count = draw.chance(0.3) ? draw.between(2, 12) : 1
    // A batch waits in its source, one that is sent by itself in the queue: between the two there is no order.
    const row = count > 1 ? `${lane} ${site.era} ${this.#book.operations.size}` : `${lane} ${site.era}`
    const from = { host: site.machine.host, era: site.era }
    const letters = Array.from({ length: count }, () => {
      const operation = this.#open('tell', caller)
      const at = (caller.letters.get(row) ?? 0) + 1
      caller.letters.set(row, at)
      const body = bodyOf(operation.id, 0, this.#bytes())
      return { operation, letter: { id: operation.id, sender: caller.number, ...from, row, at, body } }
    })
    const sent: Promise<unknown> =
      letters.length > 1
        ? caller.client.sendBatch(
            'work.tell',
            letters.map(({ letter }) => letter),
            { priority: lane },
          )
        : Promise.all(letters.map(({ letter }) => caller.work.tell(letter, { priority: lane })))
    for (const { operation } of letters) {
      // A batch that failed may have gone in part: who sent it is not told which.
      this.#follow(site, caller, operation, letters.length > 1 ? sent.catch(asMaybe) : sent, () => true, onRefused)
    }
  }

  #demand(kind: OperationKind): Operation['demand'] {
    // Of a batch nobody knows how much was sent.
    if (this.draining) return kind === 'tell' ? 'nothing' : 'success or never'
    return this.calm ? 'success' : 'nothing'
  }

  #open(kind: Operation['kind'], caller: Caller): Operation {
    const timeoutMs = this.calm ? 30_000 : this.#draw.chance(0.3) ? 8_000 : this.#draw.magnitude(5, 3_000)
    const operation = this.#book.begin(kind, kind === 'tell' ? 30_000 : timeoutMs, this.#demand(kind))
    caller.open.add(operation)
    return operation
  }

  /** Awaits what was begun. */
  #follow<T>(
    site: Site,
    caller: Caller,
    operation: Operation,
    promise: Promise<T>,
    isRight: (value: T) => boolean,
    onRefused: () => void = () => {},
    done: () => void = () => {},
  ): void {
    const over = (): void => {
      caller.open.delete(operation)
      done()
    }
    // Who is frozen cannot be told. A message that waits for room in its queue has no deadline.
    const latest = ({ reason, origin }: TransportError): number => {
      if (operation.kind === 'tell') return Number.POSITIVE_INFINITY
      const dueAt = Math.max(operation.startedAt + operation.timeoutMs, site.machine.frozenUntil)
      // Our own deadline takes back what is not read; any other end waits behind it.
      const readMs = reason === 'deadline' && origin === 'local' ? 0 : operation.readMs
      return dueAt + SLACK_MS + readMs + (operation.kind === 'run' ? 0 : NAP_MS)
    }
    promise.then(
      (value) => {
        over()
        if (!isRight(value)) this.#book.violate('body equal', `${operation.kind} ${operation.id} got another answer`)
        this.#book.succeed(operation)
      },
      (error: unknown) => {
        over()
        this.#book.fail(operation, error as TransportError, latest(error as TransportError))
        if (this.calm) this.#judgeCrossing(operation, error as TransportError)
        if (operation.demand === 'success' && isCapacity(error as TransportError)) onRefused()
      },
    )
  }

  /** A call that crosses a GO_AWAY is refused by it. Of a stream some of the source may be spent: it is served. */
  #judgeCrossing({ kind, id }: Operation, { reason, origin }: TransportError): void {
    if (kind === 'run' || kind === 'tell' || reason !== 'going-away' || origin !== 'peer') return
    this.#book.violate('drain', `${kind} ${id} crossed a GO_AWAY and was refused`)
  }

  #options(site: Site, operation: Operation): { timeoutMs: number; priority?: Priority; signal?: AbortSignal } {
    const draw = this.#draw
    const { timeoutMs } = operation
    const options = { timeoutMs, ...(draw.chance(0.3) ? { priority: draw.of(LANES) } : {}) }
    if (this.calm || !draw.chance(0.2)) return options
    const abort = new AbortController()
    operation.cancelled = true
    site.machine.clock.setTimer(() => abort.abort(), draw.magnitude(1, 1_000))
    return { ...options, signal: abort.signal }
  }

  async *#pieces(site: Site, { id, expected }: Operation): AsyncGenerator<Piece> {
    for (let at = 0; at < expected; at += 1) {
      if (this.#draw.chance(0.1)) await sleep(site.machine.clock, this.#draw.magnitude(1, NAP_MS))
      yield { id, at, body: bodyOf(id, at, this.#bytes()) }
    }
  }

  #bytes(): number {
    const draw = this.#draw
    if (draw.chance(0.8)) return draw.between(0, 60)
    return draw.magnitude(60, this.#plan.largeBodies && draw.chance(0.2) ? 200_000 : 4_000)
  }
}

function asMaybe(error: unknown): never {
  if (!(error instanceof TransportError)) throw error
  const { code, origin, reason, message } = error
  throw new TransportError(message, { code, origin, processed: 'maybe', ...(reason === undefined ? {} : { reason }) })
}
