import { clientStream, defineService, duplex, oneWay, serverStream, unary } from '../../src/index.js'

/** A call that says what is to become of it. */
export interface Task {
  readonly id: number
  /** How the handler ends, and after how long. */
  readonly how: 'answer' | 'throw'
  readonly sleepMs: number
  readonly answerBytes: number
  readonly body: Uint8Array
}

export interface Piece {
  readonly id: number
  /** Which of the messages of its stream it is. */
  readonly at: number
  readonly body: Uint8Array
}

/** A stream of answers that is asked for. */
export interface Order {
  readonly id: number
  readonly count: number
  readonly bytes: number
  readonly paceMs: number
}

export interface Letter {
  readonly id: number
  /** Which client sent it. */
  readonly sender: number
  readonly host: string
  /** Of the sender, when it sent it. */
  readonly era: number
  /** Among which messages there is an order: of one lane, while the sender lost and left no connection. */
  readonly row: string
  /** Which of its row. */
  readonly at: number
  readonly body: Uint8Array
}

export const Work = defineService('work', {
  run: unary<Task, Piece>(),
  feed: serverStream<Order, Piece>(),
  gather: clientStream<Piece, Piece>(),
  talk: duplex<Piece, Piece>(),
  tell: oneWay<Letter>(),
})

/** Bytes that tell which message they are of. */
export function bodyOf(id: number, at: number, bytes: number): Buffer {
  return Buffer.alloc(bytes, (id * 31 + at * 7 + 1) & 0xff)
}

export function isBodyOf(body: Uint8Array, id: number, at: number, bytes: number): boolean {
  return body.length === bytes && Buffer.compare(body, bodyOf(id, at, bytes)) === 0
}
