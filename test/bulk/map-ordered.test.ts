import { getEventListeners } from 'node:events'
import { Readable } from 'node:stream'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { mapOrdered } from '../../src/bulk/map-ordered.js'
import { type Deferred, deferred } from '../fixtures/deferred.js'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

async function collect<R>(results: AsyncIterable<R>): Promise<R[]> {
  const all: R[] = []
  for await (const result of results) all.push(result)
  return all
}

/** Works that are settled by hand, and what was seen of them. */
class Bench {
  readonly begun: number[] = []
  readonly aborted: number[] = []
  readonly open = new Map<number, Deferred<string>>()
  most = 0

  readonly work = (item: number, _index: number, signal: AbortSignal): Promise<string> => {
    const result = deferred<string>()
    this.begun.push(item)
    this.open.set(item, result)
    this.most = Math.max(this.most, this.open.size)
    signal.addEventListener('abort', () => this.aborted.push(item))
    return result.promise
  }

  async finish(item: number): Promise<void> {
    this.open.get(item)?.resolve(`<${item}>`)
    this.open.delete(item)
    await turn()
  }

  async fail(item: number, error: Error): Promise<void> {
    this.open.get(item)?.reject(error)
    this.open.delete(item)
    await turn()
  }
}

/** A source that tells how far it was pulled and whether it was returned. */
function counted(length: number): Iterable<number> & { pulled: number; returned: number } {
  const source = {
    pulled: 0,
    returned: 0,
    [Symbol.iterator]: (): Iterator<number> => ({
      next: () => (source.pulled < length ? { done: false, value: source.pulled++ } : { done: true, value: undefined }),
      return: () => {
        source.returned += 1
        return { done: true, value: undefined }
      },
    }),
  }
  return source
}

const unhandled: unknown[] = []
const remember = (error: unknown): unknown => unhandled.push(error)

beforeEach(() => {
  unhandled.length = 0
  process.on('unhandledRejection', remember)
})

afterEach(async () => {
  await turn()
  process.off('unhandledRejection', remember)
  expect(unhandled).toEqual([])
})

describe('the order', () => {
  it('is that of the source, whatever finishes first', async () => {
    const bench = new Bench()
    const results = collect(mapOrdered([0, 1, 2], bench.work, { concurrency: 3 }))
    await turn()
    for (const item of [2, 0, 1]) await bench.finish(item)
    expect(await results).toEqual(['<0>', '<1>', '<2>'])
  })

  it('is that of the source also for sources that take their time, and works that are no promises', async () => {
    async function* slow(): AsyncGenerator<number> {
      for (let item = 0; item < 5; item += 1) {
        await turn()
        yield item
      }
    }
    expect(await collect(mapOrdered(slow(), (item, index) => item * 10 + index, { concurrency: 2 }))).toEqual([
      0, 11, 22, 33, 44,
    ])
  })

  it('holds under any timing, and so do the bounds, with errors at any place', async () => {
    const plan = fc.record({
      length: fc.nat(12),
      concurrency: fc.integer({ min: 1, max: 5 }),
      maxBuffered: fc.option(fc.integer({ min: 1, max: 5 }), { nil: undefined }),
      failing: fc.option(fc.nat(12), { nil: undefined }),
      sourceFailsAt: fc.option(fc.nat(12), { nil: undefined }),
      leaveAfter: fc.option(fc.nat(12), { nil: undefined }),
    })
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        plan,
        async (scheduler, { length, failing, sourceFailsAt, leaveAfter, ...bounds }) => {
          let underWay = 0
          let pulled = 0
          let finished = 0
          const broken: string[] = []
          const results: number[] = []
          let sourceOver = false
          async function* source(): AsyncGenerator<number> {
            try {
              for (let item = 0; item < length; item += 1) {
                await scheduler.schedule(Promise.resolve(), `pull ${item}`)
                if (item === sourceFailsAt) throw new Error(`source ${item}`)
                pulled += 1
                yield item
              }
            } finally {
              sourceOver = true
            }
          }
          const most = bounds.concurrency + (bounds.maxBuffered ?? bounds.concurrency) - 1
          const work = async (item: number): Promise<number> => {
            underWay += 1
            if (underWay > bounds.concurrency) broken.push(`${underWay} under way`)
            if (pulled - results.length > most) broken.push(`${pulled - results.length} between`)
            try {
              await scheduler.schedule(Promise.resolve(), `work ${item}`)
              if (item === failing) throw new Error(`work ${item}`)
              return item
            } finally {
              underWay -= 1
              finished += 1
            }
          }
          const reader = async (): Promise<string> => {
            try {
              for await (const result of mapOrdered(source(), work, bounds)) {
                results.push(result)
                if (results.length === leaveAfter) return 'left'
                await scheduler.schedule(Promise.resolve(), `read ${result}`)
              }
              return 'ended'
            } catch (error) {
              return (error as Error).message
            }
          }
          const reading = reader()
          const end = await scheduler.waitFor(reading)
          // The naive model: one item after the other.
          const expected: number[] = []
          let outcome = 'ended'
          for (let item = 0; item < length; item += 1) {
            if (item === sourceFailsAt || item === failing) {
              outcome = item === sourceFailsAt ? `source ${item}` : `work ${item}`
              break
            }
            expected.push(item)
            if (expected.length === leaveAfter) {
              outcome = 'left'
              break
            }
          }
          expect(broken).toEqual([])
          expect(results).toEqual(expected)
          expect(end).toBe(outcome)
          // Nothing goes on, and nothing begins any more, also when the source gives the item that it owed.
          expect(underWay).toBe(0)
          const before = finished
          await scheduler.waitAll()
          await turn()
          expect(sourceOver).toBe(true)
          expect(finished).toBe(before)
        },
      ),
      { numRuns: 300 },
    )
  })
})

