import { describe, expect } from 'vitest'
import { it, type NameStage, record } from './name-stage.js'

const NAME = 'dns+tcp://nodes.example:7000'

/** One that has its first answer. */
async function answered(stage: NameStage, options = {}): Promise<{ wake: () => void }> {
  const directory = stage.directory([NAME], options)
  directory.wake()
  await stage.clock.settle()
  expect(stage.found).toHaveLength(1)
  return { wake: () => directory.wake() }
}

describe('a name', () => {
  it('is looked up when somebody needs it, once for all who do', async ({ stage }) => {
    stage.names.answer = null
    const directory = stage.directory([NAME])
    directory.start()
    await stage.clock.advanceAsync(1_000)
    expect(stage.names.queries).toEqual([])
    for (let woken = 0; woken < 100; woken += 1) directory.wake()
    expect(stage.names.queries).toEqual([{ name: 'nodes.example', records: 'address' }])
    stage.names.open[0]?.resolve({ records: [record('10.0.0.1'), record('::1')], ttlMs: null })
    await stage.clock.settle()
    expect(stage.last).toEqual(['tcp://10.0.0.1:7000', 'tcp://[::1]:7000'])
    expect(stage.counters.lookUpsStarted).toBe(1)
  })

  it('is looked up again after resolveMs, a tenth more or less, as long as its answer is used', async ({ stage }) => {
    await answered(stage, { resolveMs: 30_000 })
    await stage.clock.advanceAsync(400_000)
    const gaps = stage.names.times.slice(1).map((at, index) => at - (stage.names.times[index] ?? 0))
    expect(gaps.length).toBeGreaterThanOrEqual(12)
    for (const gap of gaps) {
      expect(gap).toBeGreaterThanOrEqual(27_000)
      expect(gap).toBeLessThanOrEqual(33_002)
    }
    expect(new Set(gaps).size).toBeGreaterThan(5)
    stage.inUse = false
    const before = stage.names.queries.length
    await stage.clock.advanceAsync(400_000)
    expect([stage.names.queries.length, stage.wheel.armed]).toEqual([before, 0])
  })

  it('is looked up at once by who comes back to it after a long time', async ({ stage }) => {
    const { wake } = await answered(stage)
    stage.inUse = false
    await stage.clock.advanceAsync(400_000)
    expect(stage.names.queries).toHaveLength(1)
    wake()
    expect(stage.names.queries).toHaveLength(2)
    await stage.clock.settle()
  })

  it.for([
    ['sooner where the name server says so', 5_000, 5_000],
    ['not sooner than resolveGapMs, whatever it says', 0, 1_000],
    ['not later, whatever it says', 3_600_000, 30_000],
  ] as const)('is looked up again %s', async ([, ttlMs, expected], { stage }) => {
    stage.names.answer = { records: [record('10.0.0.1')], ttlMs }
    await answered(stage, { resolveMs: 30_000, resolveGapMs: 1_000 })
    await stage.clock.advanceAsync(expected * 0.9 - 4)
    expect(stage.names.queries).toHaveLength(1)
    await stage.clock.advanceAsync(expected * 0.2 + 8)
    expect(stage.names.queries).toHaveLength(2)
  })

  it('is looked up soon after connections were lost, once for all of them, and not twice within resolveGapMs', async ({
    stage,
  }) => {
    const { wake } = await answered(stage, { resolveGapMs: 1_000 })
    await stage.clock.advanceAsync(10_000)
    const before = stage.names.queries.length
    for (let lost = 0; lost < 100; lost += 1) wake()
    await stage.clock.settle()
    expect(stage.names.queries).toHaveLength(before + 1)
    for (let ms = 0; ms < 10_000; ms += 10) {
      wake()
      await stage.clock.advanceAsync(10)
    }
    expect(stage.names.queries.length).toBeGreaterThanOrEqual(before + 9)
    expect(stage.names.queries.length).toBeLessThanOrEqual(before + 11)
  })
})

