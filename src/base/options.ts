import { failure } from './errors.js'

/**
 * One option: how a value is read and what it says of itself. `Out` is what the library works with, `In` what a
 * user may write.
 */
export interface Rule<Out, In = Out> {
  /** Reads `value`; `undefined` gives the default. Throws an error that names `path`. */
  parse(value: unknown, path: string): Out
  /** Only for the types: what a user may write. */
  readonly input?: In
}

export type OutputOf<R> = R extends Rule<infer Out, unknown> ? Out : never
export type InputOf<R> = R extends { readonly input?: infer In } ? Exclude<In, undefined> : never

type Rules = Readonly<Record<string, Rule<unknown, unknown>>>
type GroupOutput<S extends Rules> = { readonly [K in keyof S]: OutputOf<S[K]> }
type GroupInput<S extends Rules> = { readonly [K in keyof S]?: InputOf<S[K]> | undefined }

export function integer(fallback: number, min: number, max: number): Rule<number> {
  return {
    parse(value, path) {
      if (value === undefined) return fallback
      if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw wrongType(path, 'a whole number', value)
      if (value < min || value > max) {
        throw failure('option-range', `option ${path} must be between ${min} and ${max}, got ${value}`, {
          details: { option: path, min, max },
        })
      }
      return value
    },
  }
}

export function flag(fallback: boolean): Rule<boolean> {
  return {
    parse(value, path) {
      if (value === undefined) return fallback
      if (typeof value !== 'boolean') throw wrongType(path, 'true or false', value)
      return value
    },
  }
}

export function text(fallback: string, pattern: RegExp): Rule<string> {
  return {
    parse(value, path) {
      if (value === undefined) return fallback
      if (typeof value !== 'string') throw wrongType(path, 'a string', value)
      if (!pattern.test(value)) {
        throw failure('option-range', `option ${path} must match ${pattern.source}`, { details: { option: path } })
      }
      return value
    },
  }
}

export function oneOf<const T extends string>(fallback: T, choices: readonly T[]): Rule<T> {
  return {
    parse(value, path) {
      if (value === undefined) return fallback
      const choice = choices.find((known) => known === value)
      if (choice !== undefined) return choice
      const expected = choices.map((known) => `'${known}'`).join(', ')
      if (typeof value !== 'string') throw wrongType(path, `one of ${expected}`, value)
      throw failure(
        'option-range',
        `option ${path} must be one of ${expected}, got '${value}'${hint(value, choices)}`,
        {
          details: { option: path },
        },
      )
    },
  }
}

/** A list whose items all follow one rule. */
export function listOf<Out, In>(rule: Rule<Out, In>, fallback: readonly Out[]): Rule<readonly Out[], readonly In[]> {
  return {
    parse(value, path) {
      if (value === undefined) return fallback
      if (!Array.isArray(value)) throw wrongType(path, 'a list', value)
      return value.map((item: unknown, index) => rule.parse(item, `${path}[${index}]`))
    },
  }
}

/** Leaves the default to somebody else: the kernel, or another option. */
export function optional<Out, In>(rule: Rule<Out, In>): Rule<Out | undefined, In> {
  return { parse: (value, path) => (value === undefined ? undefined : rule.parse(value, path)) }
}

/** An option that has no default. */
export function required<Out, In>(rule: Rule<Out, In>, expected: string): Rule<Out, In> {
  return {
    parse(value, path) {
      if (value !== undefined) return rule.parse(value, path)
      throw failure('option-type', `option ${path} must be ${expected}, and has no default`, {
        details: { option: path },
      })
    },
  }
}

/** An object that the user hands in whole, such as a clock: all that is asked of it are the functions of `fallback`. */
export function instance<T extends object>(fallback: T): Rule<T> {
  const functions = Object.entries(fallback).flatMap(([name, own]) => (typeof own === 'function' ? [name] : []))
  return {
    parse(value, path) {
      if (value === undefined) return fallback
      if (typeof value !== 'object' || value === null) throw wrongType(path, 'an object', value)
      const fields = value as Readonly<Record<string, unknown>>
      for (const name of functions)
        if (typeof fields[name] !== 'function') throw wrongType(join(path, name), 'a function', fields[name])
      return value as T
    },
  }
}

