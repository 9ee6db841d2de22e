import { getEventListeners } from 'node:events'
import { afterEach, describe, expect, it } from 'vitest'
import { WorkerPool, type WorkerPoolOptions } from '../../src/bulk.js'

const filename = new URL('../fixtures/bulk-work.mjs', import.meta.url)

/** What the default work of the fixture gives. */
interface Echo {
  readonly payload: unknown
  readonly threadId: number
}

const pools: WorkerPool<unknown, Echo>[] = []

function poolOf(options: Partial<WorkerPoolOptions> = {}): WorkerPool<unknown, Echo> {
  const pool = new WorkerPool<unknown, Echo>({ filename, workers: 2, ...options })
  pools.push(pool)
  return pool
}

afterEach(async () => {
  for (const pool of pools.splice(0)) {
    await pool.close()
    expect(pool.info()).toEqual({ threads: 0, underWay: 0, waiting: 0 })
  }
})

/** Holds as many works as come to it until it is opened. */
class Gate {
  readonly words = new Int32Array(new SharedArrayBuffer(8))

  payload(result: unknown): unknown {
    return { gate: this.words, result }
  }

  async begun(count: number): Promise<void> {
    while (Atomics.load(this.words, 0) < count) await new Promise((resolve) => setImmediate(resolve))
  }

  open(): void {
    Atomics.store(this.words, 1, 1)
    Atomics.notify(this.words, 1)
  }
}

describe('a pool of workers', () => {
  it('runs the exports of a module in threads', async () => {
    const pool = poolOf()
    expect((await pool.run('a')).threadId).toBeGreaterThan(0)
    expect(await pool.run([1, 2, 3], { name: 'sum' })).toBe(6)
    expect(await pool.run(new Uint8Array([1, 2]), { name: 'reverse' })).toEqual(new Uint8Array([2, 1]))
  })

  it('starts no thread before the first payload, and no more than `workers` ever', async () => {
    const gate = new Gate()
    const pool = poolOf()
    expect(pool.info()).toEqual({ threads: 0, underWay: 0, waiting: 0 })
    const results = Promise.all([1, 2, 3].map((result) => pool.run(gate.payload(result), { name: 'gated' })))
    await gate.begun(2)
    expect(pool.info()).toEqual({ threads: 2, underWay: 2, waiting: 1 })
    gate.open()
    expect(await results).toEqual([1, 2, 3])
    expect(pool.info()).toEqual({ threads: 2, underWay: 0, waiting: 0 })
  })

  it('moves what is to be transferred', async () => {
    const bytes = new Uint8Array([1, 2, 3])
    const result = await poolOf().run(bytes, { name: 'reverse', transfer: [bytes.buffer] })
    expect(bytes.length).toBe(0)
    expect(result).toEqual(new Uint8Array([3, 2, 1]))
  })

  it('ends threads that had nothing to do for `idleTimeoutMs`, and starts others', async () => {
    const pool = poolOf({ idleTimeoutMs: 1 })
    const { threadId } = await pool.run('a')
    // As long as it takes: only that it happens is judged.
    while (pool.info().threads > 0) await new Promise((resolve) => setTimeout(resolve, 1))
    expect((await pool.run('b')).threadId).not.toBe(threadId)
  })
})

describe('a full queue', () => {
  it('fails with RESOURCE_EXHAUSTED, and what waits is done in its order', async () => {
    const gate = new Gate()
    const pool = poolOf({ workers: 1, maxQueued: 2 })
    const order: number[] = []
    const run = (result: number): Promise<unknown> =>
      pool.run(gate.payload(result), { name: 'gated' }).then(() => order.push(result))
    const taken = [run(1), run(2), run(3)]
    await expect(run(4)).rejects.toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      reason: 'queue-full',
      processed: 'no',
      retryable: true,
    })
    gate.open()
    await Promise.all(taken)
    expect(order).toEqual([1, 2, 3])
  })

  it('is full at once with room for nobody', async () => {
    const gate = new Gate()
    const pool = poolOf({ workers: 1, maxQueued: 0 })
    const first = pool.run(gate.payload(1), { name: 'gated' })
    await expect(pool.run(2)).rejects.toMatchObject({ reason: 'queue-full' })
    gate.open()
    expect(await first).toBe(1)
    expect((await pool.run(2)).payload).toBe(2)
  })

  it('counts nobody who was told, though the thread has yet to end, and everybody who waits for that', async () => {
    const gate = new Gate()
    const pool = poolOf({ workers: 1, maxQueued: 0 })
    const controller = new AbortController()
    const aborted = pool.run(gate.payload(1), { name: 'gated', signal: controller.signal })
    const told = expect(aborted).rejects.toMatchObject({ code: 'CANCELLED' })
    await gate.begun(1)
    controller.abort()
    const next = pool.run('next')
    expect(pool.info()).toMatchObject({ threads: 1, waiting: 1 })
    await expect(pool.run('over')).rejects.toMatchObject({ reason: 'queue-full', processed: 'no' })
    await told
    expect((await next).payload).toBe('next')
    expect(pool.info()).toEqual({ threads: 1, underWay: 0, waiting: 0 })
  })
})

