import { failure } from '../base/errors.js'
import { callable, flag, group, integer, oneOf, optional, type Rule, required } from '../base/options.js'
import { type SocketOptions, socketRules } from '../socket/options.js'

/** A number that need not be whole: time and chance have fractions. */
export function amount(fallback: number, min: number, max: number): Rule<number> {
  return {
    parse(value, path) {
      if (value === undefined) return fallback
      if (typeof value !== 'number' || Number.isNaN(value)) {
        const got = typeof value === 'number' ? 'NaN' : `a value of type ${typeof value}`
        throw failure('option-type', `option ${path} must be a number, got ${got}`, { details: { option: path } })
      }
      if (value < min || value > max) {
        throw failure('option-range', `option ${path} must be between ${min} and ${max}, got ${value}`, {
          details: { option: path, min, max },
        })
      }
      return value
    },
  }
}

/** `seededRandom` has so many states to begin in. */
const MAX_SEED = 2 ** 32 - 1

export const simulationRules = group({
  seed: required(integer(0, 0, MAX_SEED), 'a whole number'),
  onTrace: optional(callable()),
})

export const runRules = group({
  forMs: amount(Number.POSITIVE_INFINITY, 0, Number.POSITIVE_INFINITY),
  until: optional(callable()),
})

export const crashRules = group({ silent: flag(false) })

export const clockRules = group({
  now: amount(0, -Number.MAX_VALUE, Number.MAX_VALUE),
  wallNow: amount(Date.UTC(2026, 0, 1), -Number.MAX_VALUE, Number.MAX_VALUE),
  turns: oneOf('real', ['real', 'manual']),
})

/** Of an address of the virtual network. `tls` and `serverName` are for addresses that it does not have. */
export function readSocketOptions(options: unknown): SocketOptions {
  if (typeof options !== 'object' || options === null) return socketRules.parse(options, '')
  const { tls: _, serverName: __, ...rest } = options as Record<string, unknown>
  return socketRules.parse(rest, '')
}
