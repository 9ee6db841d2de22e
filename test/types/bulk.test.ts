import { expectTypeOf, it } from 'vitest'
import { type MapOptions, mapOrdered, type OrderOptions, type RunOptions, WorkerPool } from '../../src/bulk.js'

it('mapOrdered infers items from the source and results from the work', () => {
  const results = mapOrdered([1, 2], async (item, index, signal) => `${item + index}${signal.aborted}`, {
    concurrency: 2,
  })
  expectTypeOf(results).toEqualTypeOf<AsyncGenerator<string, void, undefined>>()
  expectTypeOf(mapOrdered(new Set(['a']), (item) => item.length, { concurrency: 1 })).toEqualTypeOf<
    AsyncGenerator<number, void, undefined>
  >()
  expectTypeOf(mapOrdered<number, string>)
    .parameter(0)
    .toEqualTypeOf<Iterable<number> | AsyncIterable<number>>()
})

it('a pool takes and gives what it is declared for', () => {
  const pool = new WorkerPool<Uint8Array, string>({ filename: '/x.js', workers: 2 })
  expectTypeOf(pool.run).parameter(0).toEqualTypeOf<Uint8Array>()
  expectTypeOf(pool.run).returns.toEqualTypeOf<Promise<string>>()
  expectTypeOf(pool.map([])).toEqualTypeOf<AsyncGenerator<string, void, undefined>>()
  expectTypeOf<WorkerPool>().toEqualTypeOf<WorkerPool<unknown, unknown>>()
})

export const right: readonly [OrderOptions, RunOptions, MapOptions] = [
  { concurrency: 1, maxBuffered: 2, signal: new AbortController().signal },
  { name: 'x', signal: new AbortController().signal, transfer: [new ArrayBuffer(1)] },
  { concurrency: 1 },
]

export function wrongUse(pool: WorkerPool<Uint8Array, string>): void {
  // @ts-expect-error: concurrency has no default
  mapOrdered([1], (item) => item, {})
  // @ts-expect-error: no such option
  mapOrdered([1], (item) => item, { concurrency: 1, buffered: 1 })
  // @ts-expect-error: not iterable
  mapOrdered(5, (item) => item, { concurrency: 1 })
  // @ts-expect-error: the module has no default
  new WorkerPool({ workers: 2 })
  // @ts-expect-error: no such option
  new WorkerPool({ filename: '/x.js', threads: 2 })
  // @ts-expect-error: a payload of another type
  void pool.run('text')
  // @ts-expect-error: payloads of another type
  pool.map(['text'])
}