/** A function of the user. What it takes and returns is for the types to say. */
export function callable(): Rule<unknown> {
  return {
    parse(value, path) {
      if (typeof value !== 'function') throw wrongType(path, 'a function', value)
      return value
    },
  }
}

/** Named options. An unknown name is an error that suggests the nearest known one. */
export function group<S extends Rules>(rules: S): Rule<GroupOutput<S>, GroupInput<S>> {
  const names = Object.keys(rules)
  return {
    parse(value, path) {
      const given = value === undefined ? {} : value
      if (typeof given !== 'object' || given === null || Array.isArray(given)) throw wrongType(path, 'an object', value)
      for (const name of Object.keys(given)) {
        if (!Object.hasOwn(rules, name)) throw unknownOption(path, name, names)
      }
      const fields = given as Record<string, unknown>
      const output = Object.fromEntries(names.map((name) => [name, rules[name]?.parse(fields[name], join(path, name))]))
      return output as GroupOutput<S>
    },
  }
}

/** A group of which one number is the least and another the most: the first must not be over the second. */
export function inOrder<
  Out extends Readonly<Record<Least | Most, number>>,
  In,
  Least extends string,
  Most extends string,
>(rule: Rule<Out, In>, least: Least, most: Most): Rule<Out, In> {
  return {
    parse(value, path) {
      const output = rule.parse(value, path)
      if (output[least] <= output[most]) return output
      const [option, other] = [join(path, least), join(path, most)]
      throw failure('option-range', `option ${option} (${output[least]}) must not be over ${other} (${output[most]})`, {
        details: { option },
      })
    },
  }
}

/** `name` is none of the `known` ones at `path`. */
export function unknownOption(path: string, name: string, known: readonly string[]): Error {
  const option = join(path, name)
  return failure('option-unknown', `unknown option ${option}${hint(name, known)}`, { details: { option } })
}

/** Of an argument that is no option; `what` names it. */
export function wrongArgument(what: string, expected: string, value: unknown): Error {
  return failure('option-type', `${what} must be ${expected}, got ${sortOf(value)}`)
}

function wrongType(path: string, expected: string, value: unknown): Error {
  return failure(
    'option-type',
    `${path === '' ? 'options' : `option ${path}`} must be ${expected}, got ${sortOf(value)}`,
    {
      details: { option: path },
    },
  )
}

function sortOf(value: unknown): string {
  return value === null ? 'null' : typeof value === 'number' ? `${value}` : `a value of type ${typeof value}`
}

function join(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`
}

/** What an error says of the name that was probably meant; nothing where none is near. */
export function hint(name: string, known: readonly string[]): string {
  const near = nearest(name, known) ?? beginningLike(name, known)
  return near === undefined ? '' : `; did you mean ${near}?`
}

const MIN_BEGINNING = 3

/** Of a name cut short, such as `prio`, too many letters are missing to be near. */
function beginningLike(name: string, known: readonly string[]): string | undefined {
  if (name.length < MIN_BEGINNING) return undefined
  return known.find((candidate) => candidate.toLowerCase().startsWith(name.toLowerCase()))
}

/** The known name at the smallest edit distance, if a third of the letters or fewer are wrong. */
function nearest(name: string, known: readonly string[]): string | undefined {
  let best: string | undefined
  let bestDistance = Number.POSITIVE_INFINITY
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase())
    const most = Math.min(candidate.length - 1, Math.ceil(candidate.length / 3))
    if (distance < bestDistance && distance <= most) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** Levenshtein distance by the two-row method. Names are short. */
function editDistance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > b.length) return Number.POSITIVE_INFINITY
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const replace = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replace, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
