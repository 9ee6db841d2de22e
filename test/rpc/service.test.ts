import { describe, expect, it } from 'vitest'
import { defineService, oneWay, raw, unary } from '../../src/index.js'
import { protobuf } from '../../src/protobuf.js'
import { checkName, looseMethod, serviceFacts } from '../../src/rpc/service.js'
import { chain } from '../fixtures/proto/chain.js'

const block = protobuf(chain.Block)
const record = protobuf(chain.TransactionRecord)

function fingerprint(service: Parameters<typeof serviceFacts>[0]): string {
  return serviceFacts(service).fingerprint
}

describe('the fingerprint of a contract', () => {
  const base = defineService('chain', { submit: unary<string, number>(), announce: oneWay<string>() })

  it('is eight bytes in hex', () => {
    expect(fingerprint(base)).toMatch(/^[0-9a-f]{16}$/)
  })

  it('is the same for the same names, shapes and codecs, whatever their order', () => {
    const other = defineService('chain', { announce: oneWay<string>(), submit: unary<string, number>() })
    expect(fingerprint(other)).toBe(fingerprint(base))
  })

  it.each([
    ['another service name', defineService('chains', { submit: unary(), announce: oneWay() })],
    ['another method name', defineService('chain', { submit2: unary(), announce: oneWay() })],
    ['one method more', defineService('chain', { submit: unary(), announce: oneWay(), extra: unary() })],
    ['one method less', defineService('chain', { submit: unary() })],
    ['another shape', defineService('chain', { submit: oneWay(), announce: oneWay() })],
    ['another request codec', defineService('chain', { submit: unary({ request: raw() }), announce: oneWay() })],
    ['another response codec', defineService('chain', { submit: unary({ response: raw() }), announce: oneWay() })],
  ])('differs with %s', (_, other) => {
    expect(fingerprint(other)).not.toBe(fingerprint(base))
  })

  it('differs with another protobuf type', () => {
    const one = defineService('chain', { put: unary({ request: block, response: record }) })
    const other = defineService('chain', { put: unary({ request: record, response: record }) })
    expect(fingerprint(other)).not.toBe(fingerprint(one))
  })

  it('does not run two names into one', () => {
    const one = defineService('chain', { a: unary(), b: unary() })
    const other = defineService('chain.a', { b: unary() })
    expect(fingerprint(other)).not.toBe(fingerprint(one))
  })
})

describe('a contract', () => {
  it('names its methods service.method', () => {
    const { submit } = defineService('chain', { submit: unary() })
    expect(submit.name).toBe('chain.submit')
  })

  it('cannot be changed', () => {
    const service = defineService('chain', { submit: unary() })
    expect(Object.isFrozen(service)).toBe(true)
  })

  it('gives methods used twice a name of their own in each service', () => {
    const shared = unary<string, string>()
    const one = defineService('one', { shared })
    const other = defineService('other', { shared })
    expect([one.shared.name, other.shared.name]).toEqual(['one.shared', 'other.shared'])
    expect(one.shared.index).not.toBe(other.shared.index)
  })
})

describe('a name', () => {
  it.each(['a', 'chain', 'chain.submit', 'eth/v1-beta_2.Get', 'x'.repeat(128), '__proto__', 'constructor'])(
    'may be %s',
    (name) => {
      expect(checkName(name)).toBe(name)
    },
  )

  it.each([
    ['empty', ''],
    ['129 characters long', 'x'.repeat(129)],
    ['with a space', 'a b'],
    ['with a line end', 'a\n'],
    ['with a zero', 'a\0'],
    ['beyond ASCII', 'é'],
    ['a number', 7 as unknown as string],
    ['nothing', undefined as unknown as string],
  ])('may not be %s', (_, name) => {
    expect(() => checkName(name)).toThrow(expect.objectContaining({ reason: 'name-malformed' }))
  })

  it('is checked when a service is defined, together with its methods', () => {
    const malformed = expect.objectContaining({ reason: 'name-malformed' })
    expect(() => defineService('no good', {})).toThrow(malformed)
    expect(() => defineService('good', { 'no good': unary() })).toThrow(malformed)
    expect(() => defineService('x'.repeat(120), { 'nine-char': unary() })).toThrow(malformed)
    expect(() => looseMethod('no good', 'unary')).toThrow(malformed)
  })

  it('shows no more than 64 characters of itself in the error', () => {
    expect(() => checkName('!'.repeat(10_000))).toThrow(/^.{1,200}$/)
  })
})