describe('the bounds', () => {
  it('are as many works as asked for, and no item is pulled before there is room', async () => {
    const bench = new Bench()
    const source = counted(100)
    const results = mapOrdered(source, bench.work, { concurrency: 3 })
    expect(source.pulled).toBe(0)
    const first = results.next()
    await turn()
    expect([source.pulled, bench.open.size]).toEqual([3, 3])
    await bench.finish(0)
    expect((await first).value).toBe('<0>')
    expect([source.pulled, bench.open.size]).toEqual([4, 3])
    const left = results.return()
    for (const item of bench.open.keys()) await bench.finish(item)
    await left
  })

  it('stop the source when as many results wait as may, and let it go on when one was taken', async () => {
    const bench = new Bench()
    const source = counted(100)
    const results = mapOrdered(source, bench.work, { concurrency: 2, maxBuffered: 3 })
    const first = results.next()
    await turn()
    for (const item of [1, 2, 3]) await bench.finish(item)
    // Item 0 is under way and three results wait for it: there is a free place, and nothing begins.
    expect([...bench.open.keys()]).toEqual([0])
    expect(source.pulled).toBe(4)
    await bench.finish(0)
    expect((await first).value).toBe('<0>')
    await results.next()
    await turn()
    expect(source.pulled).toBe(6)
    const left = results.return()
    for (const item of bench.open.keys()) await bench.finish(item)
    await left
    expect(bench.most).toBe(2)
  })

  it('are options: unknown names, wrong types and what is out of range are told by name, at once', () => {
    const wrong: [unknown, string, string][] = [
      [{}, 'option-type', 'concurrency'],
      [{ concurrency: 0 }, 'option-range', 'concurrency'],
      [{ concurrency: '2' }, 'option-type', 'concurrency'],
      [{ concurrency: 1, maxBuffered: 0 }, 'option-range', 'maxBuffered'],
      [{ concurrency: 1, maxBufferd: 1 }, 'option-unknown', 'maxBufferd'],
      [{ concurrency: 1, signal: {} }, 'option-type', 'signal'],
    ]
    for (const [options, reason, option] of wrong) {
      expect(() => mapOrdered([], () => 0, options as { concurrency: number })).toThrow(
        expect.objectContaining({ reason, details: expect.objectContaining({ option }) }),
      )
    }
    expect(() => mapOrdered(5 as unknown as [], () => 0, { concurrency: 1 })).toThrow('source must be iterable')
    expect(() => mapOrdered([], 5 as unknown as () => 0, { concurrency: 1 })).toThrow('work must be a function')
  })
})

