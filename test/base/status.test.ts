import { describe, expect, test } from 'vitest'
import { STATUS, type StatusCode, statusFromNumber } from '../../src/base/status.js'

describe('the status codes', () => {
  test('are the canonical ones of gRPC with their numbers', () => {
    const numbers = Object.fromEntries(Object.entries(STATUS).map(([code, row]) => [code, row.number]))
    expect(numbers).toEqual({
      CANCELLED: 1,
      UNKNOWN: 2,
      INVALID_ARGUMENT: 3,
      DEADLINE_EXCEEDED: 4,
      NOT_FOUND: 5,
      ALREADY_EXISTS: 6,
      PERMISSION_DENIED: 7,
      RESOURCE_EXHAUSTED: 8,
      FAILED_PRECONDITION: 9,
      ABORTED: 10,
      OUT_OF_RANGE: 11,
      UNIMPLEMENTED: 12,
      INTERNAL: 13,
      UNAVAILABLE: 14,
      DATA_LOSS: 15,
      UNAUTHENTICATED: 16,
    })
  })

  test('are found again by their number', () => {
    for (const [code, row] of Object.entries(STATUS)) expect(statusFromNumber(row.number)).toBe(code as StatusCode)
  })

  test.each([0, 17, -1, 255, 1.5, Number.NaN])('read the number %d, which nobody defined, as UNKNOWN', (number) => {
    expect(statusFromNumber(number)).toBe('UNKNOWN')
  })

  test('each say what they mean in one sentence', () => {
    for (const row of Object.values(STATUS)) expect(row.meaning).toMatch(/^[A-Z].*\.$/)
  })
})
