import { describe, expect, test } from 'vitest'
import { errorsPage, limitsPage } from '../../scripts/generate-docs.mjs'
import { REASONS } from '../../src/base/errors.js'
import { STATUS } from '../../src/base/status.js'
import { LIMITS } from '../../src/connection/limits.js'

describe('the page of errors', () => {
  const page = errorsPage(STATUS, REASONS)

  test('has a row for every code and every reason, once', () => {
    for (const [code, { number, meaning }] of Object.entries(STATUS)) {
      expect(page.split(`| ${number} | \`${code}\` | ${meaning} |`)).toHaveLength(2)
    }
    for (const reason of Object.keys(REASONS)) expect(page.split(`<a id="${reason}"></a>`)).toHaveLength(2)
  })

  test('keeps a row in one piece when its text has a bar or a line end', () => {
    const odd = errorsPage(STATUS, { odd: ['UNKNOWN', 'peer', 'either a | b,\nor not'] })
    expect(odd).toContain('| <a id="odd"></a>`odd` | `UNKNOWN` | either a \\| b, or not |')
  })
})

describe('the page of limits', () => {
  test('has a row for every limit, with default, range, reason and counter', () => {
    const page = limitsPage(LIMITS)
    for (const name of Object.keys(LIMITS)) expect(page.split(`| \`${name}\` |`)).toHaveLength(2)
    const limit = {
      default: 1_048_576,
      min: 1_024,
      max: 1_500,
      unit: 'bytes',
      reason: 'frame-too-large',
      metric: 'm',
      meaning: 'A frame.',
    }
    expect(limitsPage({ maxFrameBytes: limit })).toContain(
      '| `maxFrameBytes` | A frame. | bytes | 1 MiB | 1 KiB to 1,500 | [`frame-too-large`](errors.md#frame-too-large) | `m` |',
    )
  })

  test('says of a limit without a reason that it only slows down', () => {
    const limit = { default: 4, min: 1, max: 1_000, unit: 'ms', reason: null, meaning: 'A turn.' }
    expect(limitsPage({ maxTurnMs: limit })).toContain('| 4 | 1 to 1,000 | slows the peer down |  |')
  })

  test('links only to rows that the page of errors has', () => {
    const errors = errorsPage(STATUS, REASONS)
    const links = [...limitsPage(LIMITS).matchAll(/errors\.md#([\w-]+)/g)]
    expect(links.length).toBeGreaterThan(10)
    for (const [, id] of links) expect(errors).toContain(`<a id="${id}"></a>`)
  })
})
