import { Readable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { abandon, forsake, iteratorOf, leave } from '../../src/base/source.js'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

const unheard: unknown[] = []
const note = (error: unknown): number => unheard.push(error)

beforeEach(() => {
  unheard.length = 0
  process.on('unhandledRejection', note)
  process.on('uncaughtException', note)
})

afterEach(async () => {
  await turn()
  process.off('unhandledRejection', note)
  process.off('uncaughtException', note)
  expect(unheard).toEqual([])
})

type Said = () => unknown

const said: Record<string, Said> = {
  nothing: () => undefined,
  'an error at once': () => {
    throw new Error('at once')
  },
  'an error later': () => Promise.reject(new Error('later')),
}

/** Counts what it is told, and answers each of it in the same way. */
function source(answer: Said) {
  const told: string[] = []
  const tell = (what: string) => (): never => {
    told.push(what)
    return answer() as never
  }
  const iterator = { next: (): IteratorResult<number> => ({ done: false, value: 1 }), return: tell('return') }
  return { told, [Symbol.iterator]: () => iterator, destroy: tell('destroy'), on: tell('on') }
}

describe('a source that nobody wants more of', () => {
  it.each(Object.entries(said))('is told, and may say what it likes to that: %s', async (_what, answer) => {
    const one = source(answer)
    leave(one[Symbol.iterator]())
    expect(one.told).toEqual(['return'])
    const { destroy: _, ...plain } = source(answer)
    await abandon(plain, iteratorOf(plain))
    forsake(plain)
    expect(plain.told).toEqual(['return', 'return'])
  })

  it.each(Object.entries(said))('is destroyed where it owes something or never began: %s', async (_what, answer) => {
    const owing = source(answer)
    await abandon(owing, iteratorOf(owing))
    expect(owing.told).toEqual(['return', 'on', 'destroy'])
    const unasked = source(answer)
    forsake(unasked)
    expect(unasked.told).toEqual(['on', 'destroy'])
  })

  it('need not have anything to be told by', async () => {
    const mute = { [Symbol.iterator]: () => ({ next: () => ({ done: true as const, value: undefined }) }) }
    leave(iteratorOf(mute))
    await abandon(mute, iteratorOf(mute))
    forsake(mute)
    forsake('letters')
    forsake([1, 2])
  })
})

describe('a generator that owes something', () => {
  it('answers when its own code is done, and not before', async () => {
    const heard: string[] = []
    const source = (async function* () {
      await turn()
      heard.push('its code')
      yield 1
    })()
    const owed = source.next()
    const answered = abandon(source, source).then(() => heard.push('its answer'))
    await Promise.all([owed, answered])
    expect(heard).toEqual(['its code', 'its answer'])
  })
})

describe('a stream of Node', () => {
  const failing = (): Readable =>
    new Readable({ objectMode: true, read() {}, destroy: (_, done) => done(new Error('of the stream')) })

  it('is closed while it owes something, and what it fails with harms nobody', async () => {
    const stream = failing()
    const iterator = iteratorOf<unknown>(stream)
    const owed = Promise.resolve(iterator.next()).catch((error: unknown) => error)
    await turn()
    const answered = abandon(stream, iterator)
    expect(stream.destroyed).toBe(true)
    expect(await owed).toBeInstanceOf(Error)
    await answered
  })

  it('is closed before anybody asked it for something, and what it fails with harms nobody', () => {
    const stream = failing()
    forsake(stream)
    expect(stream.destroyed).toBe(true)
  })
})
