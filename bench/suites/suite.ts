import type { Criterion, Result } from '../report/result.js'
import type { Effort } from './cell.js'

export interface Suite {
  readonly name: string
  readonly what: string
  run(effort: Effort, onResult: (results: readonly Result[]) => void): Promise<readonly Criterion[]>
}
