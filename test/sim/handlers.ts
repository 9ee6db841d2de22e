import type { ServiceHandlers, ServiceOptions } from '../../src/index.js'
import type { Clock } from '../../src/testing.js'
import type { Book, OperationKind } from './book.js'
import { bodyOf, isBodyOf, type Letter, type Order, type Piece, type Task, type Work } from './contract.js'

export function sleep(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.setTimer(resolve, ms)
  })
}

/** How many handlers of each method run on one server, and how many may. */
class Running {
  readonly #counts = new Map<OperationKind, number>()
  readonly #most: number
  readonly #book: Book

  constructor(book: Book, most: number) {
    this.#book = book
    this.#most = most
  }

  begin(kind: OperationKind): void {
    const count = (this.#counts.get(kind) ?? 0) + 1
    this.#counts.set(kind, count)
    if (count > this.#most) this.#book.violate('caps', `${count} handlers of ${kind} run, ${this.#most} may`)
  }

  end(kind: OperationKind): void {
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) - 1)
  }
}

function checkPiece(book: Book, piece: Piece, id: number, at: number): void {
  if (piece.id !== id || piece.at !== at || !isBodyOf(piece.body, id, at, piece.body.length))
    book.violate('stream order', `message ${at} of stream ${id} was expected, ${piece.at} of ${piece.id} came`)
}

/** What every server of a run does, and notes in the book. */
export function handlersOf(book: Book, clock: Clock, most: number): ServiceHandlers<typeof Work> {
  const running = new Running(book, most)
  async function* feed({ id, count, bytes, paceMs }: Order): AsyncGenerator<Piece> {
    running.begin('feed')
    try {
      for (let at = 0; at < count; at += 1) {
        if (paceMs > 0) await sleep(clock, paceMs)
        yield { id, at, body: bodyOf(id, at, bytes) }
      }
    } finally {
      running.end('feed')
    }
  }
  const letters = new Letters(book)
  return {
    run: (task: Task) => {
      book.execute(task.id, 'run')
      if (!isBodyOf(task.body, task.id, 0, task.body.length)) book.violate('body equal', `call ${task.id} came spoilt`)
      if (task.sleepMs === 0 && task.how === 'answer') return answerOf(task)
      running.begin('run')
      return sleep(clock, task.sleepMs).then(() => {
        running.end('run')
        if (task.how === 'throw') throw new Error('as it was told to')
        return answerOf(task)
      })
    },
    feed: (order: Order) => {
      book.execute(order.id, 'feed')
      return feed(order)
    },
    gather: async (pieces, call) => {
      const id = Number(call.metadata['id'])
      book.execute(id, 'gather')
      running.begin('gather')
      let count = 0
      try {
        for await (const piece of pieces) {
          checkPiece(book, piece, id, count)
          count += 1
        }
        book.endStream(id, count)
        return { id, at: count, body: bodyOf(id, count, 8) }
      } finally {
        running.end('gather')
      }
    },
    talk: async function* (pieces, call) {
      const id = Number(call.metadata['id'])
      book.execute(id, 'talk')
      running.begin('talk')
      let count = 0
      try {
        for await (const piece of pieces) {
          checkPiece(book, piece, id, count)
          count += 1
          yield piece
        }
        book.endStream(id, count)
      } finally {
        running.end('talk')
      }
    },
    tell: (letter: Letter, { peer }) => {
      letters.take(letter, peer.address)
      return letter.id % 3 === 0 ? sleep(clock, 3) : undefined
    },
  }
}

function answerOf({ id, answerBytes }: Task): Piece {
  return { id, at: 1, body: bodyOf(id, 1, answerBytes) }
}

/** One-way messages as they come: none twice, and in order on each connection. */
class Letters {
  readonly #book: Book
  /** The last of each connection and row. */
  readonly #last = new Map<string, number>()

  constructor(book: Book) {
    this.#book = book
  }

  take({ id, sender, host, era, row, at, body }: Letter, address: string): void {
    this.#book.execute(id, 'tell')
    if (!isBodyOf(body, id, 0, body.length)) this.#book.violate('body equal', `message ${id} came spoilt`)
    const key = `${address} ${sender} ${row}`
    const last = this.#last.get(key) ?? 0
    // What waited for a connection that was lost meanwhile may come on another, behind what was sent later.
    const unmoved = this.#book.eras.get(host) === era || (era === 0 && !this.#book.eras.has(host))
    if (unmoved && at <= last) this.#book.violate('order', `message ${at} of ${key} came after ${last}`)
    this.#last.set(key, Math.max(at, last))
  }
}

export function handlerOptions(concurrency: number, maxQueued: number): ServiceOptions<typeof Work> {
  const options = { concurrency, maxQueued }
  return { run: options, feed: options, gather: options, talk: options, tell: { concurrency } }
}
