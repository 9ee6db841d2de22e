import { describe, expect } from 'vitest'
import type { NameRecord } from '../../src/socket/resolve.js'
import { it, type NameStage, record } from './name-stage.js'

/** What one name of SRV records stands for, by rank. */
async function ranks(stage: NameStage, records: readonly NameRecord[], options = {}): Promise<Map<string, number>> {
  stage.names.answer = { records, ttlMs: null }
  const directory = stage.directory(['dns+tcp://_chain._tcp.example'], options)
  directory.wake()
  await stage.clock.settle()
  return new Map((stage.found.at(-1) ?? []).map(({ key, rank }) => [key, rank]))
}

describe('a list of addresses', () => {
  it.for([
    ['none', [], 'at least one'],
    ['one twice', ['tcp://a:1', 'tcp://b:1', 'tcp://a:1'], 'tcp://a:1'],
    ['one that cannot be read', ['tcp://a:1', 'udp://b:1'], 'udp://b:1'],
    ['one that is empty', ['tcp://a:1', ''], "''"],
    ['a name without a name', ['dns+tcp://:1'], 'dns+tcp://:1'],
  ] as const)('with %s is refused, with what is wrong', ([, addresses, named], { stage }) => {
    expect(() => stage.directory(addresses)).toThrow(
      expect.objectContaining({ reason: 'address-malformed', message: expect.stringContaining(named) }),
    )
  })

  it('with what is no string is refused', ({ stage }) => {
    expect(() => stage.directory(['tcp://a:1', 7 as never])).toThrow(expect.objectContaining({ reason: 'option-type' }))
  })

  it('is known at once where it is of addresses only, and asks nobody', async ({ stage }) => {
    const directory = stage.directory(['tcp://a:1', 'unix:/b'])
    directory.start()
    directory.wake()
    await stage.clock.advanceAsync(100_000)
    expect([stage.last, stage.names.queries]).toEqual([['tcp://a:1', 'unix:/b'], []])
  })

  it('may mix addresses and names: what is in it twice is used once', async ({ stage }) => {
    stage.names.hosts('10.0.0.1', '10.0.0.2')
    const directory = stage.directory(['tcp://10.0.0.1:7000', 'dns+tcp://a.example:7000', 'dns+tcp://b.example:7000'])
    directory.start()
    expect(stage.last).toEqual(['tcp://10.0.0.1:7000'])
    directory.wake()
    await stage.clock.settle()
    expect(stage.last).toEqual(['tcp://10.0.0.1:7000', 'tcp://10.0.0.2:7000'])
    expect(stage.names.queries.map(({ name }) => name)).toEqual(['a.example', 'b.example'])
  })

  it('tells of a failure when no other name is still being looked up', async ({ stage }) => {
    stage.names.answer = null
    const directory = stage.directory(['dns+tcp://a.example:7000', 'dns+tcp://b.example:7000'])
    directory.wake()
    stage.names.open[0]?.reject(new Error('no'))
    await stage.clock.settle()
    expect(stage.failures).toEqual([])
    stage.names.open[1]?.reject(new Error('no'))
    await stage.clock.settle()
    expect(stage.failures).toHaveLength(1)
  })
})

describe('SRV records', () => {
  it('bring their ports, and the lowest priority comes first, whatever its number', async ({ stage }) => {
    const found = await ranks(stage, [
      record('b.example', { port: 7_002, priority: 20 }),
      record('a.example', { port: 7_001, priority: 10 }),
      record('a.example', { port: 7_003, priority: 10 }),
    ])
    expect(stage.names.queries).toEqual([{ name: '_chain._tcp.example', records: 'service' }])
    const [first, second] = [found.get('tcp://a.example:7001'), found.get('tcp://b.example:7002')] as [number, number]
    expect(found.get('tcp://a.example:7003')).toBe(first)
    expect([first, second > first]).toEqual([0, true])
  })

  it('of more endpoints than pool.maxEndpoints are drawn by weight, counted, and the rest stand by', async ({
    stage,
  }) => {
    const records = Array.from({ length: 20 }, (_, index) =>
      record(`h${index}`, { port: 1, weight: index < 10 ? 100 : 1 }),
    )
    const found = await ranks(stage, records, { maxEndpoints: 5 })
    const inRank = (rank: number): string[] => [...found].filter(([, of]) => of === rank).map(([key]) => key)
    expect([0, 1, 2, 3].map((rank) => inRank(rank).length)).toEqual([5, 5, 5, 5])
    expect(inRank(0).filter((key) => Number(/h(\d+)/.exec(key)?.[1]) < 10).length).toBeGreaterThanOrEqual(4)
    expect(stage.counters.endpointsLeftOut).toBe(15)
    // Who was drawn once stays, so that connections do.
    const before = inRank(0).sort()
    await stage.clock.advanceAsync(100_000)
    const after = (stage.found.at(-1) ?? []).filter(({ rank }) => rank === 0).map(({ key }) => key)
    expect([stage.found.length > 2, after.sort()]).toEqual([true, before])
  })

  it('as many as pool.maxEndpoints are all used', async ({ stage }) => {
    const records = Array.from({ length: 5 }, (_, index) => record(`h${index}`, { port: 1 }))
    expect([...(await ranks(stage, records, { maxEndpoints: 5 })).values()]).toEqual([0, 0, 0, 0, 0])
    expect(stage.counters.endpointsLeftOut).toBe(0)
  })
})
