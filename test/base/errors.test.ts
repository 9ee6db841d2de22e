import { describe, expect, test } from 'vitest'
import { failure, type Origin, REASONS, type Reason, TransportError } from '../../src/base/errors.js'
import { STATUS, type StatusCode } from '../../src/base/status.js'
import { LIMITS } from '../../src/connection/limits.js'

const rows = Object.entries(REASONS) as [Reason, readonly [StatusCode, Origin, string]][]

describe('the table of reasons', () => {
  test.each(rows)('%s has a known code, a known origin and a sentence', (reason, [code, origin, meaning]) => {
    expect(reason).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/)
    expect(Object.keys(STATUS)).toContain(code)
    expect(['user', 'local', 'peer', 'network']).toContain(origin)
    expect(meaning).toMatch(/\S[.)$]$/)
  })

  test('says something else of every reason', () => {
    expect(new Set(rows.map(([, [, , meaning]]) => meaning)).size).toBe(rows.length)
  })
})

describe('the limits', () => {
  test.each(rows)('that the sentence of %s names exist', (_reason, [, , meaning]) => {
    for (const [, name] of meaning.matchAll(/`limits\.(\w+)`/g)) expect(Object.keys(LIMITS)).toContain(name)
  })

  test.each(Object.entries(LIMITS))(
    'that are named %s have a reason of the table or only slow the peer down',
    (_, row) => {
      if (row.reason !== null) expect(Object.keys(REASONS)).toContain(row.reason)
    },
  )
})

describe('a failure', () => {
  test.each(rows)('with reason %s carries code and origin of the table', (reason, [code, origin]) => {
    const error = failure(reason, 'what happened')
    expect(error).toBeInstanceOf(TransportError)
    expect(error).toBeInstanceOf(Error)
    expect(error).toMatchObject({ name: 'TransportError', message: 'what happened', reason, code, origin, details: {} })
    expect(error.statusNumber).toBe(STATUS[code].number)
  })

  test('was not processed unless it says so', () => {
    expect(failure('deadline', '').processed).toBe('no')
    expect(failure('deadline', '', { processed: 'maybe' }).processed).toBe('maybe')
  })

  test('may blame somebody else than the table does', () => {
    expect(failure('message-too-large', '', { origin: 'peer' }).origin).toBe('peer')
  })

  test('keeps its cause and its details', () => {
    const cause = new Error('ECONNRESET')
    const error = failure('connection-lost', 'gone', { cause, details: { address: 'tcp://a:1' } })
    expect(error.cause).toBe(cause)
    expect(error.details).toEqual({ address: 'tcp://a:1' })
  })

  test('has no cause property when there is no cause', () => {
    expect(Object.hasOwn(failure('closed', 'closed'), 'cause')).toBe(false)
  })

  test('has a stack that begins with its name and message', () => {
    expect(failure('closed', 'the client is closed').stack).toMatch(
      /^TransportError: the client is closed\n|^Error: the client is closed\n/,
    )
  })
})

describe('an error is safe to try again', () => {
  const retryable = (code: StatusCode, processed: 'no' | 'maybe' | 'yes') =>
    new TransportError('', { code, origin: 'network', processed }).retryable

  test('when the handler proved not to run and the failure may pass', () => {
    expect(retryable('UNAVAILABLE', 'no')).toBe(true)
    expect(retryable('RESOURCE_EXHAUSTED', 'no')).toBe(true)
  })

  test('never when the handler ran or may have run', () => {
    for (const code of Object.keys(STATUS) as StatusCode[]) {
      expect(retryable(code, 'maybe')).toBe(false)
      expect(retryable(code, 'yes')).toBe(false)
    }
  })

  test('never when trying again would end the same way', () => {
    const passing = new Set<string>(['UNAVAILABLE', 'RESOURCE_EXHAUSTED'])
    for (const code of Object.keys(STATUS) as StatusCode[]) {
      expect(retryable(code, 'no')).toBe(passing.has(code))
    }
  })
})

describe('an error of a handler', () => {
  test('has the code that the handler chose and no reason of the table', () => {
    const error = new TransportError('no such account', { code: 'NOT_FOUND', origin: 'user', processed: 'yes' })
    expect(error.reason).toBeUndefined()
    expect(error).toMatchObject({ code: 'NOT_FOUND', processed: 'yes', details: {}, statusNumber: 5 })
  })
})