describe('an error', () => {
  it('of a work comes after the results before it; the rest is aborted, awaited, and the source returned', async () => {
    const bench = new Bench()
    const source = counted(100)
    const results = mapOrdered(source, bench.work, { concurrency: 3, maxBuffered: 10 })
    const first = results.next()
    await turn()
    await bench.fail(1, new Error('one'))
    // Known, and not yet its turn: nobody is aborted, nothing more is pulled.
    expect([bench.aborted, source.pulled]).toEqual([[], 3])
    await bench.finish(0)
    expect((await first).value).toBe('<0>')
    let settled = false
    const second = results.next().catch((error: Error) => {
      settled = true
      return error
    })
    await turn()
    expect(bench.aborted).toContain(2)
    expect([settled, source.returned]).toEqual([false, 0])
    await bench.fail(2, new Error('two, after it was aborted'))
    expect(await second).toEqual(new Error('one'))
    expect(source.returned).toBe(1)
    expect((await results.next()).done).toBe(true)
  })

  it('that a work throws at once is no different', async () => {
    const work = (item: number): number => {
      if (item === 1) throw new Error('at once')
      return item
    }
    const results = mapOrdered([0, 1, 2], work, { concurrency: 3 })
    expect((await results.next()).value).toBe(0)
    await expect(results.next()).rejects.toThrow('at once')
  })

  it('of the source comes after the results of its items, and a source that failed is not returned', async () => {
    const source = counted(2)
    const iterator = source[Symbol.iterator]()
    const failing = {
      [Symbol.iterator]: () => ({
        ...iterator,
        next: () => {
          if (source.pulled === 2) throw new Error('source')
          return iterator.next()
        },
      }),
    }
    const results = mapOrdered(failing, async (item: number) => item, { concurrency: 5 })
    expect([(await results.next()).value, (await results.next()).value]).toEqual([0, 1])
    await expect(results.next()).rejects.toThrow('source')
    expect(source.returned).toBe(0)
  })

  it("of the source's return is thrown, unless there is another one to throw", async () => {
    const source = {
      [Symbol.iterator]: (): Iterator<number> => ({
        next: () => ({ done: false, value: 1 }),
        return: () => {
          throw new Error('return')
        },
      }),
    }
    const left = mapOrdered(source, (item) => item, { concurrency: 1 })
    await left.next()
    await expect(left.return()).rejects.toThrow('return')
    const failed = mapOrdered(source, () => Promise.reject(new Error('work')), { concurrency: 1 })
    await expect(failed.next()).rejects.toThrow('work')
  })
})

describe('an error that is thrown into the run', () => {
  const bad = {
    [Symbol.iterator]: (): Iterator<number> => ({
      next: () => ({ done: false, value: 1 }),
      return: () => {
        throw new Error('return')
      },
    }),
  }

  it("is not replaced by one of the source's return", async () => {
    const results = mapOrdered(bad, (item) => item, { concurrency: 1 })
    await results.next()
    await expect(results.throw(new Error('thrown'))).rejects.toThrow('thrown')
  })

  it('does not wait for a result that was asked for before', async () => {
    const bench = new Bench()
    const source = counted(100)
    const results = mapOrdered(source, bench.work, { concurrency: 2 })
    const ends = Promise.allSettled([results.next(), results.throw(new Error('thrown'))])
    await turn()
    expect(bench.aborted).toEqual([0, 1])
    for (const item of [0, 1]) await bench.finish(item)
    expect(await ends).toEqual([
      { status: 'fulfilled', value: { done: true, value: undefined } },
      { status: 'rejected', reason: new Error('thrown') },
    ])
    expect([source.pulled, source.returned]).toEqual([2, 1])
  })
})

