import { describe, expect, it } from 'vitest'
import { LIMITS } from '../../src/connection/limits.js'
import { Client, Server, TransportError } from '../../src/index.js'
import { clientRules, closeRules, serverRules } from '../../src/rpc/options.js'

type Options = Record<string, unknown>

interface Owner {
  readonly name: string
  /** Everything with its default: the names of all groups and options come from here. */
  readonly defaults: Options
  readonly take: (options: Options) => unknown
}

const NOWHERE = 'unix:/nowhere/at/all'

const owners: readonly Owner[] = [
  { name: 'a client', defaults: clientRules.parse({}, '') as Options, take: (options) => new Client(NOWHERE, options) },
  { name: 'a server', defaults: serverRules.parse({}, '') as Options, take: (options) => new Server(options) },
]

const GROUPS = ['socket', 'batch', 'compression', 'limits', 'pool', 'retry', 'throttle', 'overload']

interface Option {
  readonly owner: Owner
  readonly path: string
  readonly value: unknown
  /** Hands the owner this one option. */
  readonly give: (name: string, value: unknown) => unknown
}

function optionsOf(owner: Owner): Option[] {
  return Object.entries(owner.defaults).flatMap(([name, value]) => {
    const top: Option = { owner, path: name, value, give: (other, given) => owner.take({ [other]: given }) }
    if (!GROUPS.includes(name)) return [top]
    const inner = Object.entries(value as Options).map(([key, fallback]) => ({
      owner,
      path: `${name}.${key}`,
      value: fallback,
      give: (other: string, given: unknown) => owner.take({ [name]: { [other]: given } }),
    }))
    return [top, ...inner]
  })
}

const all = owners.flatMap(optionsOf).map((option) => [`${option.owner.name}, ${option.path}`, option] as const)

function shortOf({ path }: Option): string {
  return path.split('.').at(-1) ?? ''
}

/** Hands the option over and returns how that failed. */
function failureOf(give: () => unknown): TransportError {
  try {
    give()
  } catch (error) {
    expect(error).toBeInstanceOf(TransportError)
    return error as TransportError
  }
  throw new Error('it was accepted')
}

describe('options', () => {
  it('are those that this test walks: every group, and every limit', () => {
    const groups = owners.flatMap(({ defaults }) => Object.keys(defaults)).filter((name) => GROUPS.includes(name))
    expect(groups).toEqual(expect.arrayContaining(GROUPS))
    const limits = all.filter(([name]) => name.startsWith('a server, limits.'))
    expect(limits).toHaveLength(Object.keys(LIMITS).length)
    expect(all.length).toBeGreaterThan(100)
  })

  it.for(all)('of an unknown name are refused, and the near one is suggested (%s)', ([_, option]) => {
    const short = shortOf(option)
    const wrong = `${short}x`
    const { code, origin, reason, message, details } = failureOf(() => option.give(wrong, 1))
    expect({ code, origin, reason }).toEqual({ code: 'INVALID_ARGUMENT', origin: 'user', reason: 'option-unknown' })
    const path = option.path.slice(0, option.path.length - short.length) + wrong
    expect(details['option']).toBe(path)
    expect(message).toContain(`unknown option ${path}`)
    expect(message).toContain(`did you mean ${short}?`)
  })

  it.for(all)('of the wrong type are refused by their name (%s)', ([_, option]) => {
    const isObject = typeof option.value === 'object' && option.value !== null
    for (const wrong of isObject ? ['text', 7, true, null] : [{}, null, Symbol('x'), []]) {
      const { reason, message, details } = failureOf(() => option.give(shortOf(option), wrong))
      expect(reason).toBe('option-type')
      expect(details['option']).toBe(option.path)
      expect(message).toContain(`option ${option.path} must be`)
    }
  })

  const ranged = all.filter(([_, { value }]) => typeof value === 'number' || typeof value === 'string')

  it.for(ranged)('outside their range are refused by their name (%s)', ([_, option]) => {
    for (const wrong of typeof option.value === 'number' ? [-1, 2 ** 50] : ['', 'nonsense']) {
      const { reason, message, details } = failureOf(() => option.give(shortOf(option), wrong))
      expect(reason).toBe('option-range')
      expect(details['option']).toBe(option.path)
      expect(message).toContain(`option ${option.path} must`)
    }
    if (typeof option.value === 'number') {
      for (const wrong of [0.5, Number.NaN, Number.POSITIVE_INFINITY, '7']) {
        expect(failureOf(() => option.give(shortOf(option), wrong)).reason).toBe('option-type')
      }
    }
  })

  it.each(Object.entries(LIMITS))('limits.%s takes both ends of its range and nothing beyond', (name, { min, max }) => {
    for (const value of [min, max]) {
      expect(serverRules.parse({ limits: { [name]: value } }, '').limits).toMatchObject({ [name]: value })
    }
    for (const value of [min - 1, max + 1]) {
      expect(failureOf(() => new Server({ limits: { [name]: value } })).details).toMatchObject({ min, max })
    }
  })

  it('left out, or undefined, have their defaults', () => {
    const { clock, random, ...defaults } = clientRules.parse({}, '')
    const {
      clock: _clock,
      random: _random,
      ...given
    } = clientRules.parse({ pool: { min: undefined }, limits: undefined }, '')
    expect(given).toEqual(defaults)
    expect([clock, random]).toEqual([_clock, _random])
  })

  it('that are no object at all are refused', () => {
    for (const wrong of [null, 7, 'text', [], true]) {
      expect(failureOf(() => new Server(wrong as never)).reason).toBe('option-type')
      expect(failureOf(() => new Client(NOWHERE, wrong as never)).reason).toBe('option-type')
    }
  })

  it('of close() are held to the same', async () => {
    expect(failureOf(() => closeRules.parse({ grace: 1 }, 'close')).message).toContain('did you mean graceMs?')
    const details = { option: 'close.graceMs' }
    await expect(new Server().close({ graceMs: '1' as never })).rejects.toMatchObject({
      reason: 'option-type',
      details,
    })
    await expect(new Server().close({ graceMs: -1 })).rejects.toMatchObject({ reason: 'option-range' })
  })

  it('that contradict each other are refused', () => {
    const { reason, details } = failureOf(() => new Client(NOWHERE, { pool: { min: 5, max: 4 } }))
    expect([reason, details]).toEqual(['option-range', { option: 'pool.min' }])
  })

  it.each(['', 'a b', 'é', 'x'.repeat(129)])('refuse %j as an id', (id) => {
    expect(failureOf(() => new Server({ id })).details['option']).toBe('id')
  })
})
