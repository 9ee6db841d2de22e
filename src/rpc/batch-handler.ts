import type { ServerCall } from './server-call.js'

/** A handler of one-way messages that takes many at once. Make it with `onBatch`. */
export class BatchHandler<Message> {
  readonly handle: (messages: Message[], call: ServerCall) => void | PromiseLike<void>

  constructor(handle: (messages: Message[], call: ServerCall) => void | PromiseLike<void>) {
    this.handle = handle
  }
}

/**
 * Has a handler take the messages that are there at once, in order, instead of one by one. It never waits for more: a
 * single message comes as an array of one. Messages with metadata come alone.
 */
export function onBatch<Message>(
  handle: (messages: Message[], call: ServerCall) => void | PromiseLike<void>,
): BatchHandler<Message> {
  return new BatchHandler(handle)
}