describe('leaving the loop early', () => {
  it('aborts what is under way, waits for it, and returns the source', async () => {
    const bench = new Bench()
    const source = counted(100)
    const reading = (async () => {
      for await (const result of mapOrdered(source, bench.work, { concurrency: 3 })) return result
      return ''
    })()
    await turn()
    await bench.finish(0)
    expect(bench.aborted).toEqual(expect.arrayContaining([1, 2, 3]))
    expect(source.returned).toBe(0)
    for (const item of [1, 2, 3]) await bench.finish(item)
    expect(await reading).toBe('<0>')
    expect([source.returned, source.pulled]).toEqual([1, 4])
  })

  it('wakes a source that waits for an item by returning it', async () => {
    let wake: (step: IteratorResult<number>) => void = () => {}
    const owed = new Promise<IteratorResult<number>>((resolve) => (wake = resolve))
    let asked = 0
    const source: AsyncIterable<number> = {
      [Symbol.asyncIterator]: () => ({
        next: () => (asked++ === 0 ? Promise.resolve({ done: false, value: 7 }) : owed),
        return: async () => {
          wake({ done: true, value: undefined })
          return { done: true, value: undefined }
        },
      }),
    }
    const results = mapOrdered(source, (item) => item, { concurrency: 4 })
    expect((await results.next()).value).toBe(7)
    await turn()
    expect(asked).toBe(2)
    let woken = false
    void owed.then(() => (woken = true))
    expect((await results.return()).done).toBe(true)
    await turn()
    expect(woken).toBe(true)
  })

  it('does not wait for a result that was asked for before', async () => {
    const bench = new Bench()
    const source = counted(100)
    const results = mapOrdered(source, bench.work, { concurrency: 2 })
    const ends = Promise.all([results.next(), results.return()])
    await turn()
    expect(bench.aborted).toEqual([0, 1])
    await bench.finish(0)
    await bench.fail(1, new Error('aborted'))
    const over = { done: true, value: undefined }
    expect(await ends).toEqual([over, over])
    expect([source.pulled, source.returned]).toEqual([2, 1])
  })

  it('aborts also what another run does that is its source', async () => {
    const bench = new Bench()
    const source = counted(100)
    const fetched = mapOrdered(source, bench.work, { concurrency: 2 })
    const results = mapOrdered(fetched, (item) => item, { concurrency: 2 })
    const first = results.next()
    await turn()
    await bench.finish(0)
    expect((await first).value).toBe('<0>')
    await turn()
    expect((await results.return()).done).toBe(true)
    expect(bench.aborted).toEqual(expect.arrayContaining([1, 2]))
    for (const item of [...bench.open.keys()]) await bench.finish(item)
    expect(source.returned).toBe(1)
  })

  it('before the first result opens nothing', async () => {
    const source = counted(3)
    const results = mapOrdered(source, (item) => item, { concurrency: 1 })
    await results.return()
    expect([source.pulled, source.returned]).toEqual([0, 0])
  })
})

describe('a source that waits for what never comes', () => {
  const never = new Promise<never>(() => {})
  type Answer = () => Promise<IteratorResult<number>>
  const heed: Answer = async () => ({ done: true, value: undefined })
  const answers: [string, Answer | null][] = [
    ['heeds its `return`', heed],
    ['never answers its `return`', () => never],
    ['rejects its `return`', () => Promise.reject(new Error('return'))],
    [
      'throws from its `return`',
      () => {
        throw new Error('return')
      },
    ],
    ['has no `return`', null],
  ]

  /** Gives one item and then what is owed. */
  function waiting(owed: Promise<IteratorResult<number>>, answer: Answer | null = heed) {
    const source = {
      asked: 0,
      returned: 0,
      [Symbol.asyncIterator]: (): AsyncIterator<number> => ({
        next: () => (source.asked++ === 0 ? Promise.resolve({ done: false, value: 7 }) : owed),
        ...(answer && {
          return: () => {
            source.returned += 1
            return answer()
          },
        }),
      }),
    }
    return source
  }

  async function* generator(): AsyncGenerator<number> {
    yield 7
    await never
  }

  /** What became of a run within a turn: how it ended, or that it has not. */
  async function within(run: Promise<unknown>): Promise<unknown> {
    let outcome: unknown = 'not ended'
    run.then(
      () => (outcome = 'ended'),
      (error: unknown) => (outcome = error),
    )
    await turn()
    return outcome
  }

  async function aborted(source: AsyncIterable<number>): Promise<unknown> {
    const controller = new AbortController()
    const { signal } = controller
    const run = collect(mapOrdered(source, (item) => item, { concurrency: 2, signal }))
    expect(await within(run)).toBe('not ended')
    controller.abort()
    const outcome = await within(run)
    expect(getEventListeners(signal, 'abort')).toEqual([])
    return outcome
  }

  function left(source: AsyncIterable<number>): Promise<unknown> {
    const run = async (): Promise<void> => {
      for await (const result of mapOrdered(source, (item) => item, { concurrency: 2 })) if (result === 7) break
    }
    return within(run())
  }

  function failed(source: AsyncIterable<number>): Promise<unknown> {
    return within(collect(mapOrdered(source, () => Promise.reject(new Error('work')), { concurrency: 2 })))
  }

  it('and is a generator holds up no abort, no `break` and no error', async () => {
    expect(await aborted(generator())).toMatchObject({ code: 'CANCELLED', processed: 'maybe' })
    expect(await left(generator())).toBe('ended')
    expect(await failed(generator())).toEqual(new Error('work'))
  })

  it.each(answers)('and %s is told once, and holds up no abort, no `break` and no error', async (_what, answer) => {
    const sources = [1, 2, 3].map(() => waiting(never, answer))
    const ends = [aborted, left, failed].map((end, index) => end(sources[index] ?? generator()))
    expect(await Promise.all(ends)).toEqual([
      expect.objectContaining({ code: 'CANCELLED' }),
      'ended',
      new Error('work'),
    ])
    const told = answer === null ? 0 : 1
    expect(sources.map(({ asked, returned }) => [asked, returned])).toEqual(Array(3).fill([2, told]))
  })

  it('and is a stream of Node is destroyed, and holds up no abort, no `break` and no error', async () => {
    const sources = [1, 2, 3].map(() => new Readable({ objectMode: true, read() {} }))
    for (const source of sources) source.push(7)
    const ends = [aborted, left, failed].map((end, index) => end(sources[index] ?? generator()))
    expect(await Promise.all(ends)).toEqual([
      expect.objectContaining({ code: 'CANCELLED' }),
      'ended',
      new Error('work'),
    ])
    expect(sources.map(({ destroyed }) => destroyed)).toEqual([true, true, true])
  })

  it('and fails when it is destroyed harms nobody', async () => {
    const source = new Readable({ objectMode: true, read() {}, destroy: (_, done) => done(new Error('of the source')) })
    source.push(7)
    expect(await left(source)).toBe('ended')
    await turn()
    expect(source.destroyed).toBe(true)
  })

  it('and at last has an item or an error is not heard any more', async () => {
    const item = deferred<IteratorResult<number>>()
    const error = deferred<IteratorResult<number>>()
    const begun: number[] = []
    for (const source of [waiting(item.promise), waiting(error.promise)]) {
      const results = mapOrdered(source, (one) => begun.push(one), { concurrency: 2 })
      await results.next()
      expect(await within(results.return())).toBe('ended')
    }
    item.resolve({ done: false, value: 8 })
    error.reject(new Error('late'))
    await turn()
    expect(begun).toEqual([7, 7])
  })

  it('is waited for by nobody, while one that owes nothing is awaited until it is clean', async () => {
    const clean = deferred<void>()
    async function* source(): AsyncGenerator<number> {
      try {
        for (let item = 0; ; item += 1) yield item
      } finally {
        await clean.promise
      }
    }
    const results = mapOrdered(source(), (item) => item, { concurrency: 1, maxBuffered: 1 })
    await results.next()
    // The place of the first result is filled again: the source has given all that it was asked for.
    await turn()
    const end = results.return()
    expect(await within(end)).toBe('not ended')
    clean.resolve()
    expect(await within(end)).toBe('ended')
  })
})