describe('a name server that fails', () => {
  it('leaves the last answer in force, and is asked again after longer and longer pauses', async ({ stage }) => {
    await answered(stage, { resolveMs: 10_000, resolveGapMs: 1_000 })
    stage.names.answer = new Error('no')
    await stage.clock.advanceAsync(60_000)
    expect(stage.last).toEqual(['tcp://10.0.0.1:7000'])
    expect(stage.found).toHaveLength(1)
    const [, ...times] = stage.names.times
    const gaps = times.slice(1).map((at, index) => at - (times[index] ?? 0))
    for (const [index, full] of [1_000, 2_000, 4_000, 8_000, 10_000].entries()) {
      expect(gaps[index]).toBeGreaterThanOrEqual(full * 0.9)
      expect(gaps[index]).toBeLessThanOrEqual(full * 1.1 + 4)
    }
    expect(stage.counters.failures['resolve-failed']).toBe(stage.failures.length)
    stage.names.hosts('10.0.0.2')
    await stage.clock.advanceAsync(12_000)
    expect(stage.last).toEqual(['tcp://10.0.0.2:7000'])
  })

  it('at first is asked as often as a dead endpoint is dialled, and its failure is told', async ({ stage }) => {
    stage.names.answer = new Error('no')
    const directory = stage.directory([NAME])
    for (let ms = 0; ms < 1_000; ms += 10) {
      directory.wake()
      await stage.clock.advanceAsync(10)
    }
    expect(stage.names.queries.length).toBeLessThanOrEqual(5)
    expect(stage.names.queries.length).toBeGreaterThanOrEqual(3)
    expect(stage.failures.every(({ reason }) => reason === 'resolve-failed')).toBe(true)
  })

  it('finds nothing: that is a failure, and no reason to leave what was found before', async ({ stage }) => {
    const { wake } = await answered(stage)
    await stage.clock.advanceAsync(2_000)
    stage.names.answer = { records: [], ttlMs: null }
    wake()
    await stage.clock.settle()
    expect([stage.found.length, stage.failures.map(({ reason }) => reason)]).toEqual([1, ['resolve-failed']])
  })

  it('never answers: who waits is told within connectTimeoutMs, and a late answer is none', async ({ stage }) => {
    stage.names.answer = null
    const directory = stage.directory([NAME])
    directory.wake()
    await stage.clock.advanceAsync(4_998)
    expect(stage.failures).toEqual([])
    await stage.clock.advanceAsync(4)
    expect(stage.failures.map(({ reason }) => reason)).toEqual(['connect-timeout'])
    expect(stage.counters.failures['connect-timeout']).toBe(1)
    expect(stage.names.signals[0]?.reason).toMatchObject({ reason: 'connect-timeout' })
    stage.names.open[0]?.resolve({ records: [record('10.0.0.9')], ttlMs: null })
    await stage.clock.settle()
    expect(stage.found).toEqual([])
    // Who comes in the pause has waited for it too.
    directory.wake()
    const from = stage.clock.now()
    await stage.clock.advanceAsync(10_000)
    expect((stage.failures[1]?.at ?? Number.NaN) - from).toBeLessThanOrEqual(5_002)
  })

  it('is slow: what it took is missing from the time for connecting', async ({ stage }) => {
    stage.names.answer = null
    const directory = stage.directory([NAME])
    directory.wake()
    await stage.clock.advanceAsync(3_000)
    stage.names.open[0]?.resolve({ records: [record('10.0.0.1')], ttlMs: null })
    await stage.clock.settle()
    expect(stage.found[0]?.map(({ spentMs }) => spentMs)).toEqual([3_000])
  })
})

describe('a directory that is closed', () => {
  it('gives its questions up, asks no more, and leaves no timer', async ({ stage }) => {
    stage.names.answer = null
    const directory = stage.directory([NAME])
    directory.wake()
    directory.close()
    expect(stage.names.signals[0]?.aborted).toBe(true)
    stage.names.open[0]?.resolve({ records: [record('10.0.0.1')], ttlMs: null })
    directory.wake()
    await stage.clock.advanceAsync(60_000)
    expect([stage.found, stage.failures, stage.names.queries.length, stage.wheel.armed]).toEqual([[], [], 1, 0])
  })
})
