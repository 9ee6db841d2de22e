type Source<T> = Iterable<T> | AsyncIterable<T>
type SourceIterator<T> = Iterator<T> | AsyncIterator<T>

/** A stream of Node's, or what is told in the same way that nobody reads it any more. */
interface Destroyable {
  destroy(): unknown
  on?(event: 'error', listener: () => void): unknown
}

const ignore = (): void => {}

/** Tells a source that nobody wants more of it. Nobody is there either who could be told what it says to that. */
export function leave<T>(iterator: SourceIterator<T>): void {
  void quietly(() => iterator.return?.())
}

/**
 * The same for a source that owes something. The iterator of a stream of Node's is a generator, whose `return` waits for
 * what is owed: the stream itself is told as well. Resolves when the `return` was answered, in whichever way.
 */
export function abandon<T>(source: Source<T>, iterator: SourceIterator<T>): Promise<void> {
  const answered = quietly(() => iterator.return?.())
  void quietly(() => isDestroyable(source) && destroy(source))
  return answered
}

/** The same for one that was never asked for anything. A generator closes nothing before it has begun. */
export function forsake(source: Source<unknown>): void {
  void quietly(() => (isDestroyable(source) ? destroy(source) : iteratorOf(source).return?.()))
}

export function iteratorOf<T>(source: Source<T>): SourceIterator<T> {
  return isAsync(source) ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
}

/** Also of a string, which is a source of letters and no object. */
export function isAsync<T>(source: Source<T>): source is AsyncIterable<T> {
  return Symbol.asyncIterator in Object(source)
}

function destroy(source: Destroyable): unknown {
  // What it fails with when nobody listens would end the process.
  void quietly(() => source.on?.('error', ignore))
  return source.destroy()
}

function isDestroyable(source: unknown): source is Destroyable {
  return typeof (source as Partial<Destroyable>).destroy === 'function'
}

async function quietly(tell: () => unknown): Promise<void> {
  try {
    await tell()
  } catch {
    // For nobody.
  }
}
