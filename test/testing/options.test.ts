import { describe, expect, test } from 'vitest'
import { PERFECT_LINK, Simulation, VirtualClock } from '../../src/testing.js'

/** What somebody writes whom no compiler stops. */
type Loose = never

describe('the conditions of a link', () => {
  const set = (conditions: unknown): void =>
    new Simulation({ seed: 1 }).network.link('here', 'there').set(conditions as Loose)

  test.each([
    [{ latency: 5 }, 'option-unknown', 'unknown option latency; did you mean latencyMs?'],
    [{ latencyMs: '5' }, 'option-type', 'option latencyMs must be a number, got a value of type string'],
    [{ latencyMs: -1 }, 'option-range', 'option latencyMs must be between 0'],
    [{ jitterMs: Number.NaN }, 'option-type', 'option jitterMs must be a number, got NaN'],
    [{ bufferBytes: 0 }, 'option-range', 'option bufferBytes must be between 1'],
    [{ bufferBytes: 1.5 }, 'option-type', 'option bufferBytes must be a whole number'],
    [{ splitChance: 7 }, 'option-range', 'option splitChance must be between 0 and 1, got 7'],
    [{ state: 'blackhole' }, 'option-range', "got 'blackhole'; did you mean black-hole?"],
    [{ dials: 'nope' }, 'option-range', "option dials must be one of 'accepted', 'refused', 'reset', got 'nope'"],
    [{ dialDelayMs: Number.POSITIVE_INFINITY }, 'option-range', 'option dialDelayMs must be between 0'],
    [null, 'option-type', 'must be an object'],
  ])('cannot be %o', (conditions, reason, message) => {
    expect(() => set(conditions)).toThrow(
      expect.objectContaining({ reason, message: expect.stringContaining(message) }),
    )
  })

  test('stay as they were where one of several is wrong, and where nothing is said of them', () => {
    const link = new Simulation({ seed: 1 }).network.link('here', 'there')
    link.set({ latencyMs: 5, splitChance: 0.5 })
    expect(() => link.set({ latencyMs: 6, splitChance: 2 })).toThrow('splitChance')
    link.set({ jitterMs: 1.5, latencyMs: undefined } as Loose)
    expect(link.conditions).toEqual({ ...PERFECT_LINK, latencyMs: 5, splitChance: 0.5, jitterMs: 1.5 })
  })
})

describe('options', () => {
  test.each([
    [{}, 'option-type', 'option seed must be a whole number, and has no default'],
    [undefined, 'option-type', 'option seed must be a whole number, and has no default'],
    [{ seed: 'abc' }, 'option-type', 'option seed must be a whole number'],
    [{ seed: 0.5 }, 'option-type', 'option seed must be a whole number, got 0.5'],
    [{ seed: -1 }, 'option-range', 'option seed must be between 0 and 4294967295'],
    [{ seed: 2 ** 32 }, 'option-range', 'option seed must be between 0 and 4294967295'],
    [{ seed: 1, ontrace: () => {} }, 'option-unknown', 'did you mean onTrace?'],
    [{ seed: 1, onTrace: true }, 'option-type', 'option onTrace must be a function'],
  ])('of a simulation cannot be %o', (options, reason, message) => {
    const expected = expect.objectContaining({ reason, message: expect.stringContaining(message) })
    expect(() => new Simulation(options as Loose)).toThrow(expected)
  })

  test.each([
    [{ forMS: 5 }, 'option-unknown', 'did you mean forMs?'],
    [{ forMs: '5' }, 'option-type', 'option forMs must be a number'],
    [{ forMs: -1 }, 'option-range', 'option forMs must be between 0'],
    [{ until: true }, 'option-type', 'option until must be a function'],
  ])('of a run cannot be %o', async (options, reason, message) => {
    const run = new Simulation({ seed: 1 }).run(options as Loose)
    await expect(run).rejects.toMatchObject({ reason, message: expect.stringContaining(message) })
  })

  test('of a crash and of a clock are judged as well', () => {
    const machine = new Simulation({ seed: 1 }).boot('here')
    expect(() => machine.crash({ silently: true } as Loose)).toThrow('unknown option silently; did you mean silent?')
    expect(machine.alive).toBe(true)
    expect(() => new VirtualClock({ turns: 'manuel' } as Loose)).toThrow('did you mean manual?')
    expect(() => new VirtualClock({ now: '5' } as Loose)).toThrow('option now must be a number')
  })
})
