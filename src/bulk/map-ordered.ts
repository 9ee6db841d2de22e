import { failure, type Processed } from '../base/errors.js'
import { type OrderOptions, orderOptions } from './options.js'
import { OrderWindow, type Work } from './order-window.js'

/**
 * Works on the items of `source`, at most `concurrency` at once, and yields the results in the order of the items.
 *
 * The source is pulled while fewer than `concurrency` works are under way and fewer than `maxBuffered` results wait
 * for their turn, so that never more than `concurrency + maxBuffered - 1` items are between it and the reader. Nothing
 * begins before the first result is asked for.
 *
 * An error, of the source or of a work, is thrown at its place: after the results of the items before it. Then, and
 * also when the loop is left early, the works still under way are aborted and awaited, and the source is returned. So
 * when the loop has ended, no work of it goes on; a work that ignores its signal holds the end up. A source that still
 * owes an item is told, by its `return` and, where it has that as streams of Node's do, by its `destroy`; it is not
 * awaited: the item may never come. One that owes none is awaited, as `for await` does, so that what it cleans up is
 * clean.
 *
 * Throws at once for wrong options.
 */
export function mapOrdered<T, R>(
  source: Iterable<T> | AsyncIterable<T>,
  work: Work<T, R>,
  options: OrderOptions,
): AsyncGenerator<R, void, undefined> {
  const { concurrency, maxBuffered, signal } = orderOptions(options)
  if (typeof work !== 'function') throw failure('option-type', 'work must be a function')
  if (!isSource(source)) throw failure('option-type', 'source must be iterable')
  const left = new AbortController()
  const bounds = { concurrency, maxBuffered: maxBuffered ?? concurrency }
  const results = ordered(source, work, bounds, { signal, left: left.signal })
  // A generator hears `return` and `throw` only behind the result that it was asked for. Who leaves does not wait for
  // that one: this may be the source of a loop, or of a stream, that has ended and awaits nothing of it.
  const end = results.return.bind(results)
  const fail = results.throw.bind(results)
  results.return = (value) => {
    left.abort()
    return end(value)
  }
  results.throw = (error) => {
    left.abort()
    return fail(error)
  }
  return results
}

async function* ordered<T, R>(
  source: Iterable<T> | AsyncIterable<T>,
  work: Work<T, R>,
  bounds: { readonly concurrency: number; readonly maxBuffered: number },
  { signal, left }: { readonly signal: AbortSignal | undefined; readonly left: AbortSignal },
): AsyncGenerator<R, void, undefined> {
  if (signal?.aborted === true) throw cancelled(signal, 'no')
  const window = new OrderWindow(source, work, bounds)
  const cancel = (): void => window.cancel(cancelled(signal, 'maybe'))
  signal?.addEventListener('abort', cancel, { once: true })
  left.addEventListener('abort', () => window.leave(), { once: true })
  let failed = true
  try {
    for (;;) {
      const next = await window.next()
      if (next === null) break
      if (!next.ok) throw next.error
      // Left from here, whether by `break` or by an error of the loop's body, nothing has failed that we know of.
      failed = false
      yield next.value
      failed = true
    }
  } catch (error) {
    // Also one that the reader has thrown in here.
    failed = true
    throw error
  } finally {
    signal?.removeEventListener('abort', cancel)
    await window.end(failed)
  }
}

function cancelled(signal: AbortSignal | undefined, ran: Processed): Error {
  return failure('cancelled', 'the ordered run was cancelled', { processed: ran, cause: signal?.reason })
}

function isSource(value: unknown): boolean {
  if (typeof value === 'string') return true
  return typeof value === 'object' && value !== null && (Symbol.asyncIterator in value || Symbol.iterator in value)
}