describe('a signal', () => {
  it('ends the run with CANCELLED, aborts what is under way and waits for it', async () => {
    const bench = new Bench()
    const source = counted(100)
    const controller = new AbortController()
    const results = mapOrdered(source, bench.work, { concurrency: 2, signal: controller.signal })
    const first = results.next().catch((error: unknown) => error)
    await turn()
    controller.abort('enough')
    await turn()
    expect(bench.aborted).toEqual([0, 1])
    await bench.finish(0)
    await bench.fail(1, new Error('aborted'))
    expect(await first).toMatchObject({ code: 'CANCELLED', reason: 'cancelled', processed: 'maybe', cause: 'enough' })
    expect(source.returned).toBe(1)
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  })

  it('is heeded also while the reader is busy with a result', async () => {
    const bench = new Bench()
    const controller = new AbortController()
    const results = mapOrdered([0, 1], bench.work, { concurrency: 2, signal: controller.signal })
    const first = results.next()
    await turn()
    await bench.finish(0)
    await first
    controller.abort()
    expect(bench.aborted).toContain(1)
    await bench.finish(1)
    await expect(results.next()).rejects.toMatchObject({ code: 'CANCELLED' })
  })

  it('that was aborted before opens nothing', async () => {
    const source = counted(3)
    const results = mapOrdered(source, (item) => item, { concurrency: 1, signal: AbortSignal.abort() })
    await expect(results.next()).rejects.toMatchObject({ code: 'CANCELLED', processed: 'no' })
    expect(source.pulled).toBe(0)
  })

  it('keeps no listener after a run that ended well', async () => {
    const { signal } = new AbortController()
    expect(await collect(mapOrdered('ab', (letter) => letter, { concurrency: 2, signal }))).toEqual(['a', 'b'])
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })
})