describe('a failure', () => {
  it('of the work is its own error', async () => {
    const pool = poolOf()
    const error = await pool.run('no good', { name: 'fail' }).catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(TypeError)
    expect(error).toMatchObject({ message: 'no good' })
  })

  it('to find the export, or the module, fails the payload and not the pool', async () => {
    await expect(poolOf().run(1, { name: 'nothing' })).rejects.toThrow('No handler function')
    const absent = poolOf({ filename: new URL('absent.mjs', filename) })
    for (let time = 0; time < 3; time += 1) await expect(absent.run(1)).rejects.toThrow('absent.mjs')
  })

  it('to clone the payload is told as encode-failed', async () => {
    const pool = poolOf()
    await expect(pool.run(() => 1)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', reason: 'encode-failed' })
    expect((await pool.run(1)).payload).toBe(1)
  })

  it.each([
    ['throws where nobody catches', 'crash', 'boom', /boom/],
    ['exits', 'exit', 3, /exited with code: 3/],
    ['gives what cannot be cloned', 'unclonable', null, /./],
  ])('of a thread that %s is worker-crashed, and the pool is whole again', async (_what, name, payload, cause) => {
    const pool = poolOf({ workers: 1 })
    const results = [pool.run('before'), pool.run(payload, { name }), pool.run('after')]
    const [before, crashed, after] = await Promise.allSettled(results)
    expect(before).toMatchObject({ status: 'fulfilled', value: { payload: 'before' } })
    expect(crashed).toMatchObject({
      reason: { code: 'INTERNAL', reason: 'worker-crashed', origin: 'local', processed: 'maybe' },
    })
    expect(String((crashed as { reason: { cause: unknown } }).reason.cause)).toMatch(cause)
    expect(after).toMatchObject({ status: 'fulfilled', value: { payload: 'after' } })
  })

  it('of one thread leaves what the others do alone', async () => {
    const gate = new Gate()
    const pool = poolOf()
    const other = pool.run(gate.payload('well'), { name: 'gated' })
    await gate.begun(1)
    for (let time = 0; time < 3; time += 1) {
      await expect(pool.run('boom', { name: 'crash' })).rejects.toMatchObject({ reason: 'worker-crashed' })
    }
    gate.open()
    expect(await other).toBe('well')
  })

  it('after the answer is nobody else’s', async () => {
    const gate = new Gate()
    const pool = poolOf({ workers: 1 })
    expect(await pool.run(gate.payload('late'), { name: 'leftover' })).toBe(true)
    gate.open()
    while (pool.info().threads > 0) await new Promise((resolve) => setImmediate(resolve))
    expect((await pool.run(1)).payload).toBe(1)
  })
})

describe('a signal', () => {
  it('ends work under way, with its thread, and the next one begins when that is gone', async () => {
    const gate = new Gate()
    const pool = poolOf({ workers: 1 })
    const controller = new AbortController()
    const aborted = pool.run(gate.payload(1), { name: 'gated', signal: controller.signal })
    const next = pool.run('next')
    await gate.begun(1)
    controller.abort('enough')
    await expect(aborted).rejects.toMatchObject({ code: 'CANCELLED', processed: 'maybe', cause: 'enough' })
    expect(pool.info().threads).toBeLessThanOrEqual(1)
    expect((await next).payload).toBe('next')
    expect(pool.info().threads).toBe(1)
  })

  it('takes what waits out of the queue, proven not to have run', async () => {
    const gate = new Gate()
    const pool = poolOf({ workers: 1 })
    const controller = new AbortController()
    const first = pool.run(gate.payload(1), { name: 'gated', signal: new AbortController().signal })
    const waiting = pool.run('waiting', { signal: controller.signal })
    const behind = pool.run('behind')
    controller.abort()
    await expect(waiting).rejects.toMatchObject({ code: 'CANCELLED', processed: 'no' })
    expect(pool.info().waiting).toBe(1)
    gate.open()
    expect(await first).toBe(1)
    expect((await behind).payload).toBe('behind')
  })

  it('that was aborted before runs nothing, and one that was not keeps no listener', async () => {
    const pool = poolOf()
    await expect(pool.run(1, { signal: AbortSignal.abort() })).rejects.toMatchObject({ processed: 'no' })
    expect(pool.info().threads).toBe(0)
    const { signal } = new AbortController()
    await pool.run(1, { signal })
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })

  it('aborted again and again leaves the pool whole', async () => {
    const pool = poolOf()
    const gate = new Gate()
    for (let time = 1; time <= 10; time += 1) {
      const controller = new AbortController()
      const works = [1, 2, 3].map((result) =>
        pool.run(gate.payload(result), { name: 'gated', signal: controller.signal }).catch(({ code }) => code),
      )
      await gate.begun(time * 2)
      controller.abort()
      expect(await Promise.all(works)).toEqual(['CANCELLED', 'CANCELLED', 'CANCELLED'])
      expect(pool.info().threads).toBeLessThanOrEqual(2)
    }
    expect((await pool.run('well')).payload).toBe('well')
  })
})

describe('map', () => {
  it('gives the results in the order of the payloads', async () => {
    const pool = poolOf()
    const sums: unknown[] = []
    const payloads = Array.from({ length: 50 }, (_, index) => Array.from({ length: 100 * (index % 7) }, () => index))
    for await (const sum of pool.map(payloads, { name: 'sum' })) sums.push(sum)
    expect(sums).toEqual(payloads.map((numbers) => numbers.reduce((all, one) => all + one, 0)))
  })

  it('has as many under way as there are workers, or as it is told', async () => {
    const gate = new Gate()
    const pool = poolOf()
    const payloads = [1, 2, 3, 4, 5].map((result) => gate.payload(result))
    const results = pool.map(payloads, { name: 'gated', concurrency: 4 })
    const first = results.next()
    await gate.begun(2)
    expect(pool.info()).toEqual({ threads: 2, underWay: 2, waiting: 2 })
    gate.open()
    expect((await first).value).toBe(1)
    await results.return()
    expect(pool.info()).toMatchObject({ underWay: 0, waiting: 0 })
  })

  it('throws the error of a work at its place, and ends the others', async () => {
    const gate = new Gate()
    const pool = poolOf()
    async function* payloads(): AsyncGenerator<unknown> {
      yield undefined
      yield gate.payload(1)
    }
    // The first payload has no gate: its work throws. The second one blocks its thread for ever.
    const results = pool.map(payloads(), { name: 'gated' })
    await expect(results.next()).rejects.toThrow(TypeError)
    expect(pool.info()).toMatchObject({ underWay: 0, waiting: 0 })
  })
})

describe('a map in a pool with room for nobody', () => {
  async function mapped(pool: WorkerPool<unknown, Echo>): Promise<unknown[]> {
    const payloads: unknown[] = []
    for await (const { payload } of pool.map(['a', 'b', 'c'])) payloads.push(payload)
    return payloads
  }

  it('may follow one that was left, whose threads have yet to end', async () => {
    const gate = new Gate()
    const open = new Gate()
    open.open()
    const pool = poolOf({ maxQueued: 0 })
    const payloads = [open.payload('first'), gate.payload(1), gate.payload(2)]
    for await (const result of pool.map(payloads, { name: 'gated' })) {
      expect(result).toBe('first')
      break
    }
    expect(pool.info()).toMatchObject({ threads: 2, waiting: 0 })
    expect(await mapped(pool)).toEqual(['a', 'b', 'c'])
    expect(pool.info().threads).toBeLessThanOrEqual(2)
  })

  it('may follow one that failed', async () => {
    const gate = new Gate()
    const pool = poolOf({ maxQueued: 0 })
    // The first payload has no gate: its work throws, while the second one blocks its thread for ever.
    await expect(pool.map([undefined, gate.payload(1)], { name: 'gated' }).next()).rejects.toThrow(TypeError)
    expect(await mapped(pool)).toEqual(['a', 'b', 'c'])
  })

  it('may follow a thread that crashed', async () => {
    const pool = poolOf({ maxQueued: 0, workers: 1 })
    await expect(pool.run('boom', { name: 'crash' })).rejects.toMatchObject({ reason: 'worker-crashed' })
    expect(await mapped(pool)).toEqual(['a', 'b', 'c'])
  })
})

describe('close', () => {
  it('ends every thread and tells whoever waits', async () => {
    const gate = new Gate()
    const pool = poolOf({ workers: 1 })
    const works = Promise.allSettled([pool.run(gate.payload(1), { name: 'gated' }), pool.run(2)])
    await gate.begun(1)
    await Promise.all([pool.close(), pool.close()])
    expect(pool.info()).toEqual({ threads: 0, underWay: 0, waiting: 0 })
    expect(await works).toMatchObject([
      { reason: { code: 'UNAVAILABLE', reason: 'closed', processed: 'maybe' } },
      { reason: { code: 'UNAVAILABLE', reason: 'closed', processed: 'no' } },
    ])
    await expect(pool.run(3)).rejects.toMatchObject({ reason: 'closed', processed: 'no' })
  })

  it('waits also for threads that an abort has told to end', async () => {
    const gate = new Gate()
    const pool = poolOf()
    const controller = new AbortController()
    const aborted = pool.run(gate.payload(1), { name: 'gated', signal: controller.signal })
    await gate.begun(1)
    controller.abort()
    await expect(aborted).rejects.toMatchObject({ code: 'CANCELLED' })
    await pool.close()
    expect(pool.info().threads).toBe(0)
  })

  it('has nothing to wait for in a pool that never ran', async () => {
    const pool = poolOf()
    await pool.close()
    expect(pool.info()).toMatchObject({ threads: 0, underWay: 0 })
  })
})

describe('options', () => {
  it.each<[unknown, string, string]>([
    [{}, 'option-type', 'filename'],
    [{ filename: 5 }, 'option-type', 'filename'],
    [{ filename: 'relative.js' }, 'option-range', 'filename'],
    [{ filename: new URL('https://example.com/x.js') }, 'option-range', 'filename'],
    [{ filename, workers: 0 }, 'option-range', 'workers'],
    [{ filename, workers: '2' }, 'option-type', 'workers'],
    [{ filename, maxQueued: -1 }, 'option-range', 'maxQueued'],
    [{ filename, idleTimeoutMs: 1.5 }, 'option-type', 'idleTimeoutMs'],
    [{ filename, worker: 2 }, 'option-unknown', 'worker'],
  ])('of a pool that are wrong are told by name: %j', (options, reason, option) => {
    expect(() => new WorkerPool(options as WorkerPoolOptions)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', reason, details: expect.objectContaining({ option }) }),
    )
  })

  it.each<[object, string, string]>([
    [{ name: '' }, 'option-range', 'name'],
    [{ name: 5 }, 'option-type', 'name'],
    [{ signal: 5 }, 'option-type', 'signal'],
    [{ transfer: 5 }, 'option-type', 'transfer'],
    [{ nam: 'x' }, 'option-unknown', 'nam'],
  ])('of a run that are wrong reject by name: %j', async (options, reason, option) => {
    const told = { reason, details: expect.objectContaining({ option }) }
    await expect(poolOf().run(1, options)).rejects.toMatchObject(told)
  })

  it('of a map that are wrong throw at once', () => {
    expect(() => poolOf().map([], { concurrency: 0 })).toThrow(expect.objectContaining({ reason: 'option-range' }))
  })

  it('may name the module by URL, by its text and by its path', async () => {
    for (const one of [filename, filename.href, filename.pathname]) {
      expect((await poolOf({ filename: one }).run(1)).payload).toBe(1)
    }
  })
})
