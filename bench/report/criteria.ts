import type { Criterion, Result } from './result.js'

/** A criterion over ratios: `value` must be at least, or at most, the bound. A figure that was not measured fails. */
export function atLeast(name: string, value: number, bound: number): Criterion {
  return { name, target: `>= ${bound}`, value, pass: value >= bound }
}

export function atMost(name: string, value: number, bound: number): Criterion {
  return { name, target: `<= ${bound}`, value, pass: value <= bound }
}

/** A figure that is told and not judged. */
export function reported(name: string, value: number): Criterion {
  return { name, target: 'reported', value, pass: true }
}

/** Finds rows of one run by what they measured. */
export class Rows {
  readonly #results: readonly Result[]

  constructor(results: readonly Result[]) {
    this.#results = results
  }

  has(subject: string, match: Partial<Result> = {}): boolean {
    return this.#find(subject, match) !== undefined
  }

  /** NaN where it was not measured. */
  figure(subject: string, match: Partial<Result>, read: (row: Result) => number): number {
    const row = this.#find(subject, match)
    return row === undefined ? Number.NaN : read(row)
  }

  /** Calls a second of one subject over those of another, in the same cell. */
  speedRatio(subject: string, other: string, match: Partial<Result>, otherMatch: Partial<Result> = match): number {
    return this.figure(subject, match, perSecond) / this.figure(other, otherMatch, perSecond)
  }

  #find(subject: string, match: Partial<Result>): Result | undefined {
    const wanted = Object.entries(match)
    return this.#results.find(
      (row) => row.subject === subject && wanted.every(([name, value]) => row[name as keyof Result] === value),
    )
  }
}

const perSecond = (row: Result): number => row.perSecond

export const peakRssMb = (row: Result): number => row.clientPeakRssMb + row.serverPeakRssMb
